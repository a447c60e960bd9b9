// The connection by which one endpoint is checked, and one check at a time on it.
import type { Socket } from 'node:net';
import { openTransport } from '../base/socket-transport.ts';
import type { ProxyError } from '../base/error.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { ClientConnection, ClientConnectionHandler, ClientStream, ResponseSink } from '../http/codec.ts';
import type { Headers } from '../http/headers.ts';
import type { ResponseHead } from '../http/message.ts';
import type { OpenCodec } from './codec-opener.ts';
import type { ConnectionSettings } from './connection-settings.ts';
import { Connecting, connectRefusal } from './connector.ts';
import type { ConnectHandler, Route } from './connector.ts';
import { HEALTH_BODY_MAX } from './health-exchange.ts';
import type { HealthExchange, Verdict } from './health-exchange.ts';

/** Of all endpoints of a cluster. */
export interface ProbeContext {
  readonly connection: ConnectionSettings;
  readonly timers: TimerWheel;
  readonly reuses: boolean;
  /** Undefined: a connection is enough. */
  readonly exchange: HealthExchange | undefined;
  readonly openCodec: OpenCodec;
}

/** Told once for each `start`, never from within it unless there is a connection already; not after `stop`. */
export type OnVerdict = (verdict: Verdict) => void;

/** `idle`: no check runs, though there may be a connection. */
type State = 'idle' | 'connecting' | 'asking';

export class HealthProbe implements ConnectHandler, ClientConnectionHandler, ResponseSink {
  readonly #context: ProbeContext;
  readonly #onVerdict: OnVerdict;
  #state: State = 'idle';
  #route: Route | undefined = undefined;
  #hostname: string | undefined = undefined;
  #connecting: Connecting | undefined = undefined;
  #codec: ClientConnection | undefined = undefined;
  #stream: ClientStream | undefined = undefined;
  /** The connection has carried checks before: its server may have been about to hang up. */
  #reused = false;
  #head: ResponseHead | undefined = undefined;
  #body: Buffer[] = [];
  #bodyBytes = 0;

  constructor(context: ProbeContext, onVerdict: OnVerdict) {
    this.#context = context;
    this.#onVerdict = onVerdict;
  }

  /** `hostname` is the endpoint's own for checks. */
  start(route: Route, hostname: string | undefined): void {
    this.#route = route;
    this.#hostname = hostname;
    this.#reused = this.#codec?.canTakeStream === true;
    if (this.#reused) this.#ask();
    else this.#connect();
  }

  /** Gives up the check that runs, and the connection. */
  stop(): void {
    this.#state = 'idle';
    this.#connecting?.cancel();
    this.#stream = undefined;
    this.#hangUp();
  }

  // --- the connection

  onConnected(socket: Socket): void {
    const { exchange, openCodec } = this.#context;
    if (exchange === undefined) {
      socket.on('error', () => {});
      socket.destroy();
      this.#finish('healthy');
      return;
    }
    this.#codec = openCodec(openTransport(socket, 'upstream'), this);
    this.#ask();
  }

  onConnectFailed(_error: ProxyError): void {
    this.#finish('network');
  }

  onStreamDone(): void {
    // The sink hears the same.
  }

  onDraining(): void {
    // The codec takes no other stream, and the next check sees that.
  }

  onConnectionClose(connection: ClientConnection): void {
    if (connection === this.#codec) this.#codec = undefined;
  }

  // --- the answer

  onInformational(_head: ResponseHead): void {
    // The answer is still to come.
  }

  onResponseHead(head: ResponseHead, endStream: boolean): void {
    this.#head = head;
    if (endStream) this.#judge(undefined);
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    const room = HEALTH_BODY_MAX - this.#bodyBytes;
    if (room > 0) this.#body.push(Buffer.from(chunk.subarray(0, room)));
    this.#bodyBytes += chunk.length;
    if (endStream) this.#judge(undefined);
  }

  onResponseTrailers(trailers: Headers): void {
    this.#judge(trailers);
  }

  onResponseError(error: ProxyError): void {
    if (this.#state !== 'asking') return;
    // A connection that ended while nobody used it says nothing about the endpoint.
    if (this.#reused && error.retry !== 'never') {
      this.#reused = false;
      this.#connect();
      return;
    }
    this.#finish('network');
  }

  onRequestDrain(): void {
    // A check's body is small.
  }

  // --- inside

  #connect(): void {
    this.#hangUp();
    this.#state = 'connecting';
    const route = this.#route!;
    const { connection, timers } = this.#context;
    if (connectRefusal(route) === undefined) this.#connecting = new Connecting(route, connection, timers, this);
    else this.#finish('network');
  }

  #ask(): void {
    this.#state = 'asking';
    this.#connecting = undefined;
    this.#head = undefined;
    this.#body = [];
    this.#bodyBytes = 0;
    const { request, body } = this.#context.exchange!;
    const stream = this.#codec!.newStream(this);
    this.#stream = stream;
    stream.sendRequestHead(request(this.#hostname), body === undefined);
    if (body !== undefined && this.#stream === stream) stream.sendRequestData(body, true);
  }

  #judge(trailers: Headers | undefined): void {
    if (this.#state !== 'asking') return;
    const head = this.#head!;
    const body = Buffer.concat(this.#body);
    this.#finish(this.#context.exchange!.judge({ head, body, trailers }));
  }

  #finish(verdict: Verdict): void {
    this.#state = 'idle';
    this.#connecting = this.#stream = this.#head = undefined;
    this.#body = [];
    if (!this.#context.reuses || verdict === 'network') this.#hangUp();
    this.#onVerdict(verdict);
  }

  #hangUp(): void {
    const codec = this.#codec;
    this.#codec = undefined;
    codec?.destroy();
  }
}
