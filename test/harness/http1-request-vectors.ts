// The request side of S01-S17: every variant that a row of the threat list names, and what the server codec must do.
import type { RequestVector } from './http1-vectors.ts';
import { breaks, rejects, SMUGGLED, takes } from './http1-vectors.ts';

const post = (lines: string, body = ''): string => `POST /p HTTP/1.1\r\nhost: a\r\n${lines}\r\n\r\n${body}`;
const get = (lines: string): string => `GET /g HTTP/1.1\r\nhost: a\r\n${lines}\r\n\r\n`;
const hosted = (host: string): string => `GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
const target = (text: string): string => `GET ${text} HTTP/1.1\r\nhost: a\r\n\r\n`;
const version = (text: string): string => `GET / ${text}\r\nhost: a\r\n\r\n`;
const chunks = (body: string): string => post('transfer-encoding: chunked', body);
const each = (all: readonly string[], make: (text: string) => string): string[] => all.map(make);

const CODEC = 'http1.codec_error';
const NEXT = 'GET /next HTTP/1.1\r\nhost: a\r\n\r\n';
const SAW_NEXT = 'GET a /next 0 [] "" end';
const LAST = '0\r\n\r\n';

/** CL and TE, in whatever spelling and order. */
const S01: readonly RequestVector[] = [
  ...rejects('S01', 400, 'http1.content_length_and_chunked_not_allowed', ...each([
    'content-length: 5\r\ntransfer-encoding: chunked', 'transfer-encoding: chunked\r\ncontent-length: 5',
    'content-length: 0\r\ntransfer-encoding: chunked', 'CONTENT-LENGTH: 5\r\nx: y\r\nTransfer-Encoding: chunked',
    'content-length: 5\r\ntransfer-encoding: identity', 'content-length: 5\r\ntransfer-encoding: gzip',
    'content-length: 5\r\ntransfer-encoding:', 'content-length: +5\r\ntransfer-encoding: chunked',
    'content-length: 5\r\ncontent-length: 5\r\ntransfer-encoding: chunked',
    'content-length: 5\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked',
    'content-length: 5\r\ntransfer-encoding: chunked\t', 'content-length: 5\r\ntransfer-encoding:\tchunked',
    'connection: content-length\r\ncontent-length: 5\r\ntransfer-encoding: chunked',
    'connection: transfer-encoding\r\ncontent-length: 5\r\ntransfer-encoding: chunked',
  ], (lines) => post(lines, LAST))),
  ...rejects('S01', 400, 'http1.content_length_and_chunked_not_allowed',
    get('content-length: 5\r\ntransfer-encoding: chunked'),
    'POST /p HTTP/1.0\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
];

const S02: readonly RequestVector[] = [
  ...rejects('S02', 400, 'http1.invalid_content_length', ...each([
    '5,5', '5, 5', '5,', ',5', '5;', '+5', '-0', '-5', '0x5', '0b1', '0o7', '1_0', '5 5', '5\t5', '05', '00', '005',
    '5.0', '1e3', '5L', '"5"', 'NaN', 'Infinity', '', ' ', '\t', '\xef\xbc\x95', '\xa05', '5\xa0', 'five',
    '9007199254740992', '18446744073709551616', '18446744073709551621', '99999999999999999999', '00000000000000005',
  ], (value) => post(`content-length: ${value}`, 'hello'))),
  ...rejects('S02', 400, 'http1.invalid_content_length', ...each([
    'content-length: 5\r\ncontent-length: 5', 'content-length: 5\r\nContent-Length: 6', 'content-length: 5\r\n'
      + 'content-length: 0', 'content-length: 0\r\ncontent-length: 5', 'content-length:\r\ncontent-length: 5',
  ], (lines) => post(lines, 'hello'))),
  ...rejects('S02', 400, 'http1.invalid_content_length', get('content-length: +0'),
    'POST /p HTTP/1.0\r\nhost: a\r\ncontent-length: 5,5\r\n\r\nhello'),
  takes('S02', post('content-length: 5', 'hello') + NEXT, 'POST a /p 5 [] "hello" end', SAW_NEXT),
  takes('S02', post('Content-Length: \t 5 \t', 'hello'), 'POST a /p 5 [] "hello" end'),
  takes('S02', post('content-length:5', 'hello'), 'POST a /p 5 [] "hello" end'),
  takes('S02', post('content_length: 3\r\ncontent-length: 5', 'hello'),
    'POST a /p 5 [content_length|3] "hello" end'),
];

const S03: readonly RequestVector[] = [
  ...rejects('S03', 501, 'http1.invalid_transfer_encoding', ...each([
    'xchunked', 'chunkedx', 'x', 'identity', 'gzip', 'chunked, identity', 'identity, chunked', 'gzip, chunked',
    'chunked, gzip', 'gzip, Chunked', 'chunked-x',
  ], (value) => post(`transfer-encoding: ${value}`, LAST))),
  ...rejects('S03', 400, 'http1.malformed_transfer_encoding', ...each([
    '', ' ', '  chunked', '\tchunked', ' \tchunked', 'chunked ', 'chunked\t', 'chunked;q=1', 'chunked; x',
    'chunked, chunked', 'chunked chunked', 'Chunked', 'CHUNKED', 'chunkeD', '"chunked"', "'chunked' x", 'chun ked',
    ',chunked', 'chunked,', ', chunked', '\xa0chunked', 'chunked\xa0', 'chun\xe2\x84\xaaed', '\xefchunked', '[chunked]',
  ], (value) => post(`transfer-encoding: ${value}`, LAST))),
  ...rejects('S03', 400, 'http1.malformed_transfer_encoding', ...each([
    'transfer-encoding: chunked\r\ntransfer-encoding: chunked', 'transfer-encoding: chunked\r\ntransfer-encoding:',
    'transfer-encoding: chunked\r\nTransfer-Encoding: identity', 'transfer-encoding: x\r\ntransfer-encoding: chunked',
    'transfer-encoding:\tchunked', 'transfer-encoding:  chunked',
  ], (lines) => post(lines, LAST))),
  ...rejects('S03', 400, CODEC, ...each(['transfer-encoding: \x0bchunked', 'transfer-encoding: chunked\x0c',
    'transfer-encoding: chunked\0', 'transfer-encoding : chunked', 'transfer-encoding\t: chunked',
    ' transfer-encoding: chunked', 'transfer-encoding\xa0: chunked', '\0transfer-encoding: chunked',
    'transfer-encoding: chunked\n', 'x: y\ntransfer-encoding: chunked', 'transfer-encoding:\r\n chunked',
    'transfer-encoding\r\n: chunked', 'x: y\rtransfer-encoding: chunked'], (lines) => post(lines, LAST))),
  ...rejects('S03', 400, 'http1.transfer_encoding_not_allowed', ...each(['chunked', 'identity', 'Chunked', ''],
    (value) => `POST /p HTTP/1.0\r\nhost: a\r\ntransfer-encoding: ${value}\r\n\r\n${LAST}`)),
  takes('S03', chunks(`5\r\nhello\r\n${LAST}`) + NEXT, 'POST a /p -1 [] "hello" end', SAW_NEXT),
  takes('S03', post('Transfer-Encoding:chunked', LAST) + NEXT, 'POST a /p -1 [] "" end', SAW_NEXT),
  takes('S03', post('x-transfer-encoding: chunked\r\ntransfer_encoding: chunked') + NEXT,
    'POST a /p 0 [x-transfer-encoding|chunked|transfer_encoding|chunked] "" end', SAW_NEXT),
];

const S04: readonly RequestVector[] = [
  ...rejects('S04', 400, CODEC, ...each(['x: 1\r\n 2', 'x: 1\r\n\t2', 'x:\r\n 1', 'x : 1', 'x\t: 1', ' x: 1', '\tx: 1',
    'x \t : 1', 'x: 1\r\n ', 'x: 1\r\n \r\ny: 2', 'content-length : 0', 'content-length:\r\n 0', 'x\r\n : 1', ' : 1',
    'x', 'x\r\n'], get)),
  ...rejects('S04', 400, CODEC, 'GET /g HTTP/1.1\r\n host: a\r\n\r\n', 'GET /g HTTP/1.1\r\n\thost: a\r\n\r\n',
    'GET /g HTTP/1.1\r\nhost : a\r\n\r\n', 'GET /g HTTP/1.1\r\nhost: a\r\n b\r\n\r\n',
    'GET /g HTTP/1.1\r\n \r\nhost: a\r\n\r\n', ' GET /g HTTP/1.1\r\nhost: a\r\n\r\n',
    'GET /g\r\n HTTP/1.1\r\nhost: a\r\n\r\n'),
  breaks('S04', 'http1.invalid_trailers', chunks('0\r\nx: 1\r\n 2\r\n\r\n'), 'POST a /p -1 [] ""'),
  breaks('S04', 'http1.invalid_trailers', chunks('0\r\nx : 1\r\n\r\n'), 'POST a /p -1 [] ""'),
  breaks('S04', 'http1.invalid_trailers', chunks('0\r\n x: 1\r\n\r\n'), 'POST a /p -1 [] ""'),
];

const CONTROLS = ['\0', '\x01', '\x08', '\x0b', '\x0c', '\x1b', '\x1f', '\x7f', '\n', '\r'];

const S05: readonly RequestVector[] = [
  ...rejects('S05', 400, CODEC, 'GET /g HTTP/1.1\nhost: a\n\n', 'GET /g HTTP/1.1\nhost: a\r\n\r\n',
    'GET /g HTTP/1.1\r\nhost: a\n\r\n', 'GET /g HTTP/1.1\r\nhost: a\r\n\n', 'GET /g HTTP/1.1\r\nhost: a\n\n',
    'GET /g HTTP/1.1\rhost: a\r\r', 'GET /g HTTP/1.1\r\rhost: a\r\n\r\n', 'GET /g HTTP/1.1\r\nhost: a\r\r\n\r\n',
    'GET /g HTTP/1.1\r\nhost: a\r\n\rX\r\n', 'GET /g HTTP/1.1\r\nhost: a\r\n\r\r\n', '\nGET /g HTTP/1.1\r\n\r\n',
    '\rGET /g HTTP/1.1\r\n\r\n', '\r\n\r\nGET /g HTTP/1.1\r\nhost: a\r\n\r\n', 'GET\n/g HTTP/1.1\r\nhost: a\r\n\r\n',
    'GET /g\rHTTP/1.1\r\nhost: a\r\n\r\n', 'GET /g HTTP/1.1\0\r\nhost: a\r\n\r\n'),
  ...rejects('S05', 400, CODEC, ...each(CONTROLS, (byte) => get(`x: a${byte}b`))),
  ...rejects('S05', 400, CODEC, ...each(CONTROLS, (byte) => get(`x: ${byte}`))),
  ...rejects('S05', 400, CODEC, ...each(CONTROLS, (byte) => get(`a${byte}b: x`))),
  ...rejects('S05', 400, CODEC, ...each(CONTROLS, (byte) => hosted(`a${byte}b`))),
  ...each(CONTROLS, (byte) => `0\r\nx: a${byte}b\r\n\r\n`).map(
    (body) => breaks('S05', 'http1.invalid_trailers', chunks(body), 'POST a /p -1 [] ""')),
  breaks('S05', 'http1.invalid_trailers', chunks('0\r\n\n'), 'POST a /p -1 [] ""'),
  breaks('S05', 'http1.invalid_trailers', chunks('0\r\n\rX'), 'POST a /p -1 [] ""'),
  breaks('S05', 'http1.invalid_trailers', chunks('0\r\nx: y\n\r\n'), 'POST a /p -1 [] ""'),
  takes('S05', get('x: \xe9\x80 \t z'), 'GET a /g 0 [x|\xe9\x80 \t z] "" end'),
  takes('S05', `\r\n${NEXT}\r\n${NEXT}`, SAW_NEXT, SAW_NEXT),
];

const invalidChunk = (id: string, seen: string, bodies: readonly string[]): RequestVector[] =>
  bodies.map((body) => breaks(id, 'http1.invalid_chunk', chunks(body), `POST a /p -1 [] "${seen}"`));

const S06: readonly RequestVector[] = [
  ...invalidChunk('S06', '', ['', '0x5', '0X5', '+5', '-5', '-0', '5_', '_5', '0_5', ' 5', '5 ', '\t5', '5\t', 'g',
    '5g', '5.', '5,', '"5"', '5h', '\0' + '5', '5\0', '\xef\xbc\x95', '00000000000005', 'fffffffffffffff',
    '20000000000005', '10000000000000005', 'ffffffffffffffff', '100000000000000000000'].map(
    (size) => `${size}\r\nhello\r\n${LAST}`)),
  ...invalidChunk('S06', 'hello', ['5\r\nhello\r\n0x0\r\n\r\n', '5\r\nhello\r\n\r\n\r\n', '5\r\nhello\r\n -0\r\n\r\n']),
  takes('S06', chunks(`0000000000005\r\nhello\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0000\r\n\r\n`) + NEXT,
    'POST a /p -1 [] "hello01234567890123456789" end', SAW_NEXT),
];

const S07: readonly RequestVector[] = [
  ...invalidChunk('S07', '', ['5;a\nhello\r\n0\r\n\r\n', '5;a\rb\r\nhello\r\n0\r\n\r\n', '5\nhello\r\n0\r\n\r\n',
    '5\n;a\r\nhello\r\n', '5;\n', '5;a\0\r\nhello\r\n', '5;a\x7f\r\nhello\r\n', '5;a="\n"\r\nhello\r\n',
    '5;a="\r"\r\nhello\r\n', '5;a\r\r\nhello\r\n', '5\r\rhello', '5\rXhello', '0\n\r\n', '0;a\n\r\n',
    '5 ;a\r\nhello\r\n', '5\r;a\nhello\r\n']),
  ...invalidChunk('S07', 'hello', ['5\r\nhelloX0\r\n\r\n', '5\r\nhelloXX0\r\n\r\n', '5\r\nhello\n0\r\n\r\n',
    '5\r\nhello\rX0\r\n\r\n', '5\r\nhello\r\r\n0\r\n\r\n', '5\r\nhello0\r\n\r\n', '5\r\nhello;\r\n0\r\n\r\n',
    '5\r\nhello\n\n0\r\n\r\n', '5\r\nhello\r0\r\n\r\n']),
  takes('S07', chunks('5;a="b;c";d\r\nhello\r\n1;=\r\nx\r\n0;x="\\""\r\n\r\n') + NEXT,
    'POST a /p -1 [] "hellox" end', SAW_NEXT),
  takes('S07', chunks('5;a="unfinished\r\nhello\r\n0;\r\n\r\n') + NEXT, 'POST a /p -1 [] "hello" end', SAW_NEXT),
];

const FORBIDDEN_TRAILERS = ['Content-Length: 3', 'Transfer-Encoding: chunked', 'Host: evil', 'Authorization: x',
  'X-Forwarded-For: 1', 'x-forwarded-client-cert: y', 'X-Envoy-Original-Path: /', 'Cookie: a', 'Connection: close',
  'Upgrade: x', 'Expect: 100-continue', 'TE: x', 'Trailer: x', 'Keep-Alive: x', 'Proxy-Connection: x', 'X-Real-Ip: 1',
  'Content-Type: x', 'Content-Encoding: x', 'Cache-Control: x', 'Max-Forwards: 1', 'Set-Cookie: a', 'Forwarded: x'];

const S08: readonly RequestVector[] = [
  ...FORBIDDEN_TRAILERS.map((line) => takes('S08', chunks(`2\r\nhi\r\n0\r\nX-Sum: 1\r\n${line}\r\n\r\n`) + NEXT,
    'POST a /p -1 [] "hi" trailers=x-sum|1 end', SAW_NEXT)),
  takes('S08', chunks(`2\r\nhi\r\n0\r\n${FORBIDDEN_TRAILERS.join('\r\n')}\r\n\r\n`) + NEXT,
    'POST a /p -1 [] "hi" end', SAW_NEXT),
  { ...takes('S08', chunks('2\r\nhi\r\n0\r\nX-Sum: 1\r\ncontent-length: 3\r\n\r\n') + NEXT, 'POST a /p -1 [] "hi" end',
    SAW_NEXT), options: { enableTrailers: false } },
  ...['bad trailer', 'x : 1', ': 1', 'a b: 1', 'x: a\rb', 'x: 1\n'].map(
    (line) => breaks('S08', 'http1.invalid_trailers', chunks(`2\r\nhi\r\n0\r\n${line}\r\n\r\n`),
      'POST a /p -1 [] "hi"')),
];

const S09: readonly RequestVector[] = [
  ...['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE', 'POST'].flatMap((method) => [
    takes('S09', `${method} / HTTP/1.1\r\nhost: a\r\ncontent-length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}${NEXT}`,
      `${method} a / ${SMUGGLED.length} [] "${SMUGGLED}" end`, SAW_NEXT),
    takes('S09', `${method} / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n${LAST}${NEXT}`,
      `${method} a / -1 [] "hi" end`, SAW_NEXT),
  ]),
  takes('S09', post('content-length: 0') + NEXT, 'POST a /p 0 [] "" end', SAW_NEXT),
  takes('S09', `POST /p HTTP/1.1\r\nhost: a\r\n\r\n${NEXT}`, 'POST a /p 0 [] "" end', SAW_NEXT),
];

const expecting = (lines: string): string => post(`${lines}\r\ncontent-length: 2`, 'hi');

const S10: readonly RequestVector[] = [
  ...rejects('S10', 400, 'http1.unknown_expectation', ...each(['expect: y 100-continue', 'expect: 100-continue, x',
    'expect: 100-continued', 'expect:', 'expect: 100', 'expect: "100-continue"', 'expect: 100-continue;x',
    'expect: 100-continue\r\nexpect: 100-continue', 'expect: 100-continue\r\nExpect: x', 'expect: x'], expecting)),
  ...rejects('S10', 400, CODEC, expecting('expect : 100-continue'), expecting('expect: 100-continue\0'),
    expecting('expect:\r\n 100-continue')),
  takes('S10', expecting('expect: 100-continue') + NEXT, 'POST a /p 2 expect [] "hi" end', SAW_NEXT),
  takes('S10', expecting('Expect: 100-Continue') + NEXT, 'POST a /p 2 expect [] "hi" end', SAW_NEXT),
  takes('S10', get('expect: 100-continue') + NEXT, 'GET a /g 0 expect [] "" end', SAW_NEXT),
  takes('S10', 'POST /p HTTP/1.0\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi',
    'POST a /p 2 HTTP/1.0 [] "hi" end'),
];

const S11: readonly RequestVector[] = rejects('S11', 400, 'http1.body_disallowed', ...each([
  'content-length: 0', 'content-length: 5', 'transfer-encoding: chunked',
], (line) => get(`connection: upgrade\r\nupgrade: websocket\r\n${line}`)), ...each([
  'content-length: 0', 'content-length: 5', 'transfer-encoding: chunked',
], (line) => `CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n${line}\r\n\r\n`));

const S12: readonly RequestVector[] = [
  takes('S12', [1, 2, 3].map((n) => post(`x: ${n}\r\ncontent-length: 2`, `b${n}`)).join(''),
    ...[1, 2, 3].map((n) => `POST a /p 2 [x|${n}] "b${n}" end`)),
  { id: 'S12', bytes: `${NEXT}${chunks(`1\r\nx\r\n${LAST}`)}GET / HTTP/1.1\r\nbad header\r\n\r\n`, refused: 400,
    seen: [SAW_NEXT, 'POST a /p -1 [] "x" end', ` [] "" bad-request ${CODEC}`] },
  { id: 'S12', bytes: `${NEXT}${chunks('1\r\nxX')}`, refused: 400,
    seen: [SAW_NEXT, 'POST a /p -1 [] "x" bad-request http1.invalid_chunk'] },
];

const S13: readonly RequestVector[] = [
  ...rejects('S13', 400, 'http1.invalid_host', ...each(['a@b', 'a:b@c', 'a,b', 'a, b', 'a b', 'a/b', 'a:b', 'a:',
    'a:99999', 'a:080', 'a:-1', 'a:+80', 'a:0x50', 'a:80:80', '', ' ', '[::1', '::1', '[::1]x', '[]',
    '[fe80::1%25eth0]', 'caf\xe9', 'a#b', 'a\\b', 'a?b', ':80', 'http://a', 'a\tb', '\xa0a', '"a"', 'a|b',
    'a<b'], hosted)),
  ...rejects('S13', 400, 'http1.multiple_host', ...each(['a\r\nhost: a', 'a\r\nHost: b', 'a\r\nhost:', '\r\nhost: a',
    'a\r\nx: y\r\nHOST: a'], hosted)),
  ...rejects('S13', 400, 'missing_host_header', 'GET / HTTP/1.1\r\nx: y\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n',
    'GET http://a/ HTTP/1.1\r\n\r\n', 'CONNECT a:1 HTTP/1.1\r\n\r\n', 'GET / HTTP/1.0\r\n\r\n',
    'GET / HTTP/1.1\r\nx-host: a\r\n\r\n'),
  ...rejects('S13', 400, 'http1.host_mismatch', ...each(['http://b/', 'http://a:81/', 'https://a:80/', 'http://a.b/',
    'http://aa'], target)),
  ...rejects('S13', 400, 'http1.invalid_url', ...each(['http://a@b/', 'http://u:p@a/', 'ftp://a/', 'http:///',
    'http:/a', 'http:a', 'a', '?x', 'http://a,b/', 'http://', 'http://a:/', 'http://a:080/', 'http://a\\b/', '*',
    'a:80'], target)),
  ...rejects('S13', 400, 'http1.invalid_url', ...each(['a', '/x', '*', 'http://a:80', 'a:x', 'a:', ':1', 'u@a:1',
    'a:1/x', 'a,b:1'], (to) => `CONNECT ${to} HTTP/1.1\r\nhost: a\r\n\r\n`)),
  ...rejects('S13', 400, 'http1.connection_header_rejected', get('connection: host'), get('connection: close, HOST')),
  { ...rejects('S13', 400, 'http1.invalid_url', target('http://a/'))[0]!, options: { allowAbsoluteUrl: false } },
  takes('S13', 'GET http://A:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n', 'GET a:80 /x?y 0 absolute [] "" end'),
  takes('S13', 'GET HTTPS://A?y HTTP/1.1\r\nHost: A:443\r\n\r\n', 'GET a /?y 0 absolute [] "" end'),
  takes('S13', 'OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n',
    'OPTIONS a * 0 absolute [] "" end', 'OPTIONS a * 0 [] "" end'),
  takes('S13', hosted('Example.COM:8080'), 'GET example.com:8080 / 0 [] "" end'),
  takes('S13', hosted('[2001:DB8::1]:80'), 'GET [2001:db8::1]:80 / 0 [] "" end'),
  takes('S13', target('//b'), 'GET a //b 0 [] "" end'),
  takes('S13', target('/http://b/@c'), 'GET a /http://b/@c 0 [] "" end'),
];

const S14: readonly RequestVector[] = [
  ...rejects('S14', 400, 'http1.method_too_long', `${'G'.repeat(65)} / HTTP/1.1\r\nhost: a\r\n\r\n`),
  takes('S14', `${'G'.repeat(64)} / HTTP/1.1\r\nhost: a\r\n\r\n`, `${'G'.repeat(64)} a / 0 [] "" end`),
];

const S16: readonly RequestVector[] = [
  ...rejects('S16', 400, CODEC, ...each(['', ' ', 'a b', 'a(b', 'a)', 'a@b', 'a/b', 'a[b]', 'a{b', 'a"b', 'a,b', 'a;b',
    'a<b', 'a=b', 'a?b', 'a\\b', 'caf\xe9', 'a\0', '\xe2\x84\xaa', '\xa0'], (name) => get(`${name}: 1`))),
  takes('S16', get('X_A: 1\r\nx-a: 2'), 'GET a /g 0 [x_a|1|x-a|2] "" end'),
  { ...takes('S16', get('X_A: 1\r\nx-a: 2\r\n_: 3'), 'GET a /g 0 [x-a|2] "" end'),
    options: { headersWithUnderscores: 'drop' } },
  { ...rejects('S16', 400, 'http1.unexpected_underscore', get('X_A: 1\r\nx-a: 2'))[0]!,
    options: { headersWithUnderscores: 'reject' } },
  { ...breaks('S16', 'http1.unexpected_underscore', chunks('2\r\nhi\r\n0\r\nx: 1\r\nX_A: 1\r\n\r\n'),
    'POST a /p -1 [] "hi"'), options: { headersWithUnderscores: 'reject' } },
  { ...takes('S16', chunks('2\r\nhi\r\n0\r\nx: 1\r\nX_A: 1\r\n\r\n') + NEXT,
    'POST a /p -1 [] "hi" trailers=x|1 end', SAW_NEXT), options: { headersWithUnderscores: 'drop' } },
  takes('S16', get("!#$%&'*+-.^`|~09aZ: 1"), "GET a /g 0 [!#$%&'*+-.^`|~09az|1] \"\" end"),
  takes('S16', get('__proto__: 1\r\nconstructor: 2'), 'GET a /g 0 [__proto__|1|constructor|2] "" end'),
];

const S17: readonly RequestVector[] = [
  ...rejects('S17', 505, 'http1.version_not_supported', ...each(['HTTP/1.2', 'HTTP/1.9', 'HTTP/2.0', 'HTTP/0.9',
    'HTTP/3.0', 'HTTP/9.9', 'HTTP/0.0'], version), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  ...rejects('S17', 400, CODEC, ...each(['', ' ', 'HTTP/1.1 ', ' HTTP/1.1', 'http/1.1', 'Http/1.1', 'HTTP/11',
    'HTTP/1.10', 'HTTP/1.01', 'HTTP/01.1', 'HTTP/1.', 'HTTP/1', 'HTTP/2', 'HTTP/a.b', 'HTTP/1,1', 'HTTP 1.1',
    'HTTQ/1.1', 'HTTP/+1.1', 'HTTP/1.1x', 'HTTP/1.1\t', 'ICE/1.0'], version), 'GET /\r\n', 'GET\r\n', 'G\r\n',
    'GET / HTTP/1.1 HTTP/1.1\r\n\r\n',
    'PRI * HTTP/2\r\n\r\nSM\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n'),
  { ...rejects('S17', 426, 'low_version', 'GET / HTTP/1.0\r\nhost: a\r\n\r\n')[0]!, options: { acceptHttp10: false } },
  ...['h2c', 'H2C', 'h2c,', ' h2c ', 'h2c, h2c'].map((token) => takes('S17',
    get(`connection: upgrade, http2-settings\r\nupgrade: ${token}\r\nhttp2-settings: AAA`) + NEXT,
    'GET a /g 0 [] "" end', SAW_NEXT)),
  takes('S17', post('connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2', 'hi') + NEXT, 'POST a /p 2 [] "hi" end',
    SAW_NEXT),
  takes('S17', get('upgrade: h2c') + NEXT, 'GET a /g 0 [] "" end', SAW_NEXT),
  takes('S17', get('upgrade: websocket') + NEXT, 'GET a /g 0 [] "" end', SAW_NEXT),
  takes('S17', get('connection: upgrade\r\nupgrade: H2C, WebSocket'), 'GET a /g 0 upgrade=websocket [] "" open'),
  takes('S17', `GET /g HTTP/1.0\r\nhost: a\r\nconnection: upgrade, keep-alive\r\nupgrade: websocket\r\n\r\n${NEXT}`,
    'GET a /g 0 HTTP/1.0 [] "" end', SAW_NEXT),
];

export const REQUEST_VECTORS: readonly RequestVector[] = [...S01, ...S02, ...S03, ...S04, ...S05, ...S06, ...S07,
  ...S08, ...S09, ...S10, ...S11, ...S12, ...S13, ...S14, ...S16, ...S17];
