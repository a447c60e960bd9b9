// S07, S14, S15: each bound of a message met exactly and passed by one, on both codecs, however it is cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cuts, ServerProbe } from '../../test/harness/http1-probe.ts';
import type { RequestVector, ResponseVector } from '../../test/harness/http1-vectors.ts';
import { breaks, rejects, replayRequest, replayResponse, SMUGGLED, spoils, spoilsBody,
  takes } from '../../test/harness/http1-vectors.ts';

const LINE = 8 * 1024;
const TOTAL = 60 * 1024;
const COUNT = 100;

const get = (lines: string): string => `GET /g HTTP/1.1\r\nhost: a\r\n${lines}\r\n\r\n`;
const ok = (lines: string, body = ''): string => `HTTP/1.1 200 OK\r\n${lines}\r\n\r\n${body}`;
const chunked = (body: string): string => `POST /p HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${body}`;
/** A field of so many bytes without its CRLF. */
const field = (bytes: number, name = 'x'): string => `${name}: ${'y'.repeat(bytes - name.length - 2)}`;
const fields = (count: number): string => Array.from({ length: count }, () => 'x: y').join('\r\n');
/** A head of `bytes` bytes, `start` and all. */
function sized(start: string, bytes: number): string {
  let head = start;
  while (bytes - head.length > 5000) head += `${field(4000)}\r\n`;
  return `${head}${field(bytes - head.length - 4)}\r\n\r\n`;
}

/**
 * For vectors of many kilobytes: whole, cut in two near both ends, near every limit and at some 20 other places, in
 * reads of 1,000 bytes, and byte by byte, or by 97 when there are more than 20,000.
 */
function* someCuts(text: string): Generator<readonly string[]> {
  yield [text];
  const step = Math.ceil(text.length / 20) | 1;
  const near = [0, LINE, TOTAL, text.length, text.length - SMUGGLED.length];
  for (let i = 1; i < text.length; i++) {
    if (i % step === 0 || near.some((place) => Math.abs(i - place) <= 24)) yield [text.slice(0, i), text.slice(i)];
  }
  yield text.match(/[^]{1,1000}/g)!;
  yield text.length < 20_000 ? text.split('') : text.match(/[^]{1,97}/g)!;
}

async function requests(all: readonly RequestVector[]): Promise<void> {
  for (const vector of all) await replayRequest(vector, vector.bytes.length < 3000 ? cuts : someCuts);
}

async function responses(all: readonly ResponseVector[]): Promise<void> {
  for (const vector of all) await replayResponse(vector, vector.bytes.length < 3000 ? cuts : someCuts);
}

test('S14 a start line of 8 KiB is read, a longer one is 414, and 502 for an upstream', async () => {
  const line = (bytes: number): string => `GET /${'y'.repeat(bytes - 'GET / HTTP/1.1'.length)} HTTP/1.1`;
  const seen = `GET a ${line(LINE).split(' ')[1]!} 0 [] "" end`;
  await requests([
    takes('S14', `${line(LINE)}\r\nhost: a\r\n\r\n`, seen),
    ...rejects('S14', 414, 'http1.uri_too_long', `${line(LINE + 1)}\r\nhost: a\r\n\r\n`, 'G'.repeat(LINE + 1),
      `${line(LINE + 1)}\0\r\nhost: a\r\n\r\n`, `${'y'.repeat(9000)} / HTTP/1.1\r\nhost: a\r\n\r\n`),
  ]);
  const reason = (bytes: number): string => `HTTP/1.1 200 ${'y'.repeat(bytes - 'HTTP/1.1 200 '.length)}`;
  await responses([
    { id: 'S14', bytes: `${reason(LINE)}\r\ncontent-length: 0\r\n\r\n`, seen: '200 0 [] "" end' },
    ...spoils('S14', 'http1.status_line_too_long', `${reason(LINE + 1)}\r\ncontent-length: 0\r\n\r\n`,
      'x'.repeat(9000)),
  ]);
});

test('S14 a field line of 8 KiB is read, a longer one is 431, wherever in it the excess stands', async () => {
  const value = 'y'.repeat(LINE - 3);
  await requests([
    takes('S14', get(field(LINE)), `GET a /g 0 [x|${value}] "" end`),
    ...rejects('S14', 431, 'http1.header_line_too_long', get(field(LINE + 1)), get(`${'y'.repeat(LINE)}: x`),
      get(`x:${' '.repeat(LINE)}`), get(`${field(LINE + 1)}\0`), get(`${field(LINE + 2)}\n`),
      get(`${'y'.repeat(LINE + 1)} x`), get(`${field(LINE + 1)}\rX`), `GET /g HTTP/1.1\r\nhost: ${'a'.repeat(9000)}`),
    ...rejects('S14', 400, 'http1.codec_error', get(`${field(LINE)}\0`), get(`${field(LINE)}\rX`)),
  ]);
  await responses([
    { id: 'S14', bytes: ok(`${field(LINE)}\r\ncontent-length: 0`), seen: `200 0 [x|${value}] "" end` },
    ...spoils('S14', 'http1.header_line_too_long', ok(`${field(LINE + 1)}\r\ncontent-length: 0`),
      ok(`${field(LINE + 1)}\0`)),
  ]);
});

test('S14 a head of 60 KiB is read, a larger one is 431, and of two faults the first one counts', async () => {
  const start = 'GET /g HTTP/1.1\r\nhost: a\r\n';
  const whole = new ServerProbe();
  await whole.feed([sized(start, TOTAL)]);
  assert.deepEqual(whole.statuses, [200]);
  await requests([
    takes('S14', sized(start, TOTAL), whole.text),
    ...rejects('S14', 431, 'http1.headers_too_large', sized(start, TOTAL + 1),
      sized(start, TOTAL + 2000).replace(/....\r\n\r\n$/, '\0\0\0\0'), sized(start, TOTAL + 2000).slice(0, TOTAL + 1)),
    ...rejects('S14', 400, 'http1.codec_error', sized(start, TOTAL + 2000).replace('y\r\n', '\0\r\n')),
  ]);
  const small = { headBytesMax: 1024 };
  await requests([
    { ...takes('S14', sized(start, 1024), `GET a /g 0 [x|${'y'.repeat(1024 - start.length - 7)}] "" end`),
      options: small },
    ...rejects('S14', 431, 'http1.headers_too_large', sized(start, 1025), sized(start, 2000),
      get(`${field(1100)}\0`), `\r\n${sized(start, 1023)}`, `GET /${'y'.repeat(1100)} HTTP/1.1\r\nhost: a\r\n\r\n`)
      .map((vector) => ({ ...vector, options: small })),
    ...rejects('S14', 431, 'http1.too_many_headers', get(fields(400)))
      .map((vector) => ({ ...vector, options: small })),
    ...rejects('S14', 400, 'http1.codec_error', get(`a b\r\n${field(1100)}`))
      .map((vector) => ({ ...vector, options: small })),
  ]);
  await responses([
    ...spoils('S14', 'http1.headers_too_large', sized('HTTP/1.1 200 OK\r\n', TOTAL + 1)),
    ...spoils('S14', 'http1.headers_too_large', sized('HTTP/1.1 200 OK\r\n', 1025), ok(`${field(1100)}\0`)).map(
      (vector) => ({ ...vector, options: small })),
  ]);
});

test('S14 S15 a hundred fields are read, one more is 431, and what it says frames nothing', async () => {
  const seen = Array.from({ length: COUNT - 1 }, () => 'x|y').join('|');
  await requests([
    takes('S14', get(fields(COUNT - 1)), `GET a /g 0 [${seen}] "" end`),
    ...rejects('S14', 431, 'http1.too_many_headers', get(fields(COUNT)), get(fields(COUNT + 50)),
      `${get(`${fields(COUNT - 1)}\r\ncontent-length: 5`)}hello`,
      `${get(`${fields(COUNT - 1)}\r\ntransfer-encoding: chunked`)}0\r\n\r\n`,
      get(`${fields(COUNT - 1)}\r\nconnection: close`), get(`content-length: 0\r\n${fields(COUNT)}`)),
    ...rejects('S15', 400, 'http1.codec_error', get(`${fields(COUNT - 1)}\r\nbad line`)),
    { ...takes('S15', `${get('x_a: 1\r\ncontent-length: 5')}hello`, 'GET a /g 5 [] "hello" end'),
      options: { headersWithUnderscores: 'drop' } },
    ...rejects('S15', 431, 'http1.too_many_headers', get('x_a: 1\r\nx_b: 2')).map((vector) => ({ ...vector,
      options: { headersWithUnderscores: 'drop', headerCountMax: 2 } as const })),
  ]);
  await responses([
    { id: 'S14', bytes: ok(`${fields(COUNT - 1)}\r\ncontent-length: 0`), seen: `200 0 [${seen}] "" end` },
    ...spoils('S14', 'http1.too_many_headers', ok(`${fields(COUNT)}\r\ncontent-length: 0`)),
    ...spoils('S14', 'http1.too_many_headers', ok('x: 1\r\ny: 2\r\ncontent-length: 0')).map((vector) => ({ ...vector,
      options: { headerCountMax: 2 } })),
  ]);
});

test('S14 trailers have the bounds of heads, of their own', async () => {
  const section = (lines: string): string => chunked(`1\r\nx\r\n0\r\n${lines}\r\n\r\n`);
  const seen = 'POST a /p -1 [] "x"';
  const many = Array.from({ length: COUNT }, () => 'x|y').join('|');
  await requests([
    takes('S14', section(fields(COUNT)), `${seen} trailers=${many} end`),
    takes('S14', section(field(LINE)), `${seen} trailers=x|${'y'.repeat(LINE - 3)} end`),
    breaks('S14', 'http1.too_many_trailers', section(fields(COUNT + 1)), seen),
    breaks('S14', 'http1.trailer_line_too_long', section(field(LINE + 1)), seen),
    breaks('S14', 'http1.trailer_line_too_long', section(`${field(LINE + 1)}\0`), seen),
    breaks('S14', 'http1.trailers_too_large', chunked(`1\r\nx\r\n0\r\n${sized('', TOTAL + 1)}`), seen),
  ]);
  await responses([
    spoilsBody('S14', 'http1.too_many_trailers', ok('transfer-encoding: chunked', `0\r\n${fields(COUNT + 1)}\r\n\r\n`),
      '200 -1 [] ""'),
  ]);
});

test('S07 an extension of 256 bytes and 4 KiB of them are read over, one byte more is refused', async () => {
  const chunk = (bytes: number): string => `1;${'e'.repeat(bytes)}\r\nx\r\n`;
  const all = (body: string): RequestVector => takes('S07', `${chunked(body)}GET /n HTTP/1.1\r\nhost: a\r\n\r\n`,
    `POST a /p -1 [] "${'x'.repeat(body.split(';').length - 1)}" end`, 'GET a /n 0 [] "" end');
  const detail = 'http1.chunk_extensions_too_large';
  const seen = (count: number): string => `POST a /p -1 [] "${'x'.repeat(count)}"`;
  await requests([
    all(`${chunk(256)}0\r\n\r\n`),
    breaks('S07', detail, chunked(`${chunk(257)}0\r\n\r\n`), seen(0)),
    breaks('S07', detail, chunked(`1\r\nx\r\n0;${'e'.repeat(257)}\r\n\r\n`), seen(1)),
    breaks('S07', detail, chunked(`1;${'e;'.repeat(129)}\r\nx\r\n0\r\n\r\n`), seen(0)),
    all(`${chunk(256).repeat(16)}0\r\n\r\n`),
    breaks('S07', detail, chunked(`${chunk(256).repeat(16)}${chunk(1)}0\r\n\r\n`), seen(16)),
    breaks('S07', detail, chunked(`${chunk(256).repeat(16)}0;e\r\n\r\n`), seen(16)),
    breaks('S07', detail, chunked(`${chunk(1).repeat(4097)}0\r\n\r\n`), seen(4096)),
  ]);
  await responses([
    { id: 'S07', bytes: ok('transfer-encoding: chunked', `${chunk(256)}0\r\n\r\n`), seen: '200 -1 [] "x" end' },
    spoilsBody('S07', detail, ok('transfer-encoding: chunked', `${chunk(257)}0\r\n\r\n`), '200 -1 [] ""'),
  ]);
  const messages = new ServerProbe();
  await messages.feed([chunked(`${chunk(256).repeat(16)}0\r\n\r\n`).repeat(3)]);
  assert.deepEqual(messages.statuses, [200, 200, 200], 'the bound is of each message');
});
