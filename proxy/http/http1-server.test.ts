// What the server side takes, refuses and keeps apart: S01-S17 at every split point, on a transport in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reply } from '../../test/harness/http1-probe.ts';
import { atEveryCut, ServerProbe } from '../../test/harness/http1-probe.ts';
import type { Http1ServerOptions } from './http1-server.ts';
import { ResponseHead } from './message.ts';

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nhost: evil\r\n\r\n';
const post = (lines: string, body = ''): string => `POST /p HTTP/1.1\r\nhost: a\r\n${lines}\r\n\r\n${body}`;
const get = (lines: string): string => `GET /g HTTP/1.1\r\nhost: a\r\n${lines}\r\n\r\n`;
const chunked = (body: string): string => post('transfer-encoding: chunked', body);

/** Every way of cutting it: refused with `status`, the connection ends,
  and what follows is never taken for a request. */
async function refused(bytes: string, status: number, options: Partial<Http1ServerOptions> = {}): Promise<void> {
  const make = (): ServerProbe => new ServerProbe(options);
  await atEveryCut(bytes + SMUGGLED, make, (probe, cut) => {
    assert.deepEqual(probe.statuses, [status], `${JSON.stringify(bytes)} cut ${cut}: ${probe.text}`);
    assert.equal(probe.ending, true, `still open: ${JSON.stringify(bytes)} cut ${cut}`);
    assert.match(probe.transport.written, /\r\nconnection: close\r\n/);
    assert.equal(probe.requests.some((request) => request.ended || request.start.includes('smuggled')), false,
      probe.text);
  });
}

/** Every way of cutting it: these requests, all answered. */
async function accepted(bytes: string, summaries: readonly string[],
  options: Partial<Http1ServerOptions> = {}): Promise<void> {
  const make = (): ServerProbe => new ServerProbe(options);
  await atEveryCut(bytes, make, (probe, cut) => {
    assert.equal(probe.text, summaries.join('\n'), `${JSON.stringify(bytes)} cut ${cut}`);
    assert.deepEqual(probe.statuses, summaries.map(() => 200));
  });
}

test('S01 content-length with transfer-encoding is refused, in either order', async () => {
  await refused(post('content-length: 5\r\ntransfer-encoding: chunked', '0\r\n\r\n'), 400);
  await refused(post('transfer-encoding: chunked\r\ncontent-length: 5', '0\r\n\r\n'), 400);
  await refused(post('content-length: 0\r\ntransfer-encoding: identity'), 400);
});

test('S02 only one plain decimal content-length is a length', async () => {
  for (const value of ['5,5', '+5', '-0', '-5', '0x5', '1_0', '5 5', '05', '5.0', '1e3', '', ' ', '٥',
    '9007199254740992', '99999999999999999999']) {
    await refused(post(`content-length: ${value}`, 'hello'), 400);
  }
  await refused(post('content-length: 5\r\ncontent-length: 5', 'hello'), 400);
  await refused(post('content-length: 5\r\ncontent-length: 6', 'hello'), 400);
  await accepted(post('content-length: 5', 'hello') + get('x: y'), ['POST a /p 5 [] "hello" end',
    'GET a /g 0 [x|y] "" end']);
  await accepted(post('Content-Length: \t 5 \t', 'hello'), ['POST a /p 5 [] "hello" end']);
});

test('S03 the only transfer coding is exactly chunked, once, in HTTP/1.1', async () => {
  for (const value of ['xchunked', 'chunked, identity', 'identity', 'gzip', 'gzip, chunked'])
    await refused(post(`transfer-encoding: ${value}`, '0\r\n\r\n'), 501);
  for (const value of ['', 'chunked;q=1', 'chunked, chunked', 'Chunked', 'CHUNKED', '"chunked"', 'chun ked',
    ',chunked', '\x0bchunked', 'chunked\x0c']) {
    await refused(post(`transfer-encoding: ${value}`, '0\r\n\r\n'), 400);
  }
  await refused(post('transfer-encoding: chunked\r\ntransfer-encoding: chunked', '0\r\n\r\n'), 400);
  await refused(post('transfer-encoding: chunked\r\ntransfer-encoding: identity', '0\r\n\r\n'), 400);
  await refused('POST /p HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 400);
  await accepted(chunked('5\r\nhello\r\n0\r\n\r\n') + get('x: y'), ['POST a /p -1 [] "hello" end',
    'GET a /g 0 [x|y] "" end']);
});

test('S04 folded lines, space before the colon and before the first field are refused', async () => {
  for (const lines of ['x: 1\r\n 2', 'x: 1\r\n\t2', 'x : 1', 'x\t: 1', ' x: 1']) await refused(get(lines), 400);
  await refused('GET /g HTTP/1.1\r\n host: a\r\n\r\n', 400);
  await refused('GET /g HTTP/1.1\r\n\r\n', 400);
});

test('S05 only CRLF ends a line, and no control character hides in a field', async () => {
  for (const bytes of ['GET /g HTTP/1.1\nhost: a\n\n', 'GET /g HTTP/1.1\r\nhost: a\n\r\n',
    'GET /g HTTP/1.1\r\nhost: a\r\n\n', 'GET /g HTTP/1.1\rhost: a\r\r']) {
    await refused(bytes, 400);
  }
  for (const value of ['a\rb', 'a\nb', 'a\0b', '\r\r\n', 'a\x7f', 'a\x01', '\r\n\rX'])
    await refused(get(`x: ${value}`), 400);
  await refused('GET /g HTTP/1.1\r\nhost: a\r\n\rX\r\n', 400);
  await accepted(get('x: \xe9\x80 \t z'), ['GET a /g 0 [x|\xe9\x80 \t z] "" end']);
});

test('S06 a chunk size is 1 to 13 hex digits and nothing else', async () => {
  for (const size of ['0x5', '+5', '-5', '5_', ' 5', '5 ', '\t5', '', 'g', '00000000000005', 'fffffffffffffffff',
    '10000000000000000']) {
    await refused(chunked(`${size}\r\nhello\r\n0\r\n\r\n`), 400);
  }
  await accepted(chunked('0000000000005\r\nhello\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n'),
    ['POST a /p -1 [] "hello01234567890123456789" end']);
});

test('S07 chunk extensions are bounded and end with CRLF; chunk data is followed by CRLF exactly', async () => {
  for (const body of ['5;a\nhello\r\n0\r\n\r\n', '5;a\rb\r\nhello\r\n0\r\n\r\n', '5\nhello\r\n0\r\n\r\n',
    '5\r\nhelloX0\r\n\r\n', '5\r\nhello\n0\r\n\r\n',
    '5\r\nhello\rX0\r\n\r\n', '5\rXhello', '0\r\n\n', '0\n\r\n', '5;a\0\r\nhello\r\n0\r\n\r\n'])
      await refused(chunked(body), 400);
  await refused(chunked(`5;${'a'.repeat(257)}\r\nhello\r\n0\r\n\r\n`), 400);
  await accepted(chunked('5;a="b;c";d\r\nhello\r\n0;x\r\n\r\n'), ['POST a /p -1 [] "hello" end']);
  const many = `1;${'a'.repeat(250)}\r\nx\r\n`.repeat(17);
  const probe = new ServerProbe();
  await probe.feed([chunked(`${many}0\r\n\r\n`)]);
  assert.deepEqual(probe.statuses, [400]);
});

test('S08 trailers that frame, route or authorise are dropped, and none becomes a header', async () => {
  const forbidden = 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nAuthorization: x\r\n'
    + 'X-Forwarded-For: 1\r\nCookie: a\r\nConnection: close\r\n';
  await accepted(chunked(`2\r\nhi\r\n0\r\nX-Sum: 1\r\n${forbidden}\r\n`) + get('x: y'), [
    'POST a /p -1 [] "hi" trailers=x-sum|1 end', 'GET a /g 0 [x|y] "" end',
  ]);
  await accepted(chunked('2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n'), ['POST a /p -1 [] "hi" end'], { enableTrailers: false });
  for (const line of ['bad trailer', 'x : 1', 'x: a\rb', ' x: 1', 'x: 1\n'])
    await refused(chunked(`0\r\n${line}\r\n\r\n`), 400);
});

test('S09 a body on GET, HEAD and OPTIONS is read as declared; a reply before its end closes the connection',
  async () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE']) {
    await accepted(`${method} / HTTP/1.1\r\nhost: a\r\ncontent-length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`, [
      `${method} a / ${SMUGGLED.length} [] "${SMUGGLED}" end`,
    ]);
  }
  await accepted(post('content-length: 0') + get('x: y'), ['POST a /p 0 [] "" end', 'GET a /g 0 [x|y] "" end']);
  const make = (): ServerProbe => Object.assign(new ServerProbe(), { replyAtHead: true });
  await atEveryCut(post(`content-length: ${SMUGGLED.length}`, SMUGGLED) + SMUGGLED, make, (probe) => {
    assert.equal(probe.requests.length, 1);
    assert.deepEqual(probe.statuses, [200]);
    assert.match(probe.transport.written, /connection: close/);
    assert.equal(probe.ending, true);
  });
});

test('S10 the expectation of 100-continue is a value of the request, and a disguised one is refused', async () => {
  await accepted(post('expect: 100-continue\r\ncontent-length: 2', 'hi'), ['POST a /p 2 expect [] "hi" end']);
  await accepted(post('Expect: 100-Continue\r\ncontent-length: 2', 'hi'), ['POST a /p 2 expect [] "hi" end']);
  await accepted('POST /p HTTP/1.0\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi',
    ['POST a /p 2 HTTP/1.0 [] "hi" end']);
  for (const value of ['y 100-continue', '100-continue, x', '100-continued', ''])
    await refused(post(`expect: ${value}\r\ncontent-length: 2`, 'hi'), 400);
  await refused(post('expect: 100-continue\r\nexpect: 100-continue\r\ncontent-length: 2', 'hi'), 400);
});

test('S11 what follows Upgrade or CONNECT waits for the answer, and a refusal ends the connection', async () => {
  const upgrade = get('connection: upgrade\r\nupgrade: WebSocket');
  const connect = 'CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n';
  for (const [bytes, accept, refuse] of [[upgrade, 101, 200], [connect, 200, 403]] as const) {
    const answering = (status: number) => (): ServerProbe => {
      const reply: Reply = (stream) => stream.sendResponseHead(new ResponseHead(status), status === refuse);
      return Object.assign(new ServerProbe(), { replyAtHead: true, reply });
    };
    await atEveryCut(bytes + SMUGGLED, answering(refuse), (probe) => {
      assert.equal(probe.requests.length, 1, probe.text);
      assert.equal(probe.requests[0]?.body, '');
      assert.equal(probe.ending, true);
      assert.match(probe.transport.written, /connection: close/);
    });
    await atEveryCut(bytes + SMUGGLED, answering(accept), (probe) => {
      assert.equal(probe.requests.length, 1, probe.text);
      assert.equal(probe.requests[0]?.body, SMUGGLED);
      assert.equal(probe.ending, false);
    });
    const waiting = new ServerProbe();
    await waiting.feed([bytes, SMUGGLED]);
    assert.equal(waiting.requests[0]?.body, '', 'early data was delivered before the answer');
    assert.equal(waiting.transport.paused, true);
  }
  for (const line of ['content-length: 0', 'content-length: 5', 'transfer-encoding: chunked']) {
    await refused(get(`connection: upgrade\r\nupgrade: websocket\r\n${line}`), 400);
    await refused(`CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n${line}\r\n\r\n`, 400);
  }
});

test('S12 pipelined requests are answered one by one, in order, and never mixed', async () => {
  const three = [1, 2, 3].map((n) => post(`x: ${n}\r\ncontent-length: 2`, `b${n}`)).join('');
  await accepted(three, [1, 2, 3].map((n) => `POST a /p 2 [x|${n}] "b${n}" end`));
});

test('S13 exactly one valid host decides, and an absolute target must agree with it', async () => {
  for (const host of ['a@b', 'a,b', 'a b', 'a/b', 'a:b', 'a:', 'a:99999', 'a:080', 'a:-1', '', '[::1', '::1',
    '[::1]x', '[fe80::1%25eth0]', 'caf\xe9', 'a#b', 'a\\b', 'a?b', ':80']) {
    await refused(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 400);
  }
  await refused('GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n', 400);
  await refused('GET / HTTP/1.1\r\nhost: a\r\nHost: b\r\n\r\n', 400);
  await refused('GET / HTTP/1.1\r\nx: y\r\n\r\n', 400);
  for (const target of ['http://b/', 'http://a@b/', 'http://a:81/', 'ftp://a/', 'http:///', 'http:/a', 'a', '?x',
    'http://a,b/', '//a']) {
    if (target !== '//a') await refused(`GET ${target} HTTP/1.1\r\nhost: a\r\n\r\n`, 400);
  }
  await refused('GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n', 400, { allowAbsoluteUrl: false });
  await accepted('GET http://A:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n', ['GET a:80 /x?y 0 absolute [] "" end']);
  await accepted('GET HTTP://A?y HTTP/1.1\r\nHost: A\r\n\r\n', ['GET a /?y 0 absolute [] "" end']);
  await accepted('OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n',
    ['OPTIONS a * 0 absolute [] "" end', 'OPTIONS a * 0 [] "" end']);
  await accepted('GET / HTTP/1.1\r\nHost: Example.COM:8080\r\n\r\n', ['GET example.com:8080 / 0 [] "" end']);
  await accepted('GET / HTTP/1.1\r\nhost: [2001:DB8::1]:80\r\n\r\n', ['GET [2001:db8::1]:80 / 0 [] "" end']);
  await accepted('GET //a HTTP/1.1\r\nhost: a\r\n\r\n', ['GET a //a 0 [] "" end']);
  for (const target of ['a', '/x', '*', 'http://a:80', 'a:x'])
    await refused(`CONNECT ${target} HTTP/1.1\r\nhost: a\r\n\r\n`, 400);
  await refused('GET * HTTP/1.1\r\nhost: a\r\n\r\n', 400);
});

test('S14 heads have limits: bytes, fields, lines, target, method', async () => {
  const limited = async (bytes: string, status: number): Promise<void> => {
    const whole = new ServerProbe();
    await whole.feed([bytes]);
    assert.deepEqual(whole.statuses, [status], whole.text);
    assert.equal(whole.ending, true);
    const dribbled = new ServerProbe();
    await dribbled.feed(bytes.match(/[^]{1,1000}/g) ?? []);
    assert.deepEqual(dribbled.statuses, [status]);
  };
  await limited(get('x: y\r\n'.repeat(100).trim()), 431);
  await limited(get(`x: ${'y'.repeat(8200)}`), 431);
  await limited(get(`${'y'.repeat(8200)}: x`), 431);
  await limited(get(`x: ${'y'.repeat(8000)}\r\n`.repeat(8).trim()), 431);
  await limited(`GET /${'y'.repeat(8200)} HTTP/1.1\r\nhost: a\r\n\r\n`, 414);
  await limited(`${'G'.repeat(65)} / HTTP/1.1\r\nhost: a\r\n\r\n`, 400);
  await limited(`${'G'.repeat(100_000)}`, 414);
  const fits = new ServerProbe();
  await fits.feed([get(`${'x: y\r\n'.repeat(99)}`.trim())]);
  assert.deepEqual(fits.statuses, [200]);
});

test('S15 a field over the limit refuses the message, even when it would frame it', async () => {
  const fields = 'x: y\r\n'.repeat(99);
  const probe = new ServerProbe();
  await probe.feed([post(`${fields}content-length: 5`, 'hello') + SMUGGLED]);
  assert.deepEqual(probe.statuses, [431]);
  assert.equal(probe.requests.length, 1);
  const dropped = new ServerProbe({ headersWithUnderscores: 'drop' });
  await dropped.feed([post('content_length: 3\r\ncontent-length: 5', 'hello')]);
  assert.equal(dropped.text, 'POST a /p 5 [] "hello" end');
});

test('S16 names are tokens; underscores pass, are dropped or are refused as configured', async () => {
  for (const name of ['', 'a b', 'a(b', 'a@b', 'a/b', 'a[b]', 'caf\xe9', 'a"b', 'a,b', 'a\0', '\xe2\x84\xaa'])
    await refused(get(`${name}: 1`), 400);
  await accepted(get('X_A: 1\r\nx-a: 2'), ['GET a /g 0 [x_a|1|x-a|2] "" end']);
  await accepted(get('X_A: 1\r\nx-a: 2'), ['GET a /g 0 [x-a|2] "" end'], { headersWithUnderscores: 'drop' });
  await refused(get('X_A: 1\r\nx-a: 2'), 400, { headersWithUnderscores: 'reject' });
  await accepted(get("!#$%&'*+-.^`|~09aZ: 1"), ["GET a /g 0 [!#$%&'*+-.^`|~09az|1] \"\" end"]);
});

test('S17 other versions are refused, h2c is neither upgraded to nor passed on', async () => {
  for (const version of ['HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/3.0'])
    await refused(`GET / ${version}\r\nhost: a\r\n\r\n`, 505);
  for (const version of ['', 'HTTP/1.1 ', 'http/1.1', 'HTTP/11', 'HTTP/1.10', 'HTTP/1.', 'HTTP/a.b', 'HTTQ/1.1']) {
    await refused(`GET / ${version}\r\nhost: a\r\n\r\n`, 400);
  }
  await refused('GET /\r\n', 400);
  await refused('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505);
  await accepted(get('connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAA'),
    ['GET a /g 0 [] "" end']);
  await accepted(post('connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2', 'hi'), ['POST a /p 2 [] "hi" end']);
  await refused('GET / HTTP/1.0\r\nhost: a\r\n\r\n', 426, { acceptHttp10: false });
  const mixed = new ServerProbe();
  await mixed.feed([get('connection: upgrade\r\nupgrade: H2C, WebSocket')]);
  assert.equal(mixed.heads[0]?.upgrade, 'websocket');
  const unnamed = new ServerProbe();
  await unnamed.feed([get('upgrade: websocket')]);
  assert.equal(unnamed.text, 'GET a /g 0 [] "" end');
});

test('S42 a fragment, a space or another byte that is no URL is refused in the target', async () => {
  for (const target of ['/a#b', '/a b', '/\xe9', '/a\x7f', '/a\0', '/\tb'])
    await refused(`GET ${target} HTTP/1.1\r\nhost: a\r\n\r\n`, 400);
  await accepted('GET /"<>{}|^`%zz HTTP/1.1\r\nhost: a\r\n\r\n', ['GET a /"<>{}|^`%zz 0 [] "" end']);
});

test('S96 names are folded as ASCII only', async () => {
  await accepted(get('X-KEY: 1\r\nHost2: K'), ['GET a /g 0 [x-key|1|host2|K] "" end']);
  await refused(get('x-\xcb: 1'), 400);
});

test('S97 numbers that doubles cannot hold are refused, not rounded', async () => {
  await refused(post('content-length: 9007199254740993'), 400);
  const largest = new ServerProbe();
  await largest.feed([post('content-length: 9007199254740991', 'x')]);
  assert.equal(largest.heads[0]?.contentLength, Number.MAX_SAFE_INTEGER);
});
