// Virtual addresses of services that have none of their own: by them connections that are redirected tell what they are
// for. Made of the name alone, so that every control plane gives the same, before and after a restart.
import { createHash } from 'node:crypto';
import type { Steps } from '../model/steps.ts';

/** A service that wants addresses. */
export interface Unaddressed {
  readonly hostname: string;
  /** Unix time in milliseconds; undefined where nobody knows. */
  readonly createdMs: number | undefined;
}

/** Istio's 240.240.0.0/16, of no use to anybody else, and 2001:2::/48, which is for benchmarks (RFC 5180). */
const V4_START = '240.240.';
/** Of each of 256 blocks all but the first and the last. */
const BLOCK = 254;
const SLOTS = 256 * BLOCK;

/**
 * One of each family for each host; none for those that find no room. Two names that fall on one address: the older has
 * it, else the one that comes first in the alphabet, and the other goes on to the next. `taken` are addresses that
 * somebody wrote.
 */
export function* autoAddresses(
  hosts: readonly Unaddressed[], taken: Iterable<string>,
): Steps<Map<string, readonly string[]>> {
  const used = new Set<number>();
  for (const address of taken) {
    const slot = slotOf(address);
    if (slot !== undefined) used.add(slot);
  }
  const given = new Map<string, readonly string[]>();
  for (const { hostname } of hosts.toSorted(byAge)) {
    if (given.has(hostname) || used.size >= SLOTS) continue;
    let slot = firstSlot(hostname);
    while (used.has(slot)) slot = (slot + 1) % SLOTS;
    used.add(slot);
    given.set(hostname, addressesAt(slot));
    yield;
  }
  return given;
}

function byAge(one: Unaddressed, other: Unaddressed): number {
  const age = (one.createdMs ?? Infinity) - (other.createdMs ?? Infinity);
  return age < 0 || age > 0 ? age : one.hostname < other.hostname ? -1 : 1;
}

function firstSlot(hostname: string): number {
  return createHash('sha256').update(hostname).digest().readUInt32BE() % SLOTS;
}

function addressesAt(slot: number): string[] {
  const [third, fourth] = [Math.trunc(slot / BLOCK), slot % BLOCK + 1];
  return [`${V4_START}${third}.${fourth}`, `2001:2::f0f0:${(third * 256 + fourth).toString(16)}`];
}

function slotOf(address: string): number | undefined {
  if (!address.startsWith(V4_START)) return undefined;
  const [, , third = 0, fourth = 0] = address.split('.').map(Number);
  return fourth === 0 || fourth === 255 ? undefined : third * BLOCK + fourth - 1;
}
