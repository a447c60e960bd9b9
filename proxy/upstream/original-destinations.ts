// The endpoints of a cluster of type ORIGINAL_DST: made when a request or its
// connection names their address, forgotten when none does.
import { isIP } from 'node:net';
import { parseIp } from '../base/cidr.ts';
import { NOT_A_NUMBER, parseDecimal } from '../base/integer.ts';
import { joinHostPort } from '../base/host-port.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { LIMITS } from '../config/limits.ts';
import { EndpointStats } from '../telemetry/cluster-stats.ts';
import { clusterScope, statName } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import { UpstreamEndpoint } from './endpoint.ts';
import type { EndpointOwner } from './endpoint.ts';
import type { EndpointFacts } from './load-assignment.ts';
import type { Picker } from './load-balancer/picker.ts';
import type { OriginalDstSettings } from './original-dst-settings.ts';
import type { TransportSocket } from './transport-sockets.ts';
import type { Arrival, PickContext, PickResult, PickWishes } from './upstream.ts';

const PORT_MAX = 65_535;
const NOWHERE: Arrival = { localIp: '', localPort: 0 };

interface Known {
  readonly endpoint: UpstreamEndpoint;
  usedMs: number;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Clients may name any number of addresses: past a limit the one that was not asked for longest makes room. */
export class OriginalDestinations implements Picker, TimerTarget {
  readonly #owner: EndpointOwner;
  readonly #stats: EndpointStats;
  readonly #invalid: Counter;
  readonly #overflow: Counter;
  readonly #cleanup: Timer;
  /** By address, the one that was asked for last at the end. */
  readonly #known = new Map<string, Known>();
  #settings: OriginalDstSettings | undefined = undefined;
  #transport: TransportSocket = undefined;

  constructor(owner: EndpointOwner, deps: { readonly stats: Stats; readonly timers: TimerWheel }, name: string) {
    this.#owner = owner;
    // One for all of them, because stats are never given back (S88).
    this.#stats = new EndpointStats(deps.stats, name, 'original_dst');
    this.#invalid = deps.stats.counter(statName(clusterScope(name), 'original_dst_host_invalid'));
    this.#overflow = deps.stats.counter(statName(clusterScope(name), 'original_dst_host_overflow'));
    this.#cleanup = new Timer(deps.timers, this);
  }

  set(settings: OriginalDstSettings, transport: TransportSocket): void {
    this.#settings = settings;
    this.#transport = transport;
  }

  pick(context: PickContext | undefined): PickResult {
    const address = this.#addressOf(context?.wishes);
    if (address === undefined) return 'unavailable';
    const key = joinHostPort(address.host, address.port);
    const found = this.#known.get(key);
    const known = found ?? { endpoint: this.#make(address, key), usedMs: 0 };
    known.usedMs = this.#owner.clock.nowMs();
    if (found !== undefined) this.#known.delete(key);
    else if (this.#known.size >= LIMITS.originalDstHostsMax) this.#makeRoom();
    this.#known.set(key, known);
    if (!this.#cleanup.armed) this.#cleanup.arm(this.#settings!.cleanupMs);
    return known.endpoint;
  }

  onTimer(): void {
    const { cleanupMs } = this.#settings!;
    const until = this.#owner.clock.nowMs() - cleanupMs;
    for (const [key, { endpoint, usedMs }] of this.#known) {
      if (usedMs > until) break;
      if (endpoint.activeRequests > 0) continue;
      this.#known.delete(key);
      endpoint.remove();
    }
    if (this.#known.size > 0) this.#cleanup.arm(cleanupMs);
  }

  /** What is known was made otherwise than now: connections that are in use finish, the others close. */
  forget(): void {
    for (const { endpoint } of this.#known.values()) endpoint.remove();
    this.#known.clear();
  }

  close(): void {
    this.#cleanup.cancel();
    this.forget();
  }

  #makeRoom(): void {
    const [key, { endpoint }] = this.#known.entries().next().value!;
    this.#overflow.inc();
    this.#known.delete(key);
    endpoint.remove();
  }

  #make(target: Address, address: string): UpstreamEndpoint {
    const facts: EndpointFacts = {
      address, target, hostname: undefined, weight: 1, priority: 0, health: 'healthy', status: 'UNKNOWN',
      locality: '//', localityWeight: 0, lbMetadata: undefined, hashKey: undefined, workload: undefined,
      check: undefined, transportMatch: undefined,
    };
    return new UpstreamEndpoint(facts, this.#transport, this.#stats, this.#owner);
  }

  /** What the request names goes before where its connection wanted to go. */
  #addressOf(wishes: PickWishes | undefined): Address | undefined {
    const { port } = this.#settings!;
    const named = wishes?.namedAddress === undefined ? undefined : this.#namedBy(wishes, wishes.namedAddress);
    if (named !== undefined) return named;
    const { localIp, localPort, redirected = false } = wishes?.arrivedAt ?? NOWHERE;
    return redirected ? { host: localIp, port: port ?? localPort } : undefined;
  }

  #namedBy({ arrivedAt }: PickWishes, text: string): Address | undefined {
    const named = parseAddress(text);
    const { port = named?.port ?? 0 } = this.#settings!;
    if (named !== undefined && !leadsBack(named.host, port, arrivedAt)) return { host: named.host, port };
    this.#invalid.inc();
    return undefined;
  }
}

/**
 * To where the request came in, or to no certain address, which is this machine too: it would name the same again, and
 * go round until it has all connections. Envoy lets it.
 */
function leadsBack(host: string, port: number, { localIp, localPort, redirected }: Arrival = NOWHERE): boolean {
  const named = parseIp(host);
  const own = localPort === port && redirected !== true ? parseIp(localIp) : undefined;
  if (named === undefined) return true;
  if ((named.a | named.b | named.c | named.d) === 0) return true;
  return own !== undefined && own.family === named.family && own.a === named.a && own.b === named.b
    && own.c === named.c && own.d === named.d;
}

/** `ip:port`, IPv6 in brackets; names are not looked up. */
function parseAddress(text: string): Address | undefined {
  const colon = text.lastIndexOf(':');
  const port = parseDecimal(text.slice(colon + 1));
  if (colon === -1 || port === NOT_A_NUMBER || port === 0 || port > PORT_MAX) return undefined;
  const bracketed = text.startsWith('[') && text[colon - 1] === ']';
  const host = bracketed ? text.slice(1, colon - 1) : text.slice(0, colon);
  // A zone is the name of an interface of this machine.
  if (host.includes('%')) return undefined;
  return isIP(host) === (bracketed ? 6 : 4) ? { host: bracketed ? host.toLowerCase() : host, port } : undefined;
}
