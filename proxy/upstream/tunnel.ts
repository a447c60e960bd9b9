// Raw bytes over a connection of their own: CONNECT that ends here, and TCP proxying. Answers 200 when connected.
import { ProxyError } from '../base/error.ts';
import type { NamedCount } from '../base/named-counts.ts';
import type { Socket } from 'node:net';
import { openTransport } from '../base/socket-transport.ts';
import type { Transport, TransportHandler } from '../base/transport.ts';
import type { Headers } from '../http/headers.ts';
import { ResponseHead } from '../http/message.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import { CertificateLife } from '../tls/certificate-life.ts';
import type { MortalConnection } from '../tls/certificate-life.ts';
import { Connecting } from './connector.ts';
import type { ConnectHandler, Route } from './connector.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import type { PoolContext } from './pool.ts';
import type { TransportSocket } from './transport-sockets.ts';
import type { Attempt, AttemptSink } from './upstream.ts';

const NOTHING = Buffer.alloc(0);

/** `connecting` -> `open` -> `closed`. Each direction ends by itself (half-close); after both the socket closes. */
type State = 'connecting' | 'open' | 'closed';

export class UpstreamTunnel implements Attempt, ConnectHandler, TransportHandler, MortalConnection {
  readonly borrows = true;
  readonly endpoint: UpstreamEndpoint;
  readonly #context: PoolContext;
  readonly #sink: AttemptSink;
  readonly #startMs: number;
  readonly #host: NamedCount | undefined;
  readonly #connecting: Connecting;
  readonly #security: TransportSocket;
  #life: CertificateLife | undefined = undefined;
  #transport: Transport | undefined = undefined;
  #state: State = 'connecting';
  /** Copies of what came before the connection. */
  #held: Buffer[] = [];
  #sendEnded = false;
  #receiveEnded = false;
  #paused = false;

  /** One of the cluster's connections must have been taken for it. */
  constructor(endpoint: UpstreamEndpoint, route: Route, context: PoolContext, sink: AttemptSink) {
    this.endpoint = endpoint;
    this.#host = route.connections;
    this.#security = route.transport;
    this.#context = context;
    this.#sink = sink;
    this.#startMs = context.clock.nowMs();
    const { counters, gauges } = context.stats;
    counters.cxTotal.inc();
    gauges.cxActive.inc();
    endpoint.stats.counters.cxTotal.inc();
    endpoint.stats.cxActive.inc();
    endpoint.requestStarted();
    this.#connecting = new Connecting(route, context.settings, context.timers, this);
  }

  sendData(chunk: Buffer, endStream: boolean): boolean {
    if (this.#state === 'closed' || this.#sendEnded) return true;
    this.#sendEnded = endStream;
    if (this.#state === 'connecting') {
      if (chunk.length > 0) this.#held.push(Buffer.from(chunk));
      return false;
    }
    const room = chunk.length === 0 || this.#transport!.write(chunk);
    if (endStream) this.#transport!.end();
    return room;
  }

  /** A tunnel has no place for them. */
  sendTrailers(_trailers: Headers): void {
    this.sendData(NOTHING, true);
  }

  pauseBody(): void {
    this.#paused = true;
    this.#transport?.pause();
  }

  resumeBody(): void {
    this.#paused = false;
    this.#transport?.resume();
  }

  cancel(): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'connecting') this.#connecting.cancel();
    else this.#countEnd(true);
    this.#close();
    this.#transport?.destroy();
  }

  // --- from the connector

  onConnected(socket: Socket, tls: TlsInfo | undefined, localAddress: string): void {
    this.#context.stats.connectMs.record(this.#context.clock.nowMs() - this.#startMs);
    this.#state = 'open';
    this.endpoint.connected();
    this.#transport = openTransport(socket, 'upstream');
    const { timers, clock } = this.#context;
    const endMs = tls?.endMs;
    if (endMs !== undefined) this.#life = new CertificateLife(this, { ...tls, endMs }, timers, clock);
    this.#sink.onAttemptReady(localAddress, tls);
    if (this.#isOpen()) this.#sink.onResponseHead(new ResponseHead(200), false);
    if (this.#isOpen()) this.#begin(this.#transport);
  }

  onConnectFailed(error: ProxyError): void {
    const { counters } = this.#context.stats;
    counters.cxConnectFail.inc();
    this.endpoint.stats.counters.cxConnectFail.inc();
    if (error.kind === 'connect-timeout') counters.cxConnectTimeout.inc();
    if (error.kind === 'local-connect-failure') counters.cxLocalConnectFail.inc();
    this.#close();
    this.#sink.onResponseError(error);
  }

  // --- from the certificates

  /** Bytes cannot be told to finish. */
  drain(): void {}

  expire(): void {
    this.#security?.countExpired();
    this.#transport?.destroy();
    this.onClose(new ProxyError('upstream-reset', 'upstream', 'certificate_expired', 'never'));
  }

  // --- from the transport

  onData(chunk: Buffer): void {
    if (this.#state === 'open') this.#sink.onResponseData(chunk, false);
  }

  onEnd(): void {
    if (this.#state !== 'open') return;
    this.#receiveEnded = true;
    this.#sink.onResponseData(NOTHING, true);
  }

  onDrain(): void {
    if (this.#state === 'open' && !this.#sendEnded) this.#sink.onRequestDrain();
  }

  onClose(error: ProxyError | undefined): void {
    if (this.#state !== 'open') return;
    this.#countEnd(false);
    this.#close();
    if (this.#receiveEnded && error === undefined) return;
    const cause = error?.cause;
    this.#sink.onResponseError(new ProxyError('upstream-reset', 'upstream', 'connection_termination', 'never', cause));
  }

  #begin(transport: Transport): void {
    transport.attach(this);
    if (this.#paused) transport.pause();
    let room = true;
    for (const chunk of this.#held) room = transport.write(chunk);
    const waited = this.#held.length > 0;
    this.#held = [];
    if (this.#sendEnded) transport.end();
    else if (waited && room) this.#sink.onRequestDrain();
  }

  /** Asked again after each call into the sink, which may cancel. */
  #isOpen(): boolean {
    return this.#state === 'open';
  }

  #countEnd(local: boolean): void {
    const { counters } = this.#context.stats;
    counters.cxDestroy.inc();
    (local ? counters.cxDestroyLocal : counters.cxDestroyRemote).inc();
  }

  #close(): void {
    this.#state = 'closed';
    this.#held = [];
    this.#life?.close();
    const { stats, clock, breaker } = this.#context;
    stats.gauges.cxActive.dec();
    stats.connectionMs.record(clock.nowMs() - this.#startMs);
    this.endpoint.stats.cxActive.dec();
    this.endpoint.requestEnded();
    breaker.connectionDone(this.#host);
  }
}
