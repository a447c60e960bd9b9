// HPACK against an independent one: node:http2, which is nghttp2 underneath, with the frames made by hand.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { connect as connectHttp2, createServer as createHttp2Server, sensitiveHeaders } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { ByteBuffer } from '../base/byte-buffer.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { FieldKind } from './http2-field.ts';

const SEED = 20_261_125;
const ROUNDS = 400;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const [HEADERS, SETTINGS, CONTINUATION] = [1, 4, 9] as const;
const [END_STREAM, ACK, END_HEADERS, PRIORITY] = [1, 1, 4, 0x20] as const;
const TABLE_SIZES = [0, 33, 64, 256, 1000, 4095, 4096, 65_536];

type Field = readonly [string, string];

function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** Fields as they come: most repeat, some never, some are long, some are rare bytes, and new names now and then. */
class Fields {
  readonly #random: (below: number) => number;
  readonly short: boolean;
  constructor(random: (below: number) => number, short: boolean) {
    this.#random = random;
    this.short = short;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.#random(list.length)]!;
  }

  #value(): string {
    const length = this.pick([0, 1, 3, 8, 12, 13, 16, 17, 40, 126, 127, 128, 300, 1500]);
    const rare = this.#random(3) === 0;
    const text = Array.from({ length }, () => String.fromCharCode(
      rare ? this.pick([0x80, 0xa0, 0xff, 0x5c, 0x7e, 0x20, 0x09, 0x21]) : 0x21 + this.#random(94)));
    return text.join('').replaceAll(/^[\t ]+|[\t ]+$/g, '-');
  }

  /** Each name once. */
  list(): Field[] {
    const fields = new Map<string, string>([
      ['user-agent', this.pick(['curl/8.5.0', 'grpc-go/1.65.0', 'Mozilla/5.0 (X11; Linux x86_64)'])],
      ['x-request-id', String(this.#random(1e9))],
      ['content-type', this.pick(['application/grpc', 'text/html', 'application/json'])],
      ['cookie', this.pick(['a=b', `session=${this.#random(4)}-0123456789abcdef0123456789`])],
      ['authorization', this.pick(['Bearer x', 'Basic dXNlcjpwYXNz'])],
      ['grpc-timeout', `${this.#random(999)}m`],
      ['date', `Mon, 23 Nov 2026 05:00:0${this.#random(3)} GMT`],
    ]);
    for (const name of [...fields.keys()]) if (this.#random(3) === 0) fields.delete(name);
    // Some connections have many short fields, so that the table has more entries than there are static ones.
    for (let i = this.#random(6); i > 0 && !this.short; i--) {
      const name = this.pick(['a', 'b', 'long-name-of-a-field', '!#$%&\'*+.^_`|~']);
      fields.set(`x-${name}-${this.#random(40)}`, this.#value());
    }
    for (let i = 0; i < 8 && this.short; i++) fields.set(`y${this.#random(150)}`, '1');
    return [...fields];
  }

  path(): string {
    return this.pick(['/', '/index.html', '/pkg.Service/Method', `/items/${this.#random(90)}`,
      `/?q=${this.#random(99)}`]);
  }
}

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** One end of a connection, in frames. SETTINGS are applied and acknowledged here. */
class RawPeer {
  readonly #socket: Socket;
  readonly encoder = new HpackEncoder();
  readonly decoder: HpackDecoder;
  #received = Buffer.alloc(0);
  #ended = false;

  constructor(socket: Socket, tableSizeMax: number, preface: string) {
    this.#socket = socket;
    socket.setNoDelay();
    this.decoder = new HpackDecoder(tableSizeMax);
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      socket.emit('more');
    });
    socket.on('close', () => {
      this.#ended = true;
      socket.emit('more');
    });
    socket.on('error', () => undefined);
    socket.write(preface);
    const setting = Buffer.alloc(6);
    setting.writeUInt16BE(1);
    setting.writeUInt32BE(tableSizeMax, 2);
    this.send(SETTINGS, 0, 0, setting);
  }

  send(type: number, flags: number, stream: number, payload: Buffer): void {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  async #take(bytes: number): Promise<Buffer | undefined> {
    while (this.#received.length < bytes) {
      if (this.#ended) return undefined;
      await once(this.#socket, 'more');
    }
    const taken = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return taken;
  }

  async takePreface(): Promise<void> {
    assert.equal((await this.#take(PREFACE.length))?.toString('latin1'), PREFACE);
  }

  async #frame(): Promise<Frame | undefined> {
    const head = await this.#take(9);
    if (head === undefined) return undefined;
    const payload = await this.#take(head.readUIntBE(0, 3));
    return { type: head[3]!, flags: head[4]!, stream: head.readUInt32BE(5), payload: payload! };
  }

  /** The next header block, decoded, with its stream; undefined at the connection's end. */
  async block(): Promise<{ stream: number; fields: Field[] } | undefined> {
    for (;;) {
      const frame = await this.#frame();
      if (frame === undefined) return undefined;
      if (frame.type === SETTINGS) this.#settings(frame);
      if (frame.type !== HEADERS) continue;
      let block = frame.payload.subarray((frame.flags & PRIORITY) === 0 ? 0 : 5);
      for (let { flags } = frame; (flags & END_HEADERS) === 0; ) {
        const more = await this.#frame();
        assert.equal(more?.type, CONTINUATION);
        block = Buffer.concat([block, more!.payload]);
        ({ flags } = more!);
      }
      return { stream: frame.stream, fields: this.#decode(block) };
    }
  }

  #decode(block: Buffer): Field[] {
    const fields: Field[] = [];
    const onField = (name: string, value: string, kind: number, size: number): void => {
      assert.ok(kind < FieldKind.FORBIDDEN, `${name}: ${value}`);
      assert.equal(size, name.length + value.length);
      fields.push([name, value]);
    };
    assert.ok(this.decoder.decode(block, 0, block.length, { onField }), block.toString('hex'));
    return fields;
  }

  #settings({ flags, payload }: Frame): void {
    if ((flags & ACK) !== 0) {
      this.decoder.settingsAcknowledged();
      return;
    }
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) === 1) this.encoder.setPeerTableSize(payload.readUInt32BE(at + 2));
    }
    this.send(SETTINGS, ACK, 0, Buffer.alloc(0));
  }

  message(stream: number, fields: readonly Field[]): void {
    const out = new ByteBuffer();
    this.encoder.begin(out);
    for (const [name, value] of fields) this.encoder.field(out, name, value);
    this.send(HEADERS, END_HEADERS | END_STREAM, stream, out.take());
  }
}

/** As node:http2 takes them; what must not be indexed is marked. */
function headersOf(fields: readonly Field[]): OutgoingHttpHeaders {
  return { ...Object.fromEntries(fields), [sensitiveHeaders]: ['authorization', 'x-b-7'] };
}

function pairs(raw: readonly string[]): Field[] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i]!, raw[2 * i + 1]!]);
}

for (const [tableSize, short] of [[4096, false], [0, false], [200, false], [65_536, false], [4096, true]] as const) {
  const kind = `table ${tableSize}, ${short ? 'short' : 'all'} fields (seed ${SEED})`;
  test(`our requests to node:http2 (nghttp2), and its responses to us, ${kind}`, async (t) => {
    const random = seeded(SEED + tableSize);
    const fields = new Fields(random, short);
    const rarely = short ? 100 : 3;
    const received: Field[][] = [];
    const answers: Field[][] = [];
    const server = createHttp2Server({ settings: { headerTableSize: fields.pick(TABLE_SIZES) } });
    server.on('stream', (stream: ServerHttp2Stream, _: IncomingHttpHeaders, _flags: number, raw: string[]) => {
      received.push(pairs(raw));
      const answer: Field[] = [[':status', fields.pick(['200', '204', '302', '418'])], ...fields.list()];
      if (!answer.some(([name]) => name === 'date')) answer.push(['date', 'now']);
      answers.push(answer);
      // The peer's table shrinks and grows at any time.
      if (random(rarely) === 0) stream.session!.settings({ headerTableSize: fields.pick(TABLE_SIZES) });
      if (random(rarely) === 0) stream.session!.settings({ headerTableSize: fields.pick(TABLE_SIZES) });
      stream.respond(headersOf(answer), { endStream: true });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    t.after(() => {
      socket.destroy();
      server.close();
    });
    const client = new RawPeer(socket, tableSize, PREFACE);
    for (let round = 0; round < ROUNDS; round++) {
      const sent: Field[] = [[':method', fields.pick(['GET', 'POST', 'PUT'])],
        [':scheme', fields.pick(['http', 'https'])], [':authority', fields.pick(['a.example', 'b.example:8080'])],
        [':path', fields.path()], ...fields.list()];
      client.message(2 * round + 1, sent);
      const answer = await client.block();
      assert.deepEqual(received.at(-1), sent, `round ${round}`);
      assert.deepEqual(answer?.fields, answers.at(-1), `round ${round}`);
    }
  });
}

for (const [tableSize, short] of [[4096, false], [0, false], [300, false], [4096, true]] as const) {
  const kind = `table ${tableSize}, ${short ? 'short' : 'all'} fields (seed ${SEED})`;
  test(`requests of node:http2 (nghttp2) to us, and our responses to it, ${kind}`, async (t) => {
    const random = seeded(SEED + 7 + tableSize);
    const fields = new Fields(random, short);
    const rarely = short ? 100 : 3;
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      { settings: { headerTableSize: fields.pick(TABLE_SIZES) } });
    t.after(() => {
      client.destroy();
      server.close();
    });
    const [socket] = await once(server, 'connection') as [Socket];
    const peer = new RawPeer(socket, tableSize, '');
    await peer.takePreface();
    for (let round = 0; round < ROUNDS; round++) {
      const sent: Field[] = [[':method', fields.pick(['GET', 'DELETE'])], [':scheme', 'http'],
        [':authority', fields.pick(['a.example', 'b.example:8080'])], [':path', fields.path()], ...fields.list()];
      if (random(rarely) === 0) client.settings({ headerTableSize: fields.pick(TABLE_SIZES) });
      const request = client.request(headersOf(sent), { endStream: true });
      const received = await peer.block();
      assert.deepEqual(received?.fields, sent, `round ${round}`);
      const answer: Field[] = [[':status', fields.pick(['200', '503'])], ...fields.list()];
      peer.message(received!.stream, answer);
      const [, , raw] = await once(request, 'response') as [unknown, number, string[]];
      assert.deepEqual(pairs(raw), answer, `round ${round}`);
      request.resume();
      await once(request, 'close');
    }
  });
}
