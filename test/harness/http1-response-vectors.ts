// The response side of S01-S18: what an upstream may send wrongly or oddly, and what the client codec must do with it.
import type { ResponseVector } from './http1-vectors.ts';
import { answers, brokenText, POISON, spoils, spoilsBody } from './http1-vectors.ts';

const ok = (lines: string, body = ''): string => `HTTP/1.1 200 OK\r\n${lines}${lines === '' ? '' : '\r\n'}\r\n${body}`;
const line = (text: string): string => `${text}\r\ncontent-length: 0\r\n\r\n`;
const status = (code: number, lines: string, body = ''): string =>
  `HTTP/1.1 ${code} X\r\n${lines}\r\n\r\n${body}`;
const chunks = (body: string): string => ok('transfer-encoding: chunked', body);
const each = (all: readonly string[], make: (text: string) => string): string[] => all.map(make);

const CODEC = 'http1.codec_error';
const EMPTY = '200 0 [] "" end';
const LAST = '0\r\n\r\n';

const S01: readonly ResponseVector[] = spoils('S01', 'http1.content_length_and_chunked_not_allowed', ...each([
  'content-length: 5\r\ntransfer-encoding: chunked', 'transfer-encoding: chunked\r\ncontent-length: 5',
  'content-length: 0\r\ntransfer-encoding: chunked', 'content-length: 5\r\ntransfer-encoding: identity',
  'content-length: 5\r\ntransfer-encoding:', 'content-length: 5\r\ntransfer-encoding:\tchunked',
], (lines) => ok(lines, LAST)), status(304, 'content-length: 5\r\ntransfer-encoding: chunked'),
  'HTTP/1.0 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n');

const S02: readonly ResponseVector[] = [
  ...spoils('S02', 'http1.invalid_content_length', ...each(['5,5', '5, 5', '+5', '-5', '-0', '0x5', '1_0', '5 5', '05',
    '1e3', '', '5;', '\xa05', 'five', '9007199254740992', '18446744073709551621'],
  (value) => ok(`content-length: ${value}`, 'hello'))),
  ...spoils('S02', 'http1.invalid_content_length', ok('content-length: 5\r\ncontent-length: 5', 'hello'),
    ok('content-length: 5\r\nContent-Length: 6', 'hello'), status(304, 'content-length: +5'),
    status(204, 'content-length: 0\r\ncontent-length: 0')),
  answers('S02', ok('Content-Length:\t5', 'hello'), '200 5 [] "hello" end'),
];

const S03: readonly ResponseVector[] = [
  ...spoils('S03', 'http1.invalid_transfer_encoding', ...each(['xchunked', 'identity', 'gzip', 'gzip, chunked',
    'chunked, identity'], (value) => ok(`transfer-encoding: ${value}`, LAST))),
  ...spoils('S03', 'http1.malformed_transfer_encoding', ...each(['', '  chunked', '\tchunked', 'chunked ', 'chunked\t',
    'Chunked', 'chunked;q=1', 'chunked, chunked', ',chunked', '"chunked"', 'chunked\r\ntransfer-encoding: chunked',
    'chunked\r\ntransfer-encoding: identity'], (value) => ok(`transfer-encoding: ${value}`, LAST))),
  ...spoils('S03', CODEC, ok('transfer-encoding: \x0bchunked', LAST), ok('transfer-encoding: chunked\x0c', LAST),
    ok('transfer-encoding : chunked', LAST), ok('x: y\ntransfer-encoding: chunked', LAST)),
  ...spoils('S03', 'http1.transfer_encoding_not_allowed',
    'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
  answers('S03', chunks(`5\r\nhello\r\n${LAST}`), '200 -1 [] "hello" end'),
];

const S04: readonly ResponseVector[] = [
  ...spoils('S04', CODEC, ...each(['x: 1\r\n 2', 'x: 1\r\n\t2', 'x : 1', 'x\t: 1', ' x: 1', 'x:\r\n 1', 'x', ': x',
    'content-length:\r\n 5'], (lines) => ok(lines, 'hello'))),
  spoilsBody('S04', 'http1.invalid_trailers', chunks('0\r\nx: 1\r\n 2\r\n\r\n'), '200 -1 [] ""'),
  spoilsBody('S04', 'http1.invalid_trailers', chunks('1\r\nx\r\n0\r\nx : 1\r\n\r\n'), '200 -1 [] "x"'),
];

const CONTROLS = ['\0', '\x0b', '\x0c', '\x1b', '\x7f', '\n', '\r'];

const S05: readonly ResponseVector[] = [
  ...spoils('S05', CODEC, 'HTTP/1.1 200 OK\ncontent-length: 0\n\n', 'HTTP/1.1 200 OK\r\ncontent-length: 0\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\n', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\rX',
    'HTTP/1.1 200 OK\r\r\n\r\n', '\nHTTP/1.1 200 OK\r\n\r\n', 'HTTP/1.1 200 O\0K\r\n\r\n',
    'HTTP/1.1 200 O\x7fK\r\n\r\n', 'HTTP/1.1 200\nOK\r\n\r\n'),
  ...spoils('S05', CODEC, ...each(CONTROLS, (byte) => ok(`x: a${byte}b`))),
  ...spoils('S05', CODEC, ...each(CONTROLS, (byte) => ok(`a${byte}b: x`))),
  ...CONTROLS.map((byte) => spoilsBody('S05', 'http1.invalid_trailers', chunks(`0\r\nx: a${byte}b\r\n\r\n`),
    '200 -1 [] ""')),
  spoilsBody('S05', 'http1.invalid_trailers', chunks('0\r\n\n'), '200 -1 [] ""'),
];

const invalidChunk = (id: string, body: string, all: readonly string[]): ResponseVector[] =>
  all.map((bytes) => spoilsBody(id, 'http1.invalid_chunk', chunks(bytes), `200 -1 [] "${body}"`));

const S06: readonly ResponseVector[] = invalidChunk('S06', '', ['', '0x5', '+5', '-5', '5_', ' 5', '5 ', '\t5', 'g',
  '00000000000005', 'fffffffffffffff', '10000000000000005', '\xef\xbc\x95'].map(
  (size) => `${size}\r\nhello\r\n${LAST}`));

const S07: readonly ResponseVector[] = [
  ...invalidChunk('S07', '', ['5;a\nhello\r\n0\r\n\r\n', '5;a\rb\r\nhello\r\n', '5\nhello\r\n', '5;a\0\r\nhello\r\n',
    '5;a="\n"\r\nhello\r\n', '0\n\r\n']),
  ...invalidChunk('S07', 'hello', ['5\r\nhelloX\r\n', '5\r\nhelloXX0\r\n', '5\r\nhello\n0\r\n', '5\r\nhello\rX',
    '5\r\nhello0\r\n\r\n', '5\r\nhello\r\r\n']),
  answers('S07', chunks('5;a="b;c"\r\nhello\r\n0;x\r\n\r\n'), '200 -1 [] "hello" end'),
];

const S08: readonly ResponseVector[] = [
  ...['Content-Length: 3', 'Transfer-Encoding: chunked', 'Set-Cookie: a', 'Content-Type: x', 'Host: a', 'Location: /',
    'Connection: close', 'Cache-Control: x', 'WWW-Authenticate: x', 'X-Envoy-Overloaded: 1'].map((field) =>
    answers('S08', chunks(`2\r\nhi\r\n0\r\nX-Sum: 1\r\n${field}\r\n\r\n`),
      '200 -1 [] "hi" trailers=x-sum|1 end')),
  answers('S08', chunks('2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n'), '200 -1 [] "hi" end',
    { options: { enableTrailers: false } }),
];

const switching = (lines: string): string => `HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n\r\n`;
const AGREED = switching('connection: upgrade\r\nupgrade: websocket');

const S11: readonly ResponseVector[] = [
  answers('S11', `${AGREED}raw\0bytes`, '101 -1 upgrade=websocket [] "raw\0bytes" open', { upgrade: 'websocket',
    reusable: false }),
  answers('S11', `${ok('transfer-encoding: chunked')}raw`, '200 -1 [] "raw" open', { method: 'CONNECT',
    reusable: false }),
  answers('S11', `${status(204, 'content-length: 5')}raw`, '204 -1 [] "raw" open', { method: 'CONNECT',
    reusable: false }),
  answers('S11', ok('content-length: 2', 'no'), '200 2 [] "no" end', { upgrade: 'websocket', reusable: false }),
  answers('S11', status(403, 'content-length: 2', 'no'), '403 2 [] "no" end', { method: 'CONNECT', reusable: false }),
  ...spoils('S11', 'http1.unexpected_upgrade', AGREED),
  { ...spoils('S11', 'http1.unexpected_upgrade', AGREED)[0]!, method: 'CONNECT' },
  { ...spoils('S11', 'http1.transfer_encoding_not_allowed',
    switching('upgrade: websocket\r\ntransfer-encoding: chunked'))[0]!, upgrade: 'websocket' },
  { ...spoils('S11', 'http1.content_length_not_allowed',
    switching('upgrade: websocket\r\ncontent-length: 5'))[0]!, upgrade: 'websocket' },
];

/** Bytes behind the end of a response belong to nobody. */
const S12: readonly ResponseVector[] = [
  answers('S12', ok('content-length: 2', 'hi') + POISON, '200 2 [] "hi" end', { reusable: false }),
  answers('S12', `${ok('content-length: 2', 'hi')}\r\n`, '200 2 [] "hi" end', { reusable: false }),
  answers('S12', `${ok('content-length: 0')}x`, EMPTY, { reusable: false }),
  answers('S12', `${chunks(`2\r\nhi\r\n${LAST}`)}\r\n`, '200 -1 [] "hi" end', { reusable: false }),
  answers('S12', chunks(`2\r\nhi\r\n${LAST}`) + POISON, '200 -1 [] "hi" end', { reusable: false }),
  answers('S12', chunks(`2\r\nhi\r\n0\r\nx: y\r\n\r\n`) + POISON, '200 -1 [] "hi" trailers=x|y end',
    { reusable: false }),
  answers('S12', status(204, 'x: y') + POISON, '204 -1 [x|y] "" end', { reusable: false }),
  answers('S12', status(304, 'content-length: 5', 'hello'), '304 5 [] "" end', { reusable: false }),
  answers('S12', ok('content-length: 5', 'hello'), '200 5 [] "" end', { method: 'HEAD', reusable: false }),
  answers('S12', ok('transfer-encoding: chunked', LAST), '200 -1 [] "" end', { method: 'HEAD', reusable: false }),
  ...spoils('S12', CODEC, `\r\n${ok('content-length: 0')}`, `\r\n\r\n${ok('content-length: 0')}`),
];

const S16: readonly ResponseVector[] = spoils('S16', CODEC, ...each(['', ' ', 'a b', 'a(b', 'a@b', 'a/b', 'a"b', 'a,b',
  'caf\xe9', '\xe2\x84\xaa'], (name) => ok(`${name}: 1`)));

const S17: readonly ResponseVector[] = [
  ...spoils('S17', 'http1.version_not_supported', ...each(['HTTP/1.2 200 OK', 'HTTP/2.0 200 OK', 'HTTP/0.9 200 OK'],
    line)),
  ...spoils('S17', CODEC, ...each(['ICY 200 OK', 'http/1.1 200 OK', 'HTTP/1.1', 'HTTP/1.1 ', 'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK', 'HTTP/1.1  200 OK', 'HTTP/1.1 099 OK', 'HTTP/1.1 abc', 'HTTP/1.1 2x0 OK', 'HTTP/1.1 200OK',
    'HTTP/1.1200 OK', 'HTTP/1.10 200 OK', 'HTTP/11 200 OK', ' HTTP/1.1 200 OK', 'HTTP/1.1\t200 OK', 'HTTP/1.1 +20 OK',
    'HTTP/1.1 200\tOK', 'hello', '<html>', 'GET / HTTP/1.1', '\x15\x03\x01\x00\x02\x02\x46'], line)),
];

const HINTS = status(103, 'link: x');

const S18: readonly ResponseVector[] = [
  ...spoils('S18', 'http1.transfer_encoding_not_allowed', status(204, 'transfer-encoding: chunked', LAST),
    status(103, 'transfer-encoding: chunked', LAST), status(100, 'transfer-encoding: chunked', LAST)),
  ...spoils('S18', 'http1.content_length_not_allowed', status(204, 'content-length: 5', 'hello'),
    status(103, 'content-length: 5', 'hello'), status(100, 'content-length: 5', 'hello')),
  ...['HEAD', 'GET'].map((method) => answers('S18', status(204, 'content-length: 0'), '204 -1 [] "" end', { method })),
  answers('S18', status(304, 'content-length: 7'), '304 7 [] "" end'),
  answers('S18', status(304, 'transfer-encoding: chunked'), '304 -1 [] "" end'),
  answers('S18', ok('content-length: 7'), '200 7 [] "" end', { method: 'HEAD' }),
  answers('S18', ok('transfer-encoding: chunked'), '200 -1 [] "" end', { method: 'HEAD' }),
  answers('S18', ok(''), '200 -1 [] "" end', { method: 'HEAD' }),
  answers('S18', status(205, 'content-length: 2', 'hi'), '205 2 [] "hi" end'),
  answers('S18', HINTS + status(100, 'x: y') + ok('content-length: 2', 'hi'), '103, 100, 200 2 [] "hi" end'),
  answers('S18', HINTS.repeat(10) + ok('content-length: 0'), `${'103, '.repeat(10)}${EMPTY}`),
  { id: 'S18', bytes: HINTS.repeat(11) + ok('content-length: 0'), fault: 'http1.too_many_informational',
    seen: brokenText(`${'103, '.repeat(10)} [] ""`, 'before') },
  answers('S18', ok('content-length: 0\r\nconnection: close'), EMPTY, { reusable: false }),
  answers('S18', status(103, 'connection: close') + ok('content-length: 0'), `103, ${EMPTY}`, { reusable: false }),
  answers('S18', `HTTP/1.0 103 X\r\n\r\n${ok('content-length: 0')}`, `103, ${EMPTY}`, { reusable: false }),
  answers('S18', 'HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n', EMPTY, { reusable: false }),
  answers('S18', 'HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n', EMPTY),
  answers('S18', ok('', 'hello'), '200 -1 [] "hello" end', { closes: true }),
  answers('S18', 'HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n', EMPTY),
  answers('S18', 'HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n', EMPTY),
];

/** A message that is cut is an error, wherever it is cut. */
const CUT: readonly ResponseVector[] = [
  ['', 'before', ' [] ""'], ['HTTP/1.1 200 OK\r\ncontent-', 'before', ' [] ""'],
  [`${HINTS}HTTP/1.1 2`, 'before', '103,  [] ""'],
  [ok('content-length: 5', 'hell'), 'after', '200 5 [] "hell"'], [ok('content-length: 5'), 'after', '200 5 [] ""'],
  [chunks(''), 'after', '200 -1 [] ""'], [chunks('5\r\nhel'), 'after', '200 -1 [] "hel"'],
  [chunks('5\r\nhello'), 'after', '200 -1 [] "hello"'], [chunks('5\r\nhello\r\n'), 'after', '200 -1 [] "hello"'],
  [chunks('5\r\nhello\r\n0'), 'after', '200 -1 [] "hello"'],
  [chunks('5\r\nhello\r\n0\r\n'), 'after', '200 -1 [] "hello"'],
  [chunks('5\r\nhello\r\n0\r\nx: y'), 'after', '200 -1 [] "hello"'],
  [chunks('5\r\nhello\r\n0\r\nx: y\r\n'), 'after', '200 -1 [] "hello"'],
  [chunks('5\r\nhello\r\n0\r\nx: y\r\n\r'), 'after', '200 -1 [] "hello"'],
].map(([bytes, when, seen]) => answers('F06', bytes!,
  `${seen} upstream-reset upstream_reset_${when}_response_started{connection_termination}`, { closes: true }));

export const RESPONSE_VECTORS: readonly ResponseVector[] = [...S01, ...S02, ...S03, ...S04, ...S05, ...S06, ...S07,
  ...S08, ...S11, ...S12, ...S16, ...S17, ...S18, ...CUT];
