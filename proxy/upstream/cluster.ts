// One cluster of a worker: its endpoints and their pools, the picker over them, its limits and figures.
import { ProxyError } from '../base/error.ts';
import type { Clock } from '../base/clock.ts';
import type { NamedCount } from '../base/named-counts.ts';
import type { HostRecord } from '../base/shared-hosts.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { WriteBatch } from '../base/write-batch.ts';
import type { RequestHead } from '../http/message.ts';
import { EndpointStats } from '../telemetry/cluster-stats.ts';
import type { ClusterStats } from '../telemetry/cluster-stats.ts';
import type { OverrideHost } from '../telemetry/stream-info.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import { UpstreamAttempt } from './attempt.ts';
import { ClusterBreaker } from './circuit-breaker.ts';
import type { BreakerPlace, RequestPriority } from './circuit-breaker.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { connectRefusal } from './connector.ts';
import { UpstreamEndpoint } from './endpoint.ts';
import type { EndpointOwner } from './endpoint.ts';
import { ClusterPools } from './cluster-pools.ts';
import { HealthChecker } from './health-check.ts';
import type { CheckedEndpoint, HealthOwner } from './health-check.ts';
import { HighPriority } from './high-priority.ts';
import type { PrioritisedCluster } from './high-priority.ts';
import type { PriorityEndpoints } from './load-balancer/locality.ts';
import { emptyPicker, warmingPicker } from './load-balancer/picker.ts';
import type { Picker } from './load-balancer/picker.ts';
import type { Assignment } from './load-assignment.ts';
import { moveOnly, tellMembership } from './membership.ts';
import { OriginalDestinations } from './original-destinations.ts';
import { OutlierDetector } from './outlier-detection.ts';
import type { OutlierOwner } from './outlier-detection.ts';
import type { OutlierState } from './outlier-state.ts';
import { ClusterPeers } from './peers.ts';
import type { PeersDeps } from './peers.ts';
import { PickerSource } from './picker-source.ts';
import type { PickerSourceDeps } from './picker-source.ts';
import { namesFor } from './server-names.ts';
import type { TransportSockets } from './transport-sockets.ts';
import { UpstreamTunnel } from './tunnel.ts';
import type { Attempt, AttemptSink, Endpoint, Outcome, PickContext, PickResult } from './upstream.ts';

export interface ClusterDeps extends PickerSourceDeps {
  readonly timers: TimerWheel;
  readonly writes: WriteBatch;
  /** A cluster became usable. Default: nobody is told. */
  onChange?(name: string): void;
  /** A cluster has a new picker. */
  onPicker?(name: string): void;
  /** Undefined: it is the only worker. */
  readonly peers?: PeersDeps | undefined;
}

/** The same object as long as the cluster has its name: endpoints, counts and figures outlive configuration. */
export class ClusterImpl implements PrioritisedCluster, EndpointOwner, OutlierOwner, HealthOwner {
  readonly name: string;
  readonly breaker: ClusterBreaker;
  readonly stats: ClusterStats;
  readonly peers: ClusterPeers;
  readonly #deps: ClusterDeps;
  readonly #endpoints = new Map<string, UpstreamEndpoint>();
  readonly #outliers: OutlierDetector;
  readonly #pickers: PickerSource;
  #settings: ClusterSettings;
  #transports: TransportSockets;
  #assignment: Assignment | undefined = undefined;
  #picker: Picker = warmingPicker;
  #pools: ClusterPools;
  #high: HighPriority | undefined = undefined;
  #destinations: OriginalDestinations | undefined = undefined;
  #health: HealthChecker | undefined;

  constructor(
    settings: ClusterSettings, transports: TransportSockets, place: BreakerPlace,
    stats: ClusterStats, deps: ClusterDeps,
  ) {
    this.name = settings.name;
    this.stats = stats;
    this.peers = new ClusterPeers(settings.name, deps.peers, () => deps.clock.nowMs());
    this.breaker = new ClusterBreaker(settings.breaker, place, deps.stats, stats.scope);
    this.#outliers = new OutlierDetector(settings.outliers, this, deps, stats.scope);
    this.#pickers = new PickerSource(stats, deps);
    this.#deps = deps;
    this.#settings = settings;
    this.#transports = transports;
    this.#pools = this.poolsOf('default', this.breaker);
    this.#high = settings.limitsHigh ? this.highPriority : undefined;
    this.#health = this.#healthChecker();
  }

  get settings(): ClusterSettings {
    return this.#settings;
  }

  get transports(): TransportSockets {
    return this.#transports;
  }

  get usesHash(): boolean {
    return this.#settings.byHash;
  }

  get originalDst(): ClusterSettings['originalDst'] {
    return this.#settings.originalDst;
  }

  get statScope(): StatScope {
    return this.stats.scope;
  }

  /** For /clusters, in no particular order. */
  get endpoints(): IterableIterator<UpstreamEndpoint> {
    return this.#endpoints.values();
  }

  get highPriority(): HighPriority {
    const { highBreaker: limits } = this.#settings;
    return (this.#high ??= new HighPriority(this, limits, this.breaker.place, this.#deps.stats));
  }

  /** Of the first priority, as the picker has them. */
  get firstHosts(): PriorityEndpoints {
    return this.#pickers.firstHosts;
  }

  connectionsTo(address: string): NamedCount | undefined {
    return this.#settings.limitsHosts ? this.breaker.place.hosts?.of(`${this.name}|${address}`) : undefined;
  }

  get clock(): Clock {
    return this.#deps.clock;
  }

  get endpointCount(): number {
    return this.#endpoints.size;
  }

  *outlierStates(): IterableIterator<OutlierState> {
    const detects = this.#settings.outliers !== undefined;
    for (const endpoint of this.#endpoints.values()) {
      if (detects) yield endpoint.outlier;
      else if (endpoint.knownOutlier !== undefined) yield endpoint.knownOutlier;
    }
  }

  /** What it waits for before it can be used: its endpoints, or secrets. */
  missing(): string[] {
    const secrets = this.#transports.missingSecrets().map((name) => `secret ${name}`);
    if (this.#assignment === undefined) return [`endpoints ${this.#settings.assignmentName}`, ...secrets];
    return this.#health?.ready === false ? [...secrets, 'health checks'] : secrets;
  }

  /**
   * New settings, complete and checked. Connections are kept unless they would be made otherwise now, or there are more
   * than there may be: those finish what they carry, and a limit that was lowered holds.
   */
  update(settings: ClusterSettings, transports: TransportSockets): void {
    const lowered = settings.breaker.connections < this.#settings.breaker.connections;
    this.breaker.setLimits(settings.breaker);
    this.#high?.setLimits(settings.highBreaker);
    this.#outliers.setSettings(settings.outliers);
    const recheck = settings.healthCheck?.key !== this.#settings.healthCheck?.key;
    const remade = settings.connection.key !== this.#settings.connection.key
      || settings.limitsHosts !== this.#settings.limitsHosts;
    const reconnect = remade || (lowered && this.breaker.tooManyConnections);
    this.#settings = settings;
    if (reconnect || transports !== this.#transports || settings.originalDst === undefined) {
      this.#destinations?.forget();
    }
    if (transports !== this.#transports) this.#transports.close();
    this.#transports = transports;
    if (reconnect) {
      this.#pools = this.poolsOf('default', this.breaker);
      this.#high?.reconnect();
      for (const endpoint of this.#endpoints.values()) endpoint.drainPools();
    }
    if (reconnect || recheck) this.#restartChecks();
    if (this.#assignment !== undefined) this.assign(this.#assignment);
  }

  /** New endpoints. Those that stay keep all that is known about them; the connections of those that left drain. */
  assign(assignment: Assignment): void {
    const first = this.#assignment === undefined;
    this.#assignment = assignment;
    if (this.#settings.logical) moveOnly(this.#endpoints, assignment, this.#transports);
    const left = new Map(this.#endpoints);
    let changed = false;
    for (const facts of assignment.endpoints) {
      const transport = this.#transports.for(facts.transportMatch);
      const known = left.get(facts.address);
      left.delete(facts.address);
      if (known === undefined) {
        const stats = new EndpointStats(this.#deps.stats, this.#settings.statName, facts.address);
        const endpoint = new UpstreamEndpoint(facts, transport, stats, this);
        this.#endpoints.set(facts.address, endpoint);
        if (this.#health !== undefined && facts.check?.disabled !== true) {
          endpoint.checked = 'failed';
          endpoint.excluded = true;
        }
        this.#check(endpoint, first);
        changed = true;
      } else {
        if (known.transport !== transport) this.#health?.remove(known);
        known.update(facts, transport);
        this.#check(known, false);
      }
    }
    for (const [address, endpoint] of left) {
      this.#endpoints.delete(address);
      this.#health?.remove(endpoint);
      endpoint.remove();
    }
    this.#outliers.recount();
    this.#pickers.update(this.#settings, this.#endpoints);
    if ((changed || left.size > 0) && this.#deps.tellsMembership) this.stats.membershipChanged();
    this.refresh();
  }

  /** Builds the picker anew; also when secrets have arrived. */
  refresh(): void {
    this.#picker = this.missing().length > 0 ? warmingPicker : this.#buildPicker();
    this.#deps.onPicker?.(this.name);
  }

  /** The local cluster has changed, which zones are measured by: the next pick looks anew. */
  refreshLater(): void {
    if (this.#picker === warmingPicker || this.#settings.zone === undefined) return;
    const pick: Picker['pick'] = (context) => {
      this.refresh();
      return this.#picker.pick(context);
    };
    this.#picker = { pick };
  }

  /** The cluster is gone, or the worker drains: idle connections close, the others finish. */
  close(): void {
    this.#transports.close();
    this.#outliers.close();
    this.#health?.close();
    for (const endpoint of this.#endpoints.values()) endpoint.remove();
    this.#endpoints.clear();
    this.#pickers.close();
    this.#destinations?.close();
    this.#picker = emptyPicker;
    this.#tellMembership([]);
    this.peers.close();
  }

  recordOf({ address }: UpstreamEndpoint): HostRecord {
    return this.peers.record(this.#settings.logical ? 'the one' : address);
  }

  /** Another worker knows more about its endpoints, or has ended and left its duties. */
  learn(): void {
    this.#outliers.learn();
    this.#health?.learn();
  }

  get hasChecks(): boolean {
    return this.#health !== undefined;
  }

  onFailNow(endpoint: UpstreamEndpoint): void {
    this.#health?.failNow(endpoint);
  }

  onTryConnected(endpoint: UpstreamEndpoint): void {
    if (this.#settings.outliers !== undefined) this.#outliers.onConnected(endpoint.outlier);
    if (this.#health !== undefined) this.peers.sawTraffic();
  }

  onTryDone(endpoint: UpstreamEndpoint, outcome: Outcome): void {
    const { counters } = this.stats;
    if (outcome === 'timeout') counters.rqTimeout.inc();
    else if (outcome === 'try-timeout') counters.rqTryTimeout.inc();
    else if (outcome === 'try-idle-timeout') counters.rqTryIdleTimeout.inc();
    if (this.#settings.outliers !== undefined) this.#outliers.report(endpoint.outlier, outcome);
  }

  onEjectionChange(): void {
    this.refresh();
  }

  onCheckPassed(endpoint: CheckedEndpoint): void {
    if (this.#settings.outliers !== undefined) this.#outliers.onCheckPassed((endpoint as UpstreamEndpoint).outlier);
  }

  get hasTraffic(): boolean {
    return this.stats.counters.cxTotal.value > 0 || this.peers.hasTraffic;
  }

  onHealthChange(): void {
    this.refresh();
    if (this.missing().length === 0) this.#deps.onChange?.(this.name);
  }

  pick(context: PickContext | undefined): PickResult {
    const picked = this.#overridden(context?.override) ?? this.#picker.pick(context);
    if (picked === 'unavailable') this.stats.counters.noneHealthy.inc();
    return picked;
  }

  /** Undefined: the balancer chooses. Only endpoints of the cluster are found, whatever a client asks for. */
  #overridden(override: OverrideHost | undefined): PickResult | undefined {
    if (override === undefined || this.#picker === warmingPicker) return undefined;
    const endpoint = this.#endpoints.get(override.address);
    if (endpoint !== undefined && this.#settings.overrideStatuses.has(endpoint.status)) return endpoint;
    return override.strict ? 'unavailable' : undefined;
  }

  startAttempt(
    endpoint: Endpoint, sink: AttemptSink, head: RequestHead, endStream: boolean, pools = this.#pools,
  ): Attempt | ProxyError {
    const ours = endpoint as UpstreamEndpoint;
    const maker = pools.for(head.protocol, head.upstreamAlpn);
    const pool = ours.pool(namesFor(ours, head.authority, this.#settings.connection, sink.downstream), maker);
    const attempt = new UpstreamAttempt(ours, pool, maker.context, sink, head, endStream);
    return attempt.start() ?? attempt;
  }

  startTunnel(endpoint: Endpoint, sink: AttemptSink, pools = this.#pools): Attempt | ProxyError {
    const ours = endpoint as UpstreamEndpoint;
    const route = ours.routeFor(namesFor(ours, undefined, this.#settings.connection, sink.downstream));
    const refusal = connectRefusal(route);
    if (refusal !== undefined) return refusal;
    if (!pools.breaker.tryConnection(route.connections)) {
      this.stats.counters.cxOverflow.inc();
      return new ProxyError('overflow', 'upstream', 'overflow', 'safe', 'too_many_connections');
    }
    return new UpstreamTunnel(ours, route, pools.for('HTTP/1.1').context, sink);
  }

  countRetry(event: 'retry' | 'success' | 'overflow' | 'limit_exceeded'): void {
    const { counters } = this.stats;
    switch (event) {
      case 'retry': return counters.rqRetry.inc();
      case 'success': return counters.rqRetrySuccess.inc();
      case 'overflow': return counters.rqRetryOverflow.inc();
      case 'limit_exceeded': return counters.rqRetryLimitExceeded.inc();
    }
  }

  countRedirect(followed: boolean): void {
    (followed ? this.stats.counters.redirectSucceeded : this.stats.counters.redirectFailed).inc();
  }

  countResponse(status: number, durationMs: number | undefined): void {
    this.stats.response(status, durationMs);
  }

  #healthChecker(): HealthChecker | undefined {
    const { healthCheck: settings, connection } = this.#settings;
    if (settings === undefined) return undefined;
    const { exchange, reuses } = settings;
    const probes = {
      connection, timers: this.#deps.timers, reuses, exchange,
      openCodec: this.#pools.openCodec(exchange?.protocol ?? 'http1'),
    };
    return new HealthChecker(settings, probes, this, this.#deps, this.stats.scope);
  }

  /** What endpoints were found to be holds until the new checks have asked them. */
  #restartChecks(): void {
    this.#health?.close();
    this.#health = this.#healthChecker();
    if (this.#health === undefined) for (const endpoint of this.#endpoints.values()) endpoint.forgetCheck();
  }

  #check(endpoint: UpstreamEndpoint, first: boolean): void {
    if (endpoint.facts.check?.disabled !== true) {
      this.#health?.add(endpoint, first);
      return;
    }
    this.#health?.remove(endpoint);
    endpoint.forgetCheck();
  }

  /** Bound to today's settings, so that a pool never outlives them. */
  poolsOf(priority: RequestPriority, breaker: ClusterBreaker): ClusterPools {
    return new ClusterPools(this.#settings.connection, priority, breaker, this.stats, this.#deps);
  }

  #buildPicker(): Picker {
    const { originalDst } = this.#settings;
    if (originalDst !== undefined) {
      this.#destinations ??= new OriginalDestinations(this, this.#deps, this.#settings.statName);
      this.#destinations.set(originalDst, this.#transports.for(undefined));
      return this.#destinations;
    }
    const { overprovisioningPercent } = this.#assignment!;
    return this.#pickers.picker(this.#settings, this.#endpoints.values(), overprovisioningPercent,
      (levels) => this.#tellMembership(levels));
  }

  #tellMembership(levels: readonly PriorityEndpoints[]): void {
    if (!this.#deps.tellsMembership) return;
    tellMembership(levels, this.stats);
    this.#health?.tellCounts();
  }
}
