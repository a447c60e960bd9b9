// One gRPC stream to a management server over a connection of its own.
import { connectivityState, Metadata } from '@grpc/grpc-js';
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { messageOf } from '../base/error.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { ServerConnection } from './management-server.ts';

/** Told in order; nothing after onStreamEnd. */
export interface StreamListener {
  /** The connection is up. */
  onStreamOpen(): void;
  onStreamMessage(bytes: Buffer): void;
  /** `reason` is for people. */
  onStreamEnd(reason: string): void;
}

export interface StreamOptions {
  readonly connection: ServerConnection;
  readonly path: string;
  /** Headers of the call. */
  readonly metadata: readonly (readonly [string, string])[];
  readonly wheel: TimerWheel;
  /** The connection must be up by then. */
  readonly connectTimeoutMs: number;
}

/**
 * - connecting: the call is made, and what is sent is kept until the connection is up.
 * - open: the connection is up.
 * - ended: for ever; the connection is closed.
 */
export type StreamState = 'connecting' | 'open' | 'ended';

export class Stream implements TimerTarget {
  readonly #listener: StreamListener;
  readonly #connection: ServerConnection;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #timer: Timer;
  #state: StreamState = 'connecting';

  constructor({ connection, path, metadata, wheel, connectTimeoutMs }: StreamOptions, listener: StreamListener) {
    this.#listener = listener;
    this.#connection = connection;
    this.#timer = new Timer(wheel, this);
    this.#timer.arm(connectTimeoutMs);
    const headers = new Metadata();
    for (const [key, value] of metadata) headers.add(key, value);
    this.#call = connection.client.makeBidiStreamRequest(path, same, same, headers);
    this.#call.on('data', (bytes: Buffer) => {
      if (this.#state !== 'ended') listener.onStreamMessage(bytes);
    });
    this.#call.on('error', (error: ServiceError) => this.#end(reasonOf(error)));
    this.#call.on('end', () => this.#end('the server ended the stream'));
    this.#watch();
  }

  get state(): StreamState {
    return this.#state;
  }

  send(bytes: Buffer): void {
    if (this.#state !== 'ended') this.#call.write(bytes);
  }

  /** Stops reading; the server is slowed by flow control. */
  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    if (this.#state !== 'ended') this.#call.resume();
  }

  /** Ends it from this side; the listener is not told. */
  close(): void {
    if (this.#state === 'ended') return;
    this.#enter('ended');
    this.#timer.cancel();
    this.#call.cancel();
    this.#connection.close();
  }

  onTimer(): void {
    this.#end('no connection in time');
  }

  /** Follows the channel until it is up; grpc-js's own waiting would keep a timer of its own alive. */
  #watch(): void {
    if (this.#state !== 'connecting') return;
    const channel = this.#connection.client.getChannel();
    const now = channel.getConnectivityState(true);
    if (now !== connectivityState.READY) {
      channel.watchConnectivityState(now, Infinity, () => this.#watch());
      return;
    }
    this.#timer.cancel();
    this.#enter('open');
    this.#listener.onStreamOpen();
  }

  #end(reason: string): void {
    if (this.#state === 'ended') return;
    this.close();
    this.#listener.onStreamEnd(reason);
  }

  #enter(state: StreamState): void {
    this.#state = state;
  }
}

function same(bytes: Buffer): Buffer {
  return bytes;
}

/** grpc-js wraps the system's words: `No connection established. Last error: Error: … . Resolution note: …`. */
const WRAPPED = /Last error: (?:Error: )?(.*?)\.? *Resolution note:/s;

function reasonOf(error: ServiceError): string {
  const { details } = error;
  return WRAPPED.exec(details)?.[1] ?? (details === '' ? messageOf(error) : details);
}
