// One address of a cluster and all that is kept about it: facts from configuration, figures, and its pools.
import type { Clock } from '../base/clock.ts';
import type { NamedCount } from '../base/named-counts.ts';
import type { HostRecord } from '../base/shared-hosts.ts';
import type { EndpointStats } from '../telemetry/cluster-stats.ts';
import type { ResponseHead } from '../http/message.ts';
import type { ServerNames } from '../tls/client-context.ts';
import type { EndpointMemory, Route } from './connector.ts';
import type { CheckedEndpoint } from './health-check.ts';
import type { Latency } from './load-balancer/latency.ts';
import type { EndpointFacts, EndpointHealth, HealthStatus } from './load-assignment.ts';
import { OutlierState } from './outlier-state.ts';
import type { Pool } from './pool.ts';
import type { TransportSocket } from './transport-sockets.ts';
import type { Endpoint, Outcome } from './upstream.ts';

/**
 * Pools of one endpoint that differ in protocol, or in the names they ask of the server (auto_sni); past this the
 * oldest drains.
 */
const POOLS_MAX = 64;

/** Of an endpoint's record: what its checks have found, 0 for nothing yet. outlier-state.ts has those before. */
const CHECK_FIELD = 9;
const CODES: Readonly<Record<CheckedEndpoint['checked'], number>> = { passed: 1, degraded: 2, failed: 3 };
const EXCLUDED = 4;
const CHECKED = ['failed', 'passed', 'degraded', 'failed', 'failed'] as const;
const FAIL_NOW = 'x-envoy-immediate-health-check-fail';

export const NO_NAMES: ServerNames = { sni: undefined, required: undefined };

/** Connections that say the same and ask the same are of one pool. */
function poolKey({ key }: PoolMaker, { sni, required, header, source }: ServerNames): string {
  if (sni === undefined && required === undefined && header === undefined && source === undefined) return key;
  return `${key}|${sni}|${required}|${source?.key}|${header?.toString('latin1') ?? ''}`;
}

/** The cluster, as its endpoints know it. */
export interface EndpointOwner {
  readonly clock: Clock;
  readonly hasChecks: boolean;
  /** What all workers know about an endpoint. */
  recordOf(endpoint: UpstreamEndpoint): HostRecord;
  onTryConnected(endpoint: UpstreamEndpoint): void;
  /** Undefined where connections to one endpoint have no limit. */
  connectionsTo(address: string): NamedCount | undefined;
  onTryDone(endpoint: UpstreamEndpoint, outcome: Outcome): void;
  onFailNow(endpoint: UpstreamEndpoint): void;
}

/** Makes pools of one protocol, or of those that servers choose from. */
export interface PoolMaker {
  /** What sets its pools apart from those of other makers. */
  readonly key: string;
  make(route: Route, stats: EndpointStats): Pool;
}

/** The same object as long as the address stays in the cluster, whatever else about it changes. */
export class UpstreamEndpoint implements Endpoint, CheckedEndpoint {
  readonly stats: EndpointStats;
  readonly #owner: EndpointOwner;
  /** From its first request. */
  #pools: Map<string, Pool> | undefined = undefined;
  readonly #memory: EndpointMemory = { protocol: undefined, target: undefined };
  /** What the last request used, which is what nearly every next one uses. */
  #lastNames: ServerNames | undefined = undefined;
  #lastMaker: PoolMaker | undefined = undefined;
  #lastPool: Pool | undefined = undefined;
  #facts: EndpointFacts;
  #transport: TransportSocket;
  #removed = false;
  #checked: CheckedEndpoint['checked'] = 'passed';
  /** Made when there is anything to keep in it. */
  #record: HostRecord | undefined = undefined;
  #outlier: OutlierState | undefined = undefined;
  /** When it came, or its checks began to pass. */
  #enteredMs: number;
  activeRequests = 0;
  latency: Latency | undefined = undefined;
  excluded = false;

  constructor(facts: EndpointFacts, transport: TransportSocket, stats: EndpointStats, owner: EndpointOwner) {
    this.stats = stats;
    this.#owner = owner;
    this.#enteredMs = owner.clock.nowMs();
    this.#facts = facts;
    this.#transport = transport;
  }

  get facts(): EndpointFacts {
    return this.#facts;
  }

  get address(): string {
    return this.#facts.address;
  }

  get hostname(): string | undefined {
    return this.#facts.hostname;
  }

  get weight(): number {
    return this.#facts.weight;
  }

  get hashKey(): string | undefined {
    return this.#facts.hashKey;
  }

  get healthySinceMs(): number {
    return Math.max(this.#enteredMs, this.#outlier?.returnedMs ?? 0);
  }

  get priority(): number {
    return this.#facts.priority;
  }

  get lbMetadata(): Readonly<Record<string, unknown>> | undefined {
    return this.#facts.lbMetadata;
  }

  get workload(): string | undefined {
    return this.#facts.workload;
  }

  /** As the balancer sees it: one that is ejected as an outlier, or fails its checks, is unhealthy. */
  get health(): EndpointHealth {
    if (this.#outlier?.ejected === true || this.#checked === 'failed') return 'unhealthy';
    const { health } = this.#facts;
    return this.#checked === 'degraded' && health === 'healthy' ? 'degraded' : health;
  }

  /** For override_host_status: what was found goes before what configuration says. */
  get status(): HealthStatus {
    const { health, status } = this.#facts;
    if (this.#outlier?.ejected === true || this.#checked === 'failed') return 'UNHEALTHY';
    return health !== 'unhealthy' && this.#checked === 'degraded' ? 'DEGRADED' : status;
  }

  get checked(): CheckedEndpoint['checked'] {
    return this.#checked;
  }

  set checked(found: CheckedEndpoint['checked']) {
    if (found !== 'failed') this.excluded = false;
    if (found === this.#checked) return;
    if (this.#checked === 'failed' && found !== 'failed') this.#enteredMs = this.#owner.clock.nowMs();
    this.#checked = found;
    this.stats.failedCheck.set(found === 'failed' ? 1 : 0);
    this.stats.degradedCheck.set(found === 'degraded' ? 1 : 0);
  }

  /** Only where outlier detection is, or was. */
  get outlier(): OutlierState {
    return (this.#outlier ??= new OutlierState(this.#shared, this.stats));
  }

  get knownOutlier(): OutlierState | undefined {
    return this.#outlier;
  }

  get isKnown(): boolean {
    return this.#shared.get(CHECK_FIELD) !== 0;
  }

  tellCheck(): void {
    this.#shared.set(CHECK_FIELD, this.excluded ? EXCLUDED : CODES[this.#checked]);
  }

  forgetCheck(): void {
    this.#record?.set(CHECK_FIELD, 0);
    this.checked = 'passed';
  }

  learnCheck(): boolean {
    const code = this.#shared.get(CHECK_FIELD);
    if (code === 0) return false;
    const checked = CHECKED[code] ?? 'failed';
    const excluded = code === EXCLUDED;
    if (checked === this.#checked && excluded === this.excluded) return false;
    this.checked = checked;
    this.excluded = excluded;
    return true;
  }

  get checkHostname(): string | undefined {
    return this.#facts.check?.hostname;
  }

  get transport(): TransportSocket {
    return this.#transport;
  }

  /** New facts. Connections are kept unless they would be made otherwise now. */
  update(facts: EndpointFacts, transport: TransportSocket): void {
    if (transport !== this.#transport || facts.hostname !== this.#facts.hostname) this.drainPools();
    this.#facts = facts;
    this.#transport = transport;
  }

  /** Its name leads elsewhere: new connections go there, those that there are stay. */
  move(facts: EndpointFacts, transport: TransportSocket): void {
    this.#memory.target = facts.target;
    this.update(facts, transport);
  }

  /** Left the cluster: its connections finish what they carry. */
  remove(): void {
    this.#removed = true;
    this.checked = 'passed';
    this.#outlier?.close();
    this.#record?.release();
    this.drainPools();
  }

  drainPools(): void {
    for (const pool of this.#pools?.values() ?? []) pool.drain();
    this.#pools = undefined;
    this.#lastPool = undefined;
  }

  /** The pool whose connections say and ask these names of the server. */
  pool(names: ServerNames, maker: PoolMaker): Pool {
    if (names === this.#lastNames && maker === this.#lastMaker && this.#lastPool !== undefined) return this.#lastPool;
    const key = poolKey(maker, names);
    const pool = this.#pools?.get(key) ?? this.#addPool(key, maker.make(this.routeFor(names), this.stats));
    this.#lastNames = names;
    this.#lastMaker = maker;
    this.#lastPool = this.#removed ? undefined : pool;
    return pool;
  }

  routeFor(names: ServerNames): Route {
    const { target } = this.#facts;
    const connections = this.#owner.connectionsTo(this.address);
    return {
      target, address: this.address, transport: this.#transport, names, alpn: [], memory: this.#memory, connections,
    };
  }

  checkRoute(altPort: number | undefined, alpn: readonly string[]): Route {
    const { check } = this.#facts;
    const given = check?.target ?? this.#facts.target;
    const port = check?.port ?? altPort;
    const target = port === undefined || 'path' in given ? given : { host: given.host, port };
    const names = this.#transport?.namesFor(this.hostname, undefined) ?? NO_NAMES;
    const memory = { ...this.#memory, target: undefined };
    return { ...this.routeFor(names), target, address: `${this.address}|check`, alpn, memory };
  }

  /** A try is on a connection; `requestEnded` follows. */
  requestStarted(): void {
    this.activeRequests++;
    this.stats.counters.rqTotal.inc();
    this.stats.rqActive.inc();
  }

  /** A response says of its endpoint that it should get no more. */
  onResponseHead({ headers }: ResponseHead): void {
    if (this.#owner.hasChecks && headers.has(FAIL_NOW)) this.#owner.onFailNow(this);
  }

  /** A try has its connection. */
  connected(): void {
    this.#owner.onTryConnected(this);
  }

  requestEnded(): void {
    this.activeRequests--;
    this.stats.rqActive.dec();
  }

  done(outcome: Outcome): void {
    const { counters } = this.stats;
    if (outcome === 'cancelled') return;
    if (outcome === 'connected') {
      this.#owner.onTryDone(this, outcome);
      return;
    }
    if (outcome === 'timeout' || outcome === 'try-timeout' || outcome === 'try-idle-timeout') counters.rqTimeout.inc();
    if (typeof outcome === 'number' && outcome < 500) counters.rqSuccess.inc();
    else counters.rqError.inc();
    this.#owner.onTryDone(this, outcome);
  }

  get #shared(): HostRecord {
    return (this.#record ??= this.#owner.recordOf(this));
  }

  #addPool(key: string, pool: Pool): Pool {
    if (this.#removed) {
      pool.drain();
      return pool;
    }
    const pools = this.#pools ??= new Map<string, Pool>();
    if (pools.size >= POOLS_MAX) {
      const [oldest, old] = pools.entries().next().value!;
      pools.delete(oldest);
      this.#lastPool = undefined;
      old.drain();
    }
    pools.set(key, pool);
    return pool;
  }
}
