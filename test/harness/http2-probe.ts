// An HTTP/2 server connection over memory: raw frames in, parsed frames out, and what its user saw.
import { ByteBuffer } from '../../proxy/base/byte-buffer.ts';
import { ManualClock } from '../../proxy/base/clock.ts';
import type { ProxyError } from '../../proxy/base/error.ts';
import { SeededRandom } from '../../proxy/base/random.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { WriteBatch } from '../../proxy/base/write-batch.ts';
import type { RequestSink, ServerConnectionHandler, ServerStream } from '../../proxy/http/codec.ts';
import { Headers } from '../../proxy/http/headers.ts';
import { HpackEncoder } from '../../proxy/http/hpack-encoder.ts';
import { FrameFlag, FrameType, PREFACE, readUint31, readUint32 } from '../../proxy/http/http2-frame.ts';
import { writeFrameHead, writeUint32 } from '../../proxy/http/http2-frame.ts';
import { http2Windows } from '../../proxy/http/http2-options.ts';
import type { Http2Counters, Http2Options } from '../../proxy/http/http2-options.ts';
import { Http2ServerConnection } from '../../proxy/http/http2-server.ts';
import { ResponseHead } from '../../proxy/http/message.ts';
import type { RequestHead } from '../../proxy/http/message.ts';
import { MemoryTransport } from './memory-transport.ts';

type Pairs = readonly (readonly [string, string])[];

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** One request as its user saw it. */
export interface SeenRequest {
  readonly stream: ServerStream;
  head: RequestHead | undefined;
  body: string;
  ended: boolean;
  error: ProxyError | undefined;
  trailers: readonly string[] | undefined;
  drains: number;
}

const COUNTERS = [
  'rxReset', 'txReset', 'rxMessagingError', 'headerOverflow', 'trailers', 'txFlushTimeout',
  'keepaliveTimeout', 'outboundControlFlood',
  'inboundEmptyFramesFlood', 'inboundPriorityFramesFlood', 'inboundWindowUpdateFramesFlood',
  'inboundControlFramesFlood', 'resetFlood',
] as const;

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  writeFrameHead(head, 0, payload.length, type, flags, stream);
  return Buffer.concat([head, payload]);
}

export function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  writeUint32(bytes, 0, value);
  return bytes;
}

/** Every request is answered so when it is complete. */
export function respond(probe: Http2Probe, body = 'ok'): void {
  probe.reply = ({ stream }) => {
    stream.sendResponseHead(new ResponseHead(200, new Headers(['a', 'b'])), false);
    stream.sendResponseData(Buffer.from(body), true);
  };
}

export class Http2Probe implements ServerConnectionHandler {
  readonly transport = new MemoryTransport();
  readonly clock = new ManualClock();
  readonly timers = new TimerWheel(this.clock);
  readonly requests: SeenRequest[] = [];
  readonly connection: Http2ServerConnection;
  readonly counts = new Map<string, number>();
  readonly #encoder = new HpackEncoder();
  closed = false;
  protocolErrors = 0;
  /** Called when a request is complete. */
  reply: (request: SeenRequest) => void = () => {};

  constructor(options: Partial<Http2Options> = {}) {
    const counters = Object.fromEntries(COUNTERS.map((name) => [name, { inc: () => this.#count(name) }]));
    this.connection = new Http2ServerConnection(this.transport, {
      ...http2Windows(), headBytesMax: 61_440, headerCountMax: 100, headersWithUnderscores: 'allow',
      delayedCloseMs: 100, flushTimeoutMs: 1000,
      counters: counters as unknown as Http2Counters, clock: this.clock, timers: this.timers,
      random: new SeededRandom(1),
      writes: new WriteBatch(), ...options,
    }, this);
    this.send(PREFACE, frame(FrameType.SETTINGS, 0, 0));
  }

  send(...frames: Buffer[]): void {
    this.transport.receive(Buffer.concat(frames));
  }

  /** A header block of these fields, the four of a GET first unless told otherwise. */
  block(fields: Pairs = [], pseudo: Pairs = GET): Buffer {
    const out = new ByteBuffer();
    this.#encoder.begin(out);
    for (const [name, value] of [...pseudo, ...fields]) this.#encoder.field(out, name, value);
    return Buffer.from(out.bytes.subarray(0, out.length));
  }

  headers(stream: number, fields: Pairs = [], end = true, pseudo = GET): Buffer {
    const flags = FrameFlag.END_HEADERS | (end ? FrameFlag.END_STREAM : 0);
    return frame(FrameType.HEADERS, flags, stream, this.block(fields, pseudo));
  }

  /** Frames that were written so far. */
  get frames(): SeenFrame[] {
    const bytes = Buffer.from(this.transport.written, 'latin1');
    const frames: SeenFrame[] = [];
    for (let at = 0; at + 9 <= bytes.length;) {
      const length = bytes.readUIntBE(at, 3);
      const payload = bytes.subarray(at + 9, at + 9 + length);
      frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream: readUint31(bytes, at + 5), payload });
      at += 9 + length;
    }
    return frames;
  }

  ofType(type: number): SeenFrame[] {
    return this.frames.filter((seen) => seen.type === type);
  }

  /** Error code of the first GOAWAY with one; undefined without. */
  get goAway(): number | undefined {
    return this.ofType(FrameType.GOAWAY).map(({ payload }) => readUint32(payload, 4)).find((code) => code !== 0);
  }

  /** stream:code of every RST_STREAM. */
  get resets(): string[] {
    return this.ofType(FrameType.RST_STREAM).map(({ stream, payload }) => `${stream}:${readUint32(payload, 0)}`);
  }

  onStream(stream: ServerStream): RequestSink {
    const seen: SeenRequest = {
      stream, head: undefined, body: '', ended: false, error: undefined, trailers: undefined, drains: 0,
    };
    this.requests.push(seen);
    const end = (): void => {
      seen.ended = true;
      this.reply(seen);
    };
    return {
      onRequestHead: (head, last) => {
        seen.head = head;
        if (last) end();
      },
      onRequestData: (chunk, last) => {
        seen.body += chunk.toString('latin1');
        if (last) end();
      },
      onRequestTrailers: (trailers) => {
        seen.trailers = trailers.fields;
        end();
      },
      onRequestError: (error) => void (seen.error = error),
      onResponseDrain: () => void seen.drains++,
    };
  }

  onProtocolError(): void {
    this.protocolErrors++;
  }

  onConnectionClose(): void {
    this.closed = true;
  }

  count(name: (typeof COUNTERS)[number]): number {
    return this.counts.get(name) ?? 0;
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}

export const GET: Pairs = [
  [':method', 'GET'], [':scheme', 'http'], [':authority', 'reviews'], [':path', '/'],
];
