// The TCP proxy: bytes of one downstream connection to one endpoint of a cluster and back,
// with half-close and back-pressure.
import type { Clock } from '../base/clock.ts';
import { ProxyError } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { Transport, TransportHandler } from '../base/transport.ts';
import { xxHash64 } from '../base/xx-hash.ts';
import type { ResponseHead } from '../http/message.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import type { ResponseFlag } from '../telemetry/response-flag.ts';
import type { ConnectionInfo } from '../telemetry/stream-info.ts';
import { StreamInfo } from '../telemetry/stream-info.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import type { TcpStats } from '../telemetry/tcp-stats.ts';
import { ANY_HOST, RetryHosts } from '../upstream/retry.ts';
import type { Attempt, AttemptSink, ClusterSet } from '../upstream/upstream.ts';
import type { EarlyConnection, NetworkConnection, NetworkFilter } from './network-filter.ts';
import type { TcpCarriage } from './tcp-carriage.ts';
import type { TcpClusterChoice } from './tcp-cluster-pick.ts';

/** A TcpProxy filter, compiled. */
export interface TcpProxySettings {
  readonly name: string;
  readonly clusters: ClusterSet;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerWheel;
  readonly stats: TcpStats;
  /** Draws one of the weighted clusters, once a connection. */
  pickCluster(random: number): TcpClusterChoice;
  /** Default 1 h; 0 is off. */
  readonly idleTimeoutMs: number;
  readonly maxDurationMs: number;
  readonly maxConnectAttempts: number;
  /** Bytes go in HTTP. */
  readonly carriage: TcpCarriage | undefined;
  /** Clusters that balance by hash go by the client's address. */
  readonly hashesSourceIp: boolean;
  onConnectionEnd(info: StreamInfo): void;
}

const IDLE_TIMER = 0;
const DURATION_TIMER = 1;

export class TcpProxy implements NetworkFilter {
  readonly name: string;
  readonly #settings: TcpProxySettings;

  constructor(settings: TcpProxySettings) {
    this.name = settings.name;
    this.#settings = settings;
  }

  accept(
    transport: Transport, info: ConnectionInfo, onClose: (connection: NetworkConnection) => void,
  ): NetworkConnection {
    const connection = new TcpConnection(this.#settings, transport, info, onClose);
    connection.settle(true);
    connection.connect();
    return connection;
  }

  acceptEarly(
    transport: Transport, info: ConnectionInfo, onClose: (connection: NetworkConnection) => void,
  ): EarlyConnection {
    return new TcpConnection(this.#settings, transport, info, onClose);
  }

  onRefused(info: ConnectionInfo, flag: ResponseFlag | undefined): void {
    const { clock, stats, onConnectionEnd } = this.#settings;
    stats.connectionsTotal.inc();
    const record = new StreamInfo(info, clock.nowMs(), clock.wallMs());
    record.endMs = record.startMs;
    if (flag !== undefined) record.flags |= flagBit(flag);
    onConnectionEnd(record);
  }
}

/** Both directions of one connection. Nothing is read from downstream until upstream is connected. */
class TcpConnection implements EarlyConnection, TransportHandler, AttemptSink, TimerTarget {
  readonly borrows = true;
  readonly #settings: TcpProxySettings;
  readonly #transport: Transport;
  readonly #onClose: (connection: NetworkConnection) => void;
  readonly #info: StreamInfo;
  readonly #idleTimer: Timer;
  readonly #durationTimer: Timer;
  readonly #cluster: string;
  readonly #hosts: RetryHosts;
  #attempt: Attempt | undefined = undefined;
  #tries = 0;
  #connected = false;
  #upstreamEnded = false;
  #downstreamEnded = false;
  #closed = false;
  /** It counts, and is logged. */
  #isKept = false;

  constructor(
    settings: TcpProxySettings,
    transport: Transport,
    info: ConnectionInfo,
    onClose: (connection: NetworkConnection) => void,
  ) {
    this.#settings = settings;
    this.#transport = transport;
    this.#onClose = onClose;
    this.#info = new StreamInfo(info, settings.clock.nowMs(), settings.clock.wallMs());
    this.#info.dynamicMetadata = info.metadata;
    const { cluster, metadataMatch } = settings.pickCluster(settings.random.float());
    this.#cluster = cluster;
    const rules = { ...ANY_HOST, avoidPreviousHosts: true, hostSelectionMaxAttempts: settings.maxConnectAttempts };
    const hash = settings.hashesSourceIp ? xxHash64(info.remoteIp) : undefined;
    this.#hosts = new RetryHosts(rules, { hash, metadataMatch, arrivedAt: info });
    this.#idleTimer = new Timer(settings.timers, this, IDLE_TIMER);
    this.#durationTimer = new Timer(settings.timers, this, DURATION_TIMER);
    transport.attach(this);
    transport.pause();
    if (settings.maxDurationMs > 0) this.#durationTimer.arm(settings.maxDurationMs);
  }

  settle(isKept: boolean): void {
    this.#isKept = isKept;
    if (!isKept) return;
    const { stats } = this.#settings;
    stats.connectionsTotal.inc();
    stats.connectionsActive.inc();
  }

  connect(): void {
    this.#info.clusterName = this.#cluster;
    const cluster = this.#settings.clusters.get(this.#cluster);
    if (cluster === undefined) {
      this.#fail('NC', 'cluster_not_found');
      return;
    }
    const picked = cluster.pick(this.#hosts);
    if (typeof picked === 'string') {
      this.#fail('UH', 'no_healthy_upstream');
      return;
    }
    this.#tries++;
    this.#hosts.add(picked);
    this.#info.attempts = this.#tries;
    this.#info.upstreamAddress = picked.address;
    const { carriage } = this.#settings;
    const attempt = carriage === undefined ? cluster.startTunnel(picked, this)
      : cluster.startAttempt(picked, this, carriage.head(this.#info), false);
    if (attempt instanceof ProxyError) this.#fail('UO', attempt.detail);
    else this.#attempt = attempt;
  }

  // --- upstream

  get downstream(): ConnectionInfo {
    return this.#info.connection;
  }

  onAttemptReady(localAddress: string, tls: TlsInfo | undefined): void {
    this.#info.upstreamLocalAddress = localAddress;
    this.#info.upstreamTls = tls;
  }

  onInformational(): void {
    // A tunnel's answer has no 1xx.
  }

  onResponseHead({ status }: ResponseHead, endStream: boolean): void {
    if (status < 200 || status > 299) {
      this.#refused(status);
      return;
    }
    this.#connected = true;
    this.#attempt?.endpoint.done('connected');
    if (endStream) this.#endUpstream();
    this.#touch();
    this.#transport.resume();
  }

  /** The proxy upstream leads no further. */
  #refused(status: number): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.endpoint.done(status);
    attempt?.cancel();
    if (this.#tries < this.#settings.maxConnectAttempts) this.connect();
    else this.#fail('UF', `tunnel_refused{${status}}`);
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    this.#touch();
    this.#info.bytesSent += chunk.length;
    if (chunk.length > 0 && !this.#transport.write(chunk)) this.#attempt?.pauseBody();
    if (endStream) this.#endUpstream();
  }

  onResponseTrailers(): void {
    this.#endUpstream();
  }

  onResponseError(error: ProxyError): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    // How bytes flow is not judged: what ends a connection may be either side's wish.
    if (!this.#connected) {
      attempt?.endpoint.done(error.kind === 'local-connect-failure' ? 'cancelled' : 'connect-failure');
    }
    if (!this.#connected && this.#tries < this.#settings.maxConnectAttempts) this.connect();
    else this.#fail(this.#connected ? 'UC' : 'UF', error.detail);
  }

  onRequestDrain(): void {
    this.#transport.resume();
  }

  #endUpstream(): void {
    this.#upstreamEnded = true;
    this.#transport.end();
    if (this.#downstreamEnded) this.#transport.destroy();
  }

  // --- downstream

  onData(chunk: Buffer): void {
    this.#touch();
    this.#info.bytesReceived += chunk.length;
    if (this.#attempt !== undefined && !this.#attempt.sendData(chunk, false)) this.#transport.pause();
  }

  onEnd(): void {
    this.#downstreamEnded = true;
    this.#attempt?.sendData(Buffer.alloc(0), true);
    if (this.#upstreamEnded) this.#transport.destroy();
  }

  onDrain(): void {
    this.#attempt?.resumeBody();
  }

  onClose(): void {
    this.#finish();
  }

  // --- life

  /** TCP has no way to tell a peer to finish: a drained connection lives until its owner ends it. */
  drain(): void {}

  destroy(reason = '', bytes = 0): void {
    this.#info.terminationDetail = reason;
    this.#info.bytesReceived += bytes;
    this.#transport.destroy();
  }

  onTimer(tag: number): void {
    if (tag === IDLE_TIMER) this.#settings.stats.idleTimeout.inc();
    else this.#settings.stats.maxDurationReached.inc();
    this.#info.flags |= flagBit(tag === IDLE_TIMER ? 'SI' : 'DT');
    this.#transport.destroy();
  }

  #touch(): void {
    if (this.#settings.idleTimeoutMs > 0) this.#idleTimer.arm(this.#settings.idleTimeoutMs);
  }

  #fail(flag: 'NC' | 'UH' | 'UO' | 'UF' | 'UC', detail: string): void {
    this.#info.flags |= flagBit(flag);
    this.#info.detail = detail;
    this.#transport.destroy();
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#idleTimer.cancel();
    this.#durationTimer.cancel();
    this.#attempt?.cancel();
    this.#attempt = undefined;
    if (this.#isKept) this.#record();
    this.#onClose(this);
  }

  #record(): void {
    const { stats } = this.#settings;
    stats.connectionsActive.dec();
    stats.bytesReceived.add(this.#info.bytesReceived);
    stats.bytesSent.add(this.#info.bytesSent);
    this.#info.endMs = this.#settings.clock.nowMs();
    this.#settings.onConnectionEnd(this.#info);
  }
}
