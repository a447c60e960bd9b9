// Properties of the codecs: however a valid message is cut, it is read as the same one, and what is written reads back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientProbe, ServerProbe } from '../../test/harness/http1-probe.ts';
import { MemoryTransport, settle } from '../../test/harness/memory-transport.ts';
import { WriteBatch } from '../base/write-batch.ts';
import { Headers } from './headers.ts';
import { ChunkedBody } from './http1-body.ts';
import { headLimits } from './http1-limits.ts';
import { MessageWriter, BodyFraming } from './http1-writer.ts';
import { LENGTH_UNKNOWN, RequestHead } from './message.ts';

const SEED = 20_261_123;
const RUNS = { seed: SEED, numRuns: 300 };

const name = fc.stringMatching(/^x-[a-z0-9!#$%&'*+.^|~-]{0,12}$/);
const value = fc.stringMatching(/^([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]{0,20}[\x21-\x7e\x80-\xff])?)?$/);
const fields = fc.array(fc.tuple(name, value), { maxLength: 8 });
const body = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const path = fc.stringMatching(/^\/[\x21\x24-\x7e]{0,30}$/);
/** Fractions at which a text is cut. */
const cutsAt = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

function cut(text: string, at: readonly number[]): string[] {
  const places = at.map((fraction) => Math.floor(fraction * text.length)).toSorted((a, b) => a - b);
  return [...places, text.length].map((end, i) => text.slice(places[i - 1] ?? 0, end)).filter((part) => part !== '');
}

function chunkedText(text: string, at: readonly number[]): string {
  return `${cut(text, at).map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;
}

test(`requests are read the same however they are cut (seed ${SEED})`, async () => {
  const request = fc.record({ path, fields, body, chunked: fc.boolean(), chunks: cutsAt });
  await fc.assert(fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 3 }), cutsAt, async (requests,
    places) => {
    const text = requests.map((each) => {
      const lines = each.fields.map(([key, text]) => `${key}: ${text}\r\n`).join('');
      const framing = each.chunked ? 'transfer-encoding: chunked' : `content-length: ${each.body.length}`;
      const bytes = each.chunked ? chunkedText(each.body, each.chunks) : each.body;
      return `POST ${each.path} HTTP/1.1\r\nHost: h\r\n${lines}${framing}\r\n\r\n${bytes}`;
    }).join('');
    const probe = new ServerProbe();
    await probe.feed(cut(text, places));
    const expected = requests.map(({ path: target, fields: list, body: bytes, chunked }) =>
      `POST h ${target} ${chunked ? LENGTH_UNKNOWN : bytes.length} [${list.flat().join('|')}] "${bytes}" end`);
    assert.equal(probe.text, expected.join('\n'));
    assert.deepEqual(probe.statuses, requests.map(() => 200));
  }), RUNS);
});

test(`responses are read the same however they are cut (seed ${SEED})`, () => {
  fc.assert(fc.property(fields, body, fc.constantFrom('length', 'chunked', 'close'), cutsAt, cutsAt, (list, bytes,
    framing, chunks, places) => {
    const line = { length: `content-length: ${bytes.length}\r\n`, chunked: 'transfer-encoding: chunked\r\n',
      close: '' }[framing];
    const head = `HTTP/1.1 200 OK\r\n${list.map(([key, text]) => `${key}: ${text}\r\n`).join('')}${line}\r\n`;
    const probe = new ClientProbe();
    probe.request();
    for (const part of cut(head + (framing === 'chunked' ? chunkedText(bytes, chunks) : bytes),
      places)) probe.transport.receive(part);
    if (framing === 'close') probe.transport.receiveEnd();
    const length = framing === 'length' ? bytes.length : LENGTH_UNKNOWN;
    assert.equal(probe.text, `200 ${length} [${list.flat().join('|')}] "${bytes}" end`);
    assert.equal(probe.reusable, framing !== 'close');
  }), RUNS);
});

test(`what a client writes, a server reads as the same request (seed ${SEED})`, async () => {
  await fc.assert(fc.asyncProperty(path, fields, body, cutsAt, fc.boolean(), async (target, list, bytes, pieces,
    known) => {
    const client = new ClientProbe();
    const head = new RequestHead('PUT', 'h:8', target, new Headers(list.flat()));
    head.contentLength = known ? bytes.length : LENGTH_UNKNOWN;
    const stream = client.request(head, false);
    const parts = cut(bytes, pieces);
    for (const part of parts) stream.sendRequestData(Buffer.from(part, 'latin1'), false);
    stream.sendRequestData(Buffer.alloc(0), true);
    await settle();
    const server = new ServerProbe();
    await server.feed(cut(client.transport.written, pieces));
    assert.equal(server.text, `PUT h:8 ${target} ${head.contentLength} [${list.flat().join('|')}] "${bytes}" end`);
  }), RUNS);
});

test(`S93 chunks are gathered without mixing bytes of different places (seed ${SEED})`, () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 60 });
  fc.assert(fc.property(sizes, cutsAt, (lengths, places) => {
    const parts = lengths.map((length, i) => String.fromCharCode(97 + (i % 26)).repeat(length));
    const text = `${parts.map((part) => `${part.length.toString(16)};x\r\n${part}\r\n`).join('')}0\r\n\r\nNEXT`;
    const decoder = new ChunkedBody(headLimits(61_440, 100), false);
    decoder.start();
    const seen: Buffer[] = [];
    let ended = false;
    let left = '';
    for (const piece of cut(text, places)) {
      const bytes = Buffer.from(piece, 'latin1');
      const next = decoder.done ? 0 : decoder.read(bytes, 0, {
        // Kept without a copy, as a socket keeps what it could not write: later chunks must not change it.
        onBodyData: (chunk, end) => {
          seen.push(chunk);
          ended = end;
        },
        onBodyTrailers: () => assert.fail('there are none'),
      });
      left += bytes.toString('latin1', next);
    }
    assert.equal(Buffer.concat(seen).toString('latin1'), parts.join(''));
    assert.deepEqual([ended, left], [true, 'NEXT']);
  }), RUNS);
});

test('many small chunks of one read are one piece of data', () => {
  const decoder = new ChunkedBody(headLimits(61_440, 100), false);
  decoder.start();
  let calls = 0;
  decoder.read(Buffer.from(`${'1\r\nx\r\n'.repeat(1000)}0\r\n\r\n`), 0, { onBodyData: () => void calls++,
    onBodyTrailers: () => undefined });
  assert.equal(calls, 1);
});

test(`bytes that are not HTTP never throw, and are refused or wait (seed ${SEED})`, async () => {
  const noise = fc.array(fc.constantFrom('GET', ' ', '/', 'HTTP/1.1', '\r\n', '\r', '\n', 'host: a', ':',
    'content-length', 'transfer-encoding', 'chunked', '5', '0',
    'x', '\0', '\xff', 'connection: upgrade', 'upgrade: x', '\r\n\r\n', 'POST / HTTP/1.1\r\nhost: a\r\n',
      'transfer-encoding: chunked\r\n\r\n'), { maxLength: 20 });
  await fc.assert(fc.asyncProperty(noise, cutsAt, async (pieces, places) => {
    const text = pieces.join('');
    const server = new ServerProbe();
    await server.feed(cut(text, places));
    const client = new ClientProbe();
    client.request();
    for (const part of cut(`HTTP/1.1 200 OK\r\n${text}`, places)) client.transport.receive(part);
    client.transport.receiveEnd();
  }), { seed: SEED, numRuns: 1000 });
});

test('a large chunk is written with its framing and without a copy', () => {
  const transport = new MemoryTransport();
  const writer = new MessageWriter(transport, new WriteBatch());
  writer.start('HEAD\r\n\r\n', BodyFraming.CHUNKED, 0, false);
  writer.data(Buffer.alloc(20_000, 120), true);
  assert.equal(transport.writes, 1);
  assert.equal(transport.written, `HEAD\r\n\r\n4e20\r\n${'x'.repeat(20_000)}\r\n0\r\n\r\n`);
});
