// The composition root of a worker: builds each layer and connects it to its neighbours; no layer constructs another.
import { isIP } from 'node:net';
import { EventClock, sharedMs } from './base/clock.ts';
import type { WorkerClock } from './base/clock.ts';
import { Heartbeats, startBeating } from './base/heartbeat.ts';
import { joinHostPort } from './base/host-port.ts';
import { localIp } from './base/local-ip.ts';
import { NamedCounts } from './base/named-counts.ts';
import { PooledRandom } from './base/random.ts';
import { SharedBuckets } from './base/shared-buckets.ts';
import { SharedCounts } from './base/shared-counts.ts';
import { SharedHosts } from './base/shared-hosts.ts';
import { SystemSockets } from './base/system-socket.ts';
import type { BindAddress } from './base/system-socket.ts';
import { TimerWheel } from './base/timers.ts';
import { WorkPace } from './base/work-pace.ts';
import { WriteBatch } from './base/write-batch.ts';
import type { LoginAnswer } from './config/login-exchange.ts';
import type { FilterChain as ChainConfig } from './config/listener.ts';
import type { HostPart } from './config/host-part.ts';
import type { DownstreamTlsContext } from './config/tls.ts';
import { DOWNSTREAM_TLS_TYPE } from './config/type-url.ts';
import type { HostAnswer } from './config/host-demand.ts';
import { HostLink } from './filter/host-link.ts';
import { HostUses } from './filter/host-use.ts';
import { LoginLink } from './filter/login-link.ts';
import { HttpFilters } from './filter/registry.ts';
import { ConnectionPlaces } from './listener/connection-places.ts';
import { ListenerCompiler } from './listener/listener-compile.ts';
import { ListenerSet } from './listener/listener-set.ts';
import { ServerFirstMemory } from './listener/server-first.ts';
import { NetworkFilters } from './network/network-filters.ts';
import { RouteTables } from './route/route-tables.ts';
import type { Applied, ConfigBatch, FromWorker, WorkerStart } from './supervisor/messages.ts';
import { StatPort } from './supervisor/stat-port.ts';
import { AccessLogFiles, compileAccessLogs } from './telemetry/access-log.ts';
import { DecisionBuffer } from './telemetry/decision-record.ts';
import { AccessDecisions } from './telemetry/decision-sink.ts';
import { Logger } from './telemetry/log.ts';
import { SpanBuffer } from './telemetry/span-buffer.ts';
import { serverScope, statName } from './telemetry/stat-name.ts';
import type { StatScope } from './telemetry/stat-name.ts';
import { Stats } from './telemetry/stats.ts';
import { compileTracer } from './telemetry/tracing.ts';
import { SecretStore } from './tls/secret-store.ts';
import { ServerTlsContext } from './tls/server-context.ts';
import { HandshakeBudget } from './tls/handshake-budget.ts';
import { TlsStats } from './tls/tls-stats.ts';
import { ClusterSetImpl } from './upstream/cluster-set.ts';
import type { PeersDeps } from './upstream/peers.ts';
import { WorkerConfig } from './worker-config.ts';

type Send = (message: FromWorker) => void;

/** Everything that one worker thread runs. */
export class WorkerProxy {
  readonly #clock: WorkerClock;
  readonly #timers: TimerWheel;
  readonly #handshakes: HandshakeBudget;
  readonly #random = new PooledRandom();
  readonly #writes: WriteBatch;
  readonly #secrets = new SecretStore();
  readonly #routes = new RouteTables();
  readonly #start: WorkerStart;
  #sockets: SystemSockets | undefined = undefined;
  readonly #inherited: Map<string, readonly number[]>;
  readonly #send: Send;
  readonly #log: Logger;
  readonly #statPort: StatPort;
  readonly #stats: Stats;
  readonly #spans: SpanBuffer;
  readonly #logFiles: AccessLogFiles;
  readonly #clusters: ClusterSetImpl;
  readonly #buckets: SharedBuckets;
  readonly #logins: LoginLink;
  readonly #hosts: HostLink;
  readonly #filters: HttpFilters;
  readonly #listeners: ListenerSet;
  readonly #decisions = new AccessDecisions();
  readonly #audit: DecisionBuffer | undefined;
  readonly #config: WorkerConfig;
  readonly #stopBeating: () => void;
  #connectionIds = 0;
  #drainWatch: NodeJS.Timeout | undefined = undefined;

  /** `held` is a test's: the clock, and the timers that follow it. */
  constructor(start: WorkerStart, send: Send, held?: { readonly clock: WorkerClock; readonly timers: TimerWheel }) {
    this.#clock = held?.clock ?? new EventClock();
    this.#timers = held?.timers ?? new TimerWheel(this.#clock);
    this.#handshakes = new HandshakeBudget(this.#clock);
    this.#writes = new WriteBatch(this.#clock);
    this.#start = start;
    this.#inherited = new Map(start.inherited);
    this.#send = send;
    this.#log = new Logger(start.logLevel, this.#clock);
    this.#statPort = new StatPort(send);
    this.#stats = new Stats(this.#statPort);
    this.#audit = this.#makeAudit();
    this.#spans = new SpanBuffer(this.#timers, this.#stats, (spans) => send({ kind: 'spans', spans }));
    this.#logFiles = new AccessLogFiles(this.#timers, this.#stats);
    this.#clusters = this.#makeClusters();
    this.#buckets = this.#makeBuckets();
    this.#logins = new LoginLink((id, provider, question) => send({ kind: 'login', id, provider, question }));
    const uses = new HostUses(this.#timers, (table, hosts) => send({ kind: 'hosts-used', table, hosts }));
    this.#hosts = new HostLink((table, authority) => send({ kind: 'demand', table, authority }), uses);
    this.#filters = new HttpFilters({
      clusters: this.#clusters, random: this.#random, stats: this.#stats, node: start.node, buckets: this.#buckets,
      counts: this.#namedCounts(), decisions: this.#decisions, secrets: this.#secrets, logins: this.#logins,
      hosts: this.#hosts, clock: this.#clock, timers: this.#timers,
    });
    this.#listeners = this.#makeListeners();
    this.#stopBeating = this.#startBeating();
    this.#config = new WorkerConfig({
      secrets: this.#secrets, clusters: this.#clusters, routes: this.#routes, listeners: this.#listeners,
      compileFilterConfig: this.#filters.compileFilterConfig,
      pace: new WorkPace(this.#clock, () => this.#listeners.connections > 0),
    });
  }

  apply(batch: ConfigBatch): Promise<Applied> {
    return this.#config.apply(batch);
  }

  /** Virtual hosts of a route table of which the rest comes with apply(). */
  addVirtualHosts(route: string, hosts: readonly HostPart[]): Promise<void> {
    return this.#config.addVirtualHosts(route, hosts);
  }

  /** Every response is its connection's last from now on; the number of open connections is told until it is 0. */
  drain(inboundOnly: boolean): void {
    this.#listeners.drain(inboundOnly);
    const tell = (): void => this.#send({ kind: 'connections', count: this.#listeners.connections });
    tell();
    this.#drainWatch ??= setInterval(tell, 50);
  }

  undrain(): void {
    clearInterval(this.#drainWatch);
    this.#drainWatch = undefined;
    this.#listeners.undrain();
  }

  /** The number of open connections is told anew, so that 0 is the end of them. */
  stopListening(inboundOnly: boolean): void {
    this.#listeners.stop(inboundOnly);
    this.#send({ kind: 'connections', count: this.#listeners.connections });
  }

  /** Of this thread; a component that this thread doesn't have is another's. */
  setLogLevel(level: string, component: string | undefined): void {
    if (component === undefined || this.#log.levels().has(component)) this.#log.setLevel(level, component);
  }

  /** About endpoints, from other workers; undefined: about all. */
  learn(clusters: readonly string[] | undefined): void {
    if (clusters === undefined) for (const cluster of this.#clusters) cluster.learn();
    else for (const name of clusters) this.#clusters.get(name)?.learn();
  }

  answerLogin(id: number, answer: LoginAnswer): void {
    this.#logins.answer(id, answer);
  }

  answerDemand(table: string, authority: string, answer: HostAnswer): void {
    this.#hosts.answer(table, authority, answer);
  }

  reopenLogs(): void {
    this.#logFiles.reopen();
  }

  /** Closes what is open, writes what waits. */
  async stop(): Promise<void> {
    clearInterval(this.#drainWatch);
    this.#stopBeating();
    this.#listeners.destroy();
    this.#clusters.close();
    this.#spans.flush();
    this.#audit?.flush();
    this.#statPort.flush();
    await new Promise<void>((resolve) => this.#logFiles.close(resolve));
  }

  #startBeating(): () => void {
    const { heartbeats, workerIndex } = this.#start;
    const beats = new Heartbeats(heartbeats);
    const lag = this.#stats.histogram(statName(serverScope, `worker_${workerIndex}.event_loop_lag_ms`));
    return startBeating(this.#clock, () => beats.beat(workerIndex), (lateMs) => lag.record(lateMs));
  }

  /** Where the proxy keeps no audit log nobody listens. */
  #makeAudit(): DecisionBuffer | undefined {
    if (this.#start.node.metadata['WEFT_AUDIT'] === undefined) return undefined;
    const buffer = new DecisionBuffer(this.#timers, () => this.#clock.nowMs(),
      (records, dropped) => this.#send({ kind: 'decisions', records, dropped }));
    this.#decisions.add(buffer);
    return buffer;
  }

  #makeClusters(): ClusterSetImpl {
    const { breakerCounts, workerCount, workerIndex, zone } = this.#start;
    return new ClusterSetImpl({
      clock: this.#clock, timers: this.#timers, random: this.#random, stats: this.#stats, secrets: this.#secrets,
      writes: this.#writes,
      tellsMembership: workerIndex === 0, zone,
      peers: this.#makePeers(),
      shared: {
        counts: new SharedCounts(breakerCounts, workerCount), thread: workerIndex,
        hosts: this.#namedCounts(),
      },
    });
  }

  #namedCounts(): NamedCounts {
    const { namedCounts, workerCount, workerIndex } = this.#start;
    return new NamedCounts(namedCounts, workerCount, workerIndex);
  }

  /** One message tells of all that an event has changed. */
  #makePeers(): PeersDeps | undefined {
    const { hosts, workerCount, workerIndex } = this.#start;
    if (workerCount === 1) return undefined;
    const changed = new Set<string>();
    const tell = (): void => {
      this.#send({ kind: 'tell', clusters: [...changed] });
      changed.clear();
    };
    return {
      hosts: new SharedHosts(hosts, workerIndex),
      nowMs: sharedMs(this.#clock),
      tell: (cluster) => {
        if (changed.size === 0) setImmediate(tell);
        changed.add(cluster);
      },
    };
  }

  #makeBuckets(): SharedBuckets {
    const evicted = this.#stats.counter(statName(serverScope, 'rate_limit_buckets_evicted'));
    return new SharedBuckets(this.#start.tokenBuckets, sharedMs(this.#clock), evicted);
  }

  #makeListeners(): ListenerSet {
    const network = this.#makeNetworkFilters();
    const compiler = new ListenerCompiler({
      stats: this.#stats, workerIndex: this.#start.workerIndex,
      filter: (chain, listener) => network.prepare(chain, listener),
      tls: (chain, scope, stats) => this.#serverTls(chain, scope, stats),
    });
    const host = {
      clock: this.#clock, timers: this.#timers, reusePort: this.#start.reusePort,
      serverFirst: new ServerFirstMemory(this.#clock, this.#stats), places: this.#makePlaces(),
      inherit: (address: string) => this.#inherit(address),
      tryBind: process.platform === 'linux' ? (place: BindAddress) => this.#tryBind(place) : undefined,
      nextConnectionId: () => ++this.#connectionIds,
      onHandshakeFailure: (listener: string, peer: string, reason: string) => {
        this.#log.component('tls').debug(`${listener}: handshake with ${peer} failed: ${reason}`);
      },
    };
    return new ListenerSet(compiler, host, {
      onListening: (listener, port, address, descriptors) =>
        this.#send({ kind: 'listening', listener, port, address, descriptors }),
      onWarming: (listener, missing) => this.#send({ kind: 'warming', listener, missing }),
      onListenFailed: (listener, reason) => this.#send({ kind: 'listen-failed', listener, reason }),
    });
  }

  #makePlaces(): ConnectionPlaces {
    const count = this.#namedCounts().count('downstream connections');
    const log = this.#log.component('listener');
    return new ConnectionPlaces(count, this.#start.connectionsMax, this.#clock, (line) => log.warning(line));
  }

  /** What another process hands over is not free, and need not be. */
  #tryBind(place: BindAddress): void {
    const { host, port } = place;
    if (isIP(host) === 0 || this.#inherited.has(joinHostPort(host, port))) return;
    (this.#sockets ??= new SystemSockets()).tryBind(place);
  }

  #inherit(address: string): readonly number[] {
    const descriptors = this.#inherited.get(address) ?? [];
    this.#inherited.delete(address);
    return descriptors;
  }

  #makeNetworkFilters(): NetworkFilters {
    const { node, tracing } = this.#start;
    return new NetworkFilters({
      clock: this.#clock, timers: this.#timers, random: this.#random, writes: this.#writes, stats: this.#stats,
      localIp: localIp(), clusters: this.#clusters, routes: this.#routes, buckets: this.#buckets,
      counts: this.#namedCounts(), decisions: this.#decisions,
      compileRoutes: (config, owner) => this.#config.compileRoutes(config, owner),
      compileFilters: (config, listener, owner) => this.#filters.compile(
        config.httpFilters, config.statPrefix, listener.trafficDirection, owner,
        config.rds === undefined ? undefined : this.#routes.ref(config.rds.routeConfigName),
      ),
      compileAccessLogs: (configs, type) => compileAccessLogs(configs, {
        files: this.#logFiles, random: this.#random, type,
      }),
      compileTracer: (config, listener) => compileTracer(config.tracing, {
        outbound: listener.trafficDirection === 'OUTBOUND', defaultProvider: tracing,
        requestId: config.requestIdExtension?.typedConfig,
        path: 'tracing',
      }, { random: this.#random, spans: this.#spans, node }),
    });
  }

  #serverTls(chain: ChainConfig, scope: string, stats: StatScope): ServerTlsContext | undefined {
    const config = chain.transportSocket?.typedConfig;
    if (config === undefined || config['@type'] !== DOWNSTREAM_TLS_TYPE) return undefined;
    const deps = {
      secrets: this.#secrets, stats: new TlsStats(this.#stats, stats), clock: this.#clock, timers: this.#timers,
      budget: this.#handshakes,
    };
    return new ServerTlsContext(config as DownstreamTlsContext, scope, deps);
  }
}
