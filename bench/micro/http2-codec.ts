// What the HTTP/2 server codec costs without sockets: exchanges of small requests, and bodies. Prints ns each.
import { ByteBuffer } from '../../proxy/base/byte-buffer.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { PooledRandom } from '../../proxy/base/random.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { WriteBatch } from '../../proxy/base/write-batch.ts';
import type { RequestSink, ServerStream } from '../../proxy/http/codec.ts';
import { HpackEncoder } from '../../proxy/http/hpack-encoder.ts';
import { FrameFlag, FrameType, PREFACE, WINDOW_DEFAULT, writeUint32 } from '../../proxy/http/http2-frame.ts';
import { http2Windows } from '../../proxy/http/http2-options.ts';
import type { Http2Options } from '../../proxy/http/http2-options.ts';
import { Http2ServerConnection } from '../../proxy/http/http2-server.ts';
import { frame, number32 } from '../../test/harness/http2-probe.ts';
import { Answering, NullTransport, measure } from './codec-bench.ts';

const STREAM_ID_MAX = 2 ** 31 - 1;
const FRAME_BYTES = 16_384;

type Fields = readonly (readonly [string, string])[];

const SMALL: Fields = [[':method', 'GET'], [':scheme', 'http'], [':authority', 'reviews:9080'], [':path', '/reviews/0'],
  ['user-agent', 'curl/8.5.0'], ['accept', '*/*']];
const TRACED: Fields = [...SMALL, ['accept-encoding', 'gzip, deflate, br'], ['x-forwarded-proto', 'http'],
  ['x-request-id', '8f3f5c1e-2f8a-4f9b-9a39-8d2a5b0b7c1e'], ['x-b3-traceid', '463ac35c9f6413ad48485a3953bb6124'],
  ['x-b3-spanid', 'a2fb4a1d1a96d312'], ['x-b3-sampled', '1'], ['x-envoy-attempt-count', '1']];

const none = { inc: () => undefined };
const counters = new Proxy({}, { get: () => none }) as Http2Options['counters'];
const timers = new TimerWheel(systemClock);

function connect(): NullTransport {
  const transport = new NullTransport();
  const onStream = (stream: ServerStream): RequestSink => new Answering(stream);
  const options = {
    ...http2Windows(), headBytesMax: 61_440, headerCountMax: 100, headersWithUnderscores: 'allow' as const,
    delayedCloseMs: 100, flushTimeoutMs: 0, counters, clock: systemClock, timers, random: new PooledRandom(),
    writes: new WriteBatch(),
  };
  const handler = { onStream, onProtocolError: () => undefined, onConnectionClose: () => undefined };
  new Http2ServerConnection(transport, options, handler);
  const window = frame(FrameType.WINDOW_UPDATE, 0, 0, number32(2 ** 31 - 1 - WINDOW_DEFAULT));
  transport.handler!.onData(Buffer.concat([PREFACE, frame(FrameType.SETTINGS, 0, 0), window]));
  return transport;
}

/** The frames of one message, of which each names a stream. */
function message(fields: Fields, encoder: HpackEncoder, bodyFrames: number): Buffer {
  const out = new ByteBuffer();
  encoder.begin(out);
  for (const [name, value] of fields) encoder.field(out, name, value);
  const end = bodyFrames === 0 ? FrameFlag.END_STREAM : 0;
  const body = Array.from({ length: bodyFrames }, (_, i) => frame(FrameType.DATA,
    i === bodyFrames - 1 ? FrameFlag.END_STREAM : 0, 0, Buffer.alloc(FRAME_BYTES)));
  return Buffer.concat([frame(FrameType.HEADERS, FrameFlag.END_HEADERS | end, 0, Buffer.from(out.take())), ...body]);
}

/** Where each frame says which stream it belongs to. */
function idPlaces(frames: Buffer): number[] {
  const places = [];
  for (let at = 0; at < frames.length; at += 9 + frames.readUIntBE(at, 3)) places.push(at + 5);
  return places;
}

/** Requests that arrive `together` in one read, and are answered at once. */
function exchanges(name: string, fields: Fields, together: number, bodyFrames = 0): void {
  let transport = connect();
  let encoder = new HpackEncoder();
  let id = 1;
  const send = (frames: Buffer, places: readonly number[], perMessage: number): void => {
    for (let i = 0; i < places.length; i++) writeUint32(frames, places[i]!, id + 2 * Math.floor(i / perMessage));
    id += 2 * (places.length / perMessage);
    transport.handler!.onData(frames);
  };
  const perMessage = 1 + bodyFrames;
  const begin = (): [Buffer, number[]] => {
    transport = connect();
    encoder = new HpackEncoder();
    id = 1;
    // The first blocks fill the table; after them a block says no more than indices.
    for (let i = 0; i < 3; i++) {
      const frames = message(fields, encoder, bodyFrames);
      send(frames, idPlaces(frames), perMessage);
    }
    const frames = Buffer.concat(Array.from({ length: together }, () => message(fields, encoder, bodyFrames)));
    return [frames, idPlaces(frames)];
  };
  let [frames, places] = begin();
  measure(name, bodyFrames === 0 ? 4000 : 1000, () => {
    if (id > STREAM_ID_MAX - 2 * together) [frames, places] = begin();
    const before = transport.bytes;
    send(frames, places, perMessage);
    if (transport.bytes === before) throw new Error('nothing was answered');
  });
}

exchanges('exchange, small request, own response', SMALL, 1);
exchanges('32 exchanges in one read, small requests', SMALL, 32);
exchanges('32 exchanges in one read, traced requests', TRACED, 32);
exchanges('request of 64 KiB in frames of 16 KiB, own response', SMALL, 1, 4);
