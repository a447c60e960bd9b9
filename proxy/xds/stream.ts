// One gRPC stream to a management server over a connection of its own.
import { Metadata } from '@grpc/grpc-js';
import type { Client, ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { messageOf } from '../base/error.ts';

/** Told in order; nothing after onStreamEnd. */
export interface StreamListener {
  /** The connection is up. */
  onStreamOpen(): void;
  onStreamMessage(bytes: Buffer): void;
  /** `reason` is for people. */
  onStreamEnd(reason: string): void;
}

export interface StreamOptions {
  readonly client: Client;
  readonly path: string;
  /** Headers of the call. */
  readonly metadata: readonly (readonly [string, string])[];
  /** Unix time in milliseconds by which the connection must be up. */
  readonly connectByMs: number;
}

/**
 * - connecting: the call is made, and what is sent is kept until the connection is up.
 * - open: the connection is up.
 * - ended: for ever; the connection is closed.
 */
export type StreamState = 'connecting' | 'open' | 'ended';

export class Stream {
  readonly #listener: StreamListener;
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  #state: StreamState = 'connecting';

  constructor({ client, path, metadata, connectByMs }: StreamOptions, listener: StreamListener) {
    this.#listener = listener;
    this.#client = client;
    const headers = new Metadata();
    for (const [key, value] of metadata) headers.add(key, value);
    this.#call = client.makeBidiStreamRequest(path, same, same, headers);
    this.#call.on('data', (bytes: Buffer) => {
      if (this.#state !== 'ended') listener.onStreamMessage(bytes);
    });
    this.#call.on('error', (error: ServiceError) => this.#end(reasonOf(error)));
    this.#call.on('end', () => this.#end('the server ended the stream'));
    client.waitForReady(connectByMs, (error) => this.#onReady(error));
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
    this.#call.cancel();
    this.#client.close();
  }

  #onReady(error: Error | undefined): void {
    if (this.#state !== 'connecting') return;
    if (error !== undefined) {
      this.#end('no connection in time');
      return;
    }
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

function reasonOf(error: ServiceError): string {
  return error.details === undefined || error.details === '' ? messageOf(error) : error.details;
}
