// node:http's parsers as oracles: what llhttp, as strict as Node has it, reads in bytes of a client or of a server.
import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { settle } from './memory-transport.ts';

/** A message as node:http saw it; `fields` flat and as they stood on the wire, `complete` when it was read whole. */
export interface NodeMessage {
  /** `GET /path` or `200`. */
  readonly start: string;
  readonly fields: readonly string[];
  readonly trailers: readonly string[];
  readonly body: string;
  readonly complete: boolean;
  /** What came behind the head of a request for a tunnel, or of an agreement to one. */
  readonly tunnel: string | undefined;
}

export interface NodeReading {
  readonly messages: readonly NodeMessage[];
  /** Code and reason of a refusal. */
  readonly error: string | undefined;
}

/** A connection that is no socket: its other side writes by `push`. */
class Wire extends Duplex {
  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done();
  }

  // What node:http asks of sockets beside.
  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

class Recorder {
  readonly #message: IncomingMessage;
  readonly #start: string;
  readonly #tunnel: string | undefined;
  #body = '';

  constructor(message: IncomingMessage, start: string, tunnel?: Buffer) {
    this.#message = message;
    this.#start = start;
    this.#tunnel = tunnel?.toString('latin1');
    message.on('data', (chunk: Buffer) => {
      this.#body += chunk.toString('latin1');
    });
    message.on('error', () => undefined);
  }

  get seen(): NodeMessage {
    const { rawHeaders, rawTrailers, complete } = this.#message;
    return { start: this.#start, fields: rawHeaders, trailers: rawTrailers, body: this.#body,
      complete: complete || this.#tunnel !== undefined, tunnel: this.#tunnel };
  }
}

function fault(error: Error & { code?: string; reason?: string }): string {
  return `${error.code ?? error.message} ${error.reason ?? ''}`.trim();
}

async function rest(): Promise<void> {
  for (let i = 0; i < 6; i++) await settle();
}

/** What a node:http server reads in the bytes of one connection; every request is answered at once when it is whole. */
export async function readRequestsByNode(bytes: string): Promise<NodeReading> {
  const seen: Recorder[] = [];
  let error: string | undefined;
  const server = createServer({ insecureHTTPParser: false });
  const take = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    seen.push(new Recorder(incoming, `${incoming.method} ${incoming.url}`));
    incoming.on('end', () => outgoing.end());
  };
  const tunnel = (incoming: IncomingMessage, _socket: Duplex, head: Buffer): void => {
    seen.push(new Recorder(incoming, `${incoming.method} ${incoming.url}`, head));
  };
  server.on('request', take).on('checkContinue', take).on('checkExpectation', take);
  server.on('upgrade', tunnel).on('connect', tunnel);
  server.on('clientError', (cause: Error, socket: Duplex) => {
    error = fault(cause);
    socket.destroy();
  });
  const wire = new Wire();
  server.emit('connection', wire);
  if (bytes !== '') wire.push(Buffer.from(bytes, 'latin1'));
  await rest();
  wire.destroy();
  return { messages: seen.map((message) => message.seen), error };
}

/** What a node:http client reads in the answer to one request, after which the server closes. */
export async function readResponseByNode(bytes: string, method: string): Promise<NodeReading> {
  const seen: Recorder[] = [];
  let error: string | undefined;
  const wire = new Wire();
  const asked = request({ method, path: '/', host: 'a', createConnection: () => wire as unknown as Socket });
  asked.on('error', (cause) => {
    error ??= fault(cause);
  });
  asked.on('response', (incoming) => seen.push(new Recorder(incoming, String(incoming.statusCode))));
  const tunnel = (incoming: IncomingMessage, _socket: Socket, head: Buffer): void => {
    seen.push(new Recorder(incoming, String(incoming.statusCode), head));
  };
  asked.on('upgrade', tunnel).on('connect', tunnel);
  asked.end();
  await settle();
  if (bytes !== '') wire.push(Buffer.from(bytes, 'latin1'));
  wire.push(null);
  await rest();
  wire.destroy();
  return { messages: seen.map((message) => message.seen), error };
}
