// Writes status into the API server, as slowly as it must, and only what is another there: for the one that leads.
import { setTimeout as pause } from 'node:timers/promises';
import { canonicalJson, type Json } from '../../proxy/base/canonical-json.ts';
import type { Clock } from '../../proxy/base/clock.ts';
import { messageOf } from '../../proxy/base/error.ts';
import { KINDS, type KindName } from '../model/kind.ts';
import { titleOf, type MeshObject } from '../model/mesh-object.ts';
import { KubeError, type KubeClient } from './kube-client.ts';
import { pluralOf, resourcePath } from './kube-resource.ts';

/** What an object's status should say. Conditions are without their times: whoever writes knows them. */
export interface WantedStatus {
  readonly object: Pick<MeshObject, 'kind' | 'namespace' | 'name'> & {
    readonly body?: { readonly metadata: { readonly uid?: unknown } };
  };
  readonly status: Readonly<Record<string, unknown>>;
}

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: { warning(line: string): void };
  /** Whether it may write, asked before each time. */
  readonly isLeading: () => boolean;
  /** Writes in a second. Default 10. */
  readonly writesPerSecond?: number;
  /** The version of a kind that is served; undefined while there is none. */
  readonly versionOf: (kind: KindName) => string | undefined;
  /** An object that could not be written is tried again after so long. Default 30 s. */
  readonly retryMs?: number;
}

/** Lists in a status of which each controller has its own entries, by the name that it writes into them. */
const SHARED_LISTS = ['parents', 'ancestors'] as const;

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #ending = new AbortController();
  #wanted = new Map<string, WantedStatus>();
  /** What each object is known to have, as text. */
  readonly #written = new Map<string, string>();
  /** When those that could not be written are tried again, in the clock's milliseconds. */
  readonly #later = new Map<string, number>();
  readonly #said = new Set<string>();
  #retry: NodeJS.Timeout | undefined = undefined;
  #working = false;
  #writes = 0;
  #failures = 0;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  get counts(): { readonly writes: number; readonly failures: number; readonly waiting: number } {
    return { writes: this.#writes, failures: this.#failures, waiting: this.#next().length };
  }

  /** All that should be written; what is not among it is left as it is. */
  want(statuses: readonly WantedStatus[]): void {
    this.#wanted = new Map(statuses.map((status) => [keyOf(status.object), status]));
    for (const known of [this.#written, this.#later]) {
      for (const key of known.keys()) if (!this.#wanted.has(key)) known.delete(key);
    }
    this.wake();
  }

  /** It leads now: others may have written since. */
  restart(): void {
    this.#written.clear();
    this.#later.clear();
    this.wake();
  }

  wake(): void {
    if (this.#working || this.#ending.signal.aborted || !this.#options.isLeading()) return;
    this.#working = true;
    void this.#work().finally(() => {
      this.#working = false;
      // What was wanted while the last write was under way.
      if (this.#next().length > 0) this.wake();
    });
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#ending.abort();
  }

  #next(): [string, WantedStatus][] {
    const nowMs = this.#options.clock.nowMs();
    return [...this.#wanted].filter(([key, { status }]) =>
      (this.#later.get(key) ?? 0) <= nowMs && this.#written.get(key) !== textOf(status));
  }

  async #work(): Promise<void> {
    const { isLeading, writesPerSecond = 10 } = this.#options;
    const { signal } = this.#ending;
    for (let next = this.#next(); next.length > 0; next = this.#next()) {
      for (const [key] of next) {
        const wanted = this.#wanted.get(key);
        if (signal.aborted || !isLeading()) return;
        if (wanted === undefined) continue;
        await this.#write(key, wanted);
        await pause(1000 / writesPerSecond, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #write(key: string, wanted: WantedStatus): Promise<void> {
    const { client, versionOf } = this.#options;
    const version = versionOf(wanted.object.kind);
    if (version === undefined) return this.#putOff(key);
    try {
      const path = pathOf(wanted.object, version);
      const { metadata, status } = await client.call('GET', path) as KubeStatusObject;
      const merged = mergedStatus(wanted.status, status ?? {}, new Date(this.#options.clock.wallMs()).toISOString());
      if (textOf(merged) !== textOf(status ?? {})) {
        const patch = { metadata: { resourceVersion: metadata?.resourceVersion }, status: merged };
        await client.call('PATCH', `${path}/status`, patch, 'application/merge-patch+json');
        this.#writes++;
      }
    } catch (cause) {
      const status = cause instanceof KubeError ? cause.status : 0;
      this.#failures++;
      // Somebody else has written: it is read again.
      if (status === 409) return;
      // What is gone is wanted no more when the source has seen it too.
      if (status !== 404) this.#say(titleOf(wanted.object), messageOf(cause));
      return this.#putOff(key);
    }
    this.#later.delete(key);
    this.#written.set(key, textOf(wanted.status));
  }

  #putOff(key: string): void {
    const { clock, retryMs = 30_000 } = this.#options;
    this.#later.set(key, clock.nowMs() + retryMs);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.wake(), retryMs + 1);
  }

  /** Each reason once, whatever object it is about. */
  #say(title: string, reason: string): void {
    if (this.#said.has(reason) || this.#said.size >= 100) return;
    this.#said.add(reason);
    this.#options.log.warning(`status of ${title} is not written: ${reason}`);
  }
}

/** One that was deleted and made again is another, that has no status yet. */
function keyOf(object: WantedStatus['object']): string {
  const { uid } = object.body?.metadata ?? {};
  return `${titleOf(object)} ${typeof uid === 'string' ? uid : ''}`;
}

interface KubeStatusObject {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly status?: Record<string, unknown>;
}

/** `/apis/networking.istio.io/v1/namespaces/default/virtualservices/web`; every version has the same status. */
function pathOf({ kind, namespace, name }: WantedStatus['object'], version: string): string {
  const { group, word = kind } = KINDS[kind];
  const resource = { group, plural: pluralOf(word) };
  return `${resourcePath(resource, version, namespace === '' ? undefined : namespace)}/${name}`;
}

/**
 * What is wanted over what is there: a condition that says the same keeps its time, one that another writes stays,
 * and so do other controllers' entries.
 */
export function mergedStatus(
  wanted: Readonly<Record<string, unknown>>, present: Readonly<Record<string, unknown>>, now: string,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...present, ...withTimes(wanted, present, now) as object };
  for (const name of SHARED_LISTS) {
    if (!Array.isArray(wanted[name])) continue;
    const controllers = new Set(records(wanted[name]).map(({ controllerName }) => controllerName));
    const others = records(present[name]).filter(({ controllerName }) => !controllers.has(controllerName));
    merged[name] = [...others, ...records(merged[name])];
  }
  const types = new Set(records(wanted['conditions']).map(({ type }) => type));
  const others = records(present['conditions']).filter(({ type }) => !types.has(type));
  if (others.length > 0) merged['conditions'] = [...others, ...records(merged['conditions'])];
  return merged;
}

/** Entries of lists are those that were there by name, type, or what they refer to. */
function withTimes(wanted: unknown, present: unknown, now: string): unknown {
  if (Array.isArray(wanted)) {
    const known = new Map(records(present).map((entry) => [entryKey(entry), entry]));
    return wanted.map((entry: unknown) =>
      withTimes(entry, isRecord(entry) ? known.get(entryKey(entry)) : undefined, now));
  }
  if (!isRecord(wanted)) return wanted;
  const before = isRecord(present) ? present : {};
  const entries = Object.entries(wanted).map(([key, value]) => [key, withTimes(value, before[key], now)] as const);
  const made = Object.fromEntries(entries);
  if (typeof wanted['type'] !== 'string' || typeof wanted['status'] !== 'string') return made;
  const time = before['status'] === wanted['status'] ? before['lastTransitionTime'] : undefined;
  return { ...made, lastTransitionTime: time ?? now };
}

function entryKey({ type, name, controllerName, parentRef, ancestorRef }: Record<string, unknown>): string {
  return textOf({ type, name, controllerName, parentRef, ancestorRef });
}

function records(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As JSON carries it: a field that is undefined is none. */
function textOf(value: unknown): string {
  return canonicalJson(JSON.parse(JSON.stringify(value)) as Json);
}
