// What the client side believes of an upstream, and when it uses the connection again: S18, and S09-S12 for responses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientProbe, responseAtEveryCut, SeenMessage } from '../../test/harness/http1-probe.ts';
import { settle } from '../../test/harness/memory-transport.ts';
import { Headers } from './headers.ts';
import { LENGTH_UNKNOWN, RequestHead } from './message.ts';

const ok = (lines: string, body = ''): string => `HTTP/1.1 200 OK\r\n${lines}${lines === '' ? '' : '\r\n'}\r\n${body}`;

interface Exchange {
  readonly method?: string;
  readonly reusable?: boolean;
  /** The server closes after these bytes. */
  readonly closes?: boolean;
}

function asking(method = 'GET'): ClientProbe {
  const probe = new ClientProbe();
  probe.request(new RequestHead(method, 'a:1', method === 'CONNECT' ? '' : '/'));
  return probe;
}

/** However it is cut: this response, and afterwards the connection can be used again or not. */
async function answers(bytes: string, expected: string, { method = 'GET', reusable = true,
  closes = false }: Exchange = {}): Promise<void> {
  await responseAtEveryCut(bytes, () => asking(method), (probe, cut) => {
    assert.equal(probe.text, expected, `${JSON.stringify(bytes)} cut ${cut}`);
    assert.equal(probe.reusable, reusable, `reusable: ${JSON.stringify(bytes)} cut ${cut}`);
    assert.equal(probe.done, 1);
    assert.equal(probe.closed, reusable ? 0 : 1);
  }, closes);
}

/** However it is cut: refused as the upstream's fault before its end, and the connection is destroyed. */
async function broken(bytes: string, method = 'GET'): Promise<void> {
  await responseAtEveryCut(bytes, () => asking(method), (probe, cut) => {
    const [response] = probe.responses;
    assert.equal(response?.error?.kind, 'upstream-protocol', `${JSON.stringify(bytes)} cut ${cut}: ${probe.text}`);
    assert.equal(response?.ended, false);
    assert.equal(probe.transport.destroyed, true);
    assert.equal(probe.closeError?.kind, 'upstream-protocol');
    assert.equal(probe.reusable, false);
  });
}

test('S18 malformed framing of a response is refused and the connection destroyed', async () => {
  for (const lines of ['content-length: 5\r\ncontent-length: 5', 'content-length: 5,5', 'content-length: +5',
    'content-length: 5\r\ntransfer-encoding: chunked',
    'transfer-encoding: gzip, chunked', 'transfer-encoding: Chunked',
      'transfer-encoding: chunked\r\ntransfer-encoding: chunked', 'x : 1', 'x: 1\r\n y', 'x: a\rb', 'x: a\0b',
    ': x', 'a b: c']) await broken(ok(lines, 'hello'));
  for (const line of ['HTTP/1.2 200 OK', 'HTTP/2.0 200 OK', 'ICY 200 OK', 'HTTP/1.1 20 OK', 'HTTP/1.1 2000 OK',
    'HTTP/1.1  200 OK', 'HTTP/1.1 099 OK', 'HTTP/1.1 abc',
    'HTTP/1.1 200OK', 'HTTP/1.1', '\r\nHTTP/1.1 200 OK', ' HTTP/1.1 200 OK'])
      await broken(`${line}\r\ncontent-length: 0\r\n\r\n`);
  await broken('HTTP/1.1 200 OK\ncontent-length: 0\n\n');
  await broken('HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n');
  for (const body of ['x\r\n', '5\r\nhelloX', '5;a\nhello', '0\r\nx\r\n\r\n', 'fffffffffffffff\r\n'])
    await broken(ok('transfer-encoding: chunked', body));
});

test('S18 1xx and 204 have no body, and HEAD and 304 none either', async () => {
  await broken('HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n');
  await broken('HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello');
  await broken('HTTP/1.1 103 Early Hints\r\ncontent-length: 5\r\n\r\nhello');
  await answers('HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n', '204 -1 [] "" end');
  await answers('HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n', '304 7 [] "" end');
  await answers(ok('content-length: 7'), '200 7 [] "" end', { method: 'HEAD' });
  await answers(ok('transfer-encoding: chunked'), '200 -1 [] "" end', { method: 'HEAD' });
  await answers(ok(''), '200 -1 [] "" end', { method: 'HEAD' });
});

test('S18 interim responses are passed on and bounded', async () => {
  const interim = 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n';
  await answers(`HTTP/1.1 100 Continue\r\n\r\n${interim}${ok('content-length: 2', 'hi')}`,
    '100, 103, 200 2 [] "hi" end');
  const flooded = asking();
  flooded.transport.receive(interim.repeat(11));
  assert.equal(flooded.responses[0]?.error?.kind, 'upstream-protocol');
  assert.equal(flooded.transport.destroyed, true);
  await broken('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
});

test('S12 bytes that no request asked for destroy the connection, before, after and with a response', async () => {
  const idle = new ClientProbe();
  idle.transport.receive('H');
  assert.equal(idle.transport.destroyed, true);
  const used = asking();
  used.transport.receive(ok('content-length: 0'));
  assert.equal(used.reusable, true);
  used.transport.receive(ok('content-length: 0'));
  assert.equal(used.transport.destroyed, true);
  const whole = asking();
  whole.transport.receive(ok('content-length: 2', 'hi') + ok('content-length: 0'));
  assert.equal(whole.text, '200 2 [] "hi" end');
  assert.equal(whole.reusable, false);
  for (const [method, status] of [['HEAD', 200], ['GET', 304], ['GET', 204]] as const) {
    const probe = asking(method);
    probe.transport.receive(`HTTP/1.1 ${status} X\r\n\r\nbody`);
    assert.equal(probe.responses[0]?.ended, true);
    assert.equal(probe.reusable, false);
  }
});

test('S14 response heads have the limits of request heads', () => {
  for (const lines of ['x: y\r\n'.repeat(101).trim(), `x: ${'y'.repeat(8200)}`,
    `x: ${'y'.repeat(8000)}\r\n`.repeat(8).trim()]) {
    const probe = asking();
    probe.transport.receive(ok(lines));
    assert.equal(probe.responses[0]?.error?.kind, 'upstream-protocol');
  }
});

test('responses end by length, by chunks, or by the connection', async () => {
  await answers(ok('content-length: 5\r\nX-A: b', 'hello'), '200 5 [x-a|b] "hello" end');
  await answers(ok('content-length: 0'), '200 0 [] "" end');
  await answers(ok('transfer-encoding: chunked', '3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n'), '200 -1 [] "abcde" end');
  await answers(ok('transfer-encoding: chunked', '3\r\nabc\r\n0\r\nX-T: 1\r\ncontent-length: 5\r\n\r\n'),
    '200 -1 [] "abc" trailers=x-t|1 end');
  await answers(ok('', 'hello'), '200 -1 [] "hello" end', { closes: true, reusable: false });
  await answers('HTTP/1.0 200 OK\r\n\r\nhello', '200 -1 [] "hello" end', { closes: true, reusable: false });
  await answers('HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n', '200 0 [] "" end');
  await answers('HTTP/1.1 999 \r\ncontent-length: 0\r\n\r\n', '999 0 [] "" end');
});

test('a connection is used again as both sides wish', async () => {
  await answers(ok('content-length: 0\r\nconnection: close'), '200 0 [] "" end', { reusable: false });
  await answers('HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n', '200 0 [] "" end', { reusable: false });
  await answers('HTTP/1.0 200 OK\r\ncontent-length: 0\r\nConnection: Keep-Alive\r\n\r\n', '200 0 [] "" end');
  const told = asking();
  const lines = 'content-length: 0\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\nkeep-alive: max=3, timeout=5';
  told.transport.receive(ok(lines));
  assert.equal(told.connection.keepAliveMs, 5000);
  assert.equal(told.text, '200 0 [] "" end');
  const drained = asking();
  drained.connection.drain();
  assert.equal(drained.transport.destroyed, false);
  drained.transport.receive(ok('content-length: 0'));
  assert.equal(drained.responses[0]?.ended, true);
  assert.equal(drained.transport.destroyed, true);
});

test('F06 a body that is cut is never a clean end', async () => {
  for (const bytes of [ok('content-length: 5', 'hell'), ok('transfer-encoding: chunked', '5\r\nhello\r\n'),
    ok('transfer-encoding: chunked', '5\r\nhello\r\n0\r\n'), 'HTTP/1.1 200 OK\r\n']) {
    await responseAtEveryCut(bytes, asking, (probe) => {
      assert.equal(probe.responses[0]?.error?.kind, 'upstream-reset');
      assert.equal(probe.responses[0]?.error?.retry, 'never');
      assert.equal(probe.responses[0]?.ended, false);
      assert.equal(probe.closed, 1);
    }, true);
  }
});

test('a loss before any response byte on a connection that was used before may be retried', () => {
  const first = asking();
  first.transport.close();
  assert.equal(first.responses[0]?.error?.retry, 'never');
  const second = asking();
  second.transport.receive(ok('content-length: 0'));
  second.request();
  second.transport.receiveEnd();
  second.transport.close();
  assert.equal(second.responses[1]?.error?.retry, 'if-reused');
  const partial = asking();
  partial.transport.receive(ok('content-length: 0'));
  partial.request();
  partial.transport.receive('H');
  partial.transport.close();
  assert.equal(partial.responses[1]?.error?.retry, 'never');
});

test('S09 S10 a response that is whole before its request ends the connection', () => {
  const probe = new ClientProbe();
  const head = new RequestHead('POST', 'a', '/');
  head.contentLength = 10;
  const stream = probe.request(head, false);
  stream.sendRequestData(Buffer.from('abc'), false);
  probe.transport.receive(ok('content-length: 0'));
  assert.equal(probe.text, '200 0 [] "" end');
  assert.deepEqual([probe.draining, probe.done, probe.transport.destroyed], [1, 1, true]);
  stream.sendRequestData(Buffer.from('defghij'), true);
  assert.ok(!probe.transport.written.includes('defghij'));
});

test('requests are framed anew: length, chunks, nothing', async () => {
  const written = async (method: string, length: number, body: string | undefined, trailers?: Headers):
  Promise<string> => {
    const probe = new ClientProbe();
    const head = new RequestHead(method, 'a', '/x', new Headers(['x-a', 'b']));
    head.contentLength = length;
    head.expectContinue = true;
    const stream = probe.request(head, body === undefined);
    if (body !== undefined) stream.sendRequestData(Buffer.from(body), trailers === undefined);
    if (trailers !== undefined) stream.sendRequestTrailers(trailers);
    await settle();
    return probe.transport.written;
  };
  assert.equal(await written('GET', 0, undefined), 'GET /x HTTP/1.1\r\nhost: a\r\nx-a: b\r\n\r\n');
  assert.equal(await written('POST', 0, undefined),
    'POST /x HTTP/1.1\r\nhost: a\r\nx-a: b\r\ncontent-length: 0\r\n\r\n');
  assert.equal(await written('PUT', 2, 'hi'), 'PUT /x HTTP/1.1\r\nhost: a\r\nx-a: b\r\ncontent-length: 2\r\n\r\nhi');
  const chunks = 'POST /x HTTP/1.1\r\nhost: a\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n';
  assert.equal(await written('POST', LENGTH_UNKNOWN, 'hi'), `${chunks}\r\n`);
  assert.equal(await written('POST', LENGTH_UNKNOWN, 'hi', new Headers(['x-t', '1'])), `${chunks}x-t: 1\r\n\r\n`);
});

test('a request whose body is not as long as declared is cut off, never completed', () => {
  for (const body of ['hi', 'hello!']) {
    const probe = new ClientProbe();
    const head = new RequestHead('POST', 'a', '/');
    head.contentLength = 5;
    probe.request(head, false).sendRequestData(Buffer.from(body), true);
    assert.equal(probe.responses[0]?.error?.detail, 'request_length_mismatch');
    assert.equal(probe.transport.destroyed, true);
    assert.ok(!probe.transport.written.includes(body));
  }
});

test('S49 what could break out of its line is not sent', async () => {
  const probe = new ClientProbe();
  const headers = new Headers(['x-a', 'a\r\nevil: 1', 'x b', 'y', 'x-c', 'ok', 'x-d', 'a\u010ab']);
  headers.append('x-e', 'a\nb');
  headers.set('x-c', 'fine');
  headers.set('x-f', 'a\0b');
  probe.request(new RequestHead('GET', 'a', '/', headers));
  await settle();
  assert.equal(probe.transport.written, 'GET / HTTP/1.1\r\nhost: a\r\nx-c: fine\r\n\r\n');
  for (const head of [new RequestHead('GET', 'a', '/a b'), new RequestHead('GET', 'a\r\nx: y', '/'),
    new RequestHead('G T', 'a', '/'), new RequestHead('GET', 'a', '/\r\n')]) {
    const refused = new ClientProbe();
    refused.request(head);
    assert.equal(refused.responses[0]?.error?.detail, 'invalid_request_line');
    assert.equal(refused.transport.written, '');
  }
});

test('S11 a tunnel opens when the server agrees, carries both ways, and half-closes', async () => {
  for (const [method, response] of [['CONNECT', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'],
    ['GET', 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\r\n']] as const) {
    const probe = new ClientProbe();
    const head = new RequestHead(method, 'a:1', method === 'GET' ? '/' : '');
    if (method === 'GET') head.upgrade = 'websocket';
    const stream = probe.request(head, false);
    assert.equal(stream.sendRequestData(Buffer.from('early'), false), false);
    // oxlint-disable-next-line no-await-in-loop
    await settle();
    assert.ok(!probe.transport.written.includes('early'));
    probe.transport.receive(`${response}down`);
    assert.match(probe.transport.written, /\r\n\r\nearly$/);
    assert.equal(probe.responses[0]?.body, 'down');
    assert.equal(probe.responses[0]?.drains, 1);
    stream.sendRequestData(Buffer.from('up'), true);
    assert.match(probe.transport.written, /earlyup$/);
    assert.equal(probe.transport.ended, true);
    probe.transport.receive('more');
    probe.transport.receiveEnd();
    assert.equal(probe.responses[0]?.body, 'downmore');
    assert.deepEqual([probe.responses[0]?.ended, probe.done, probe.reusable], [true, 1, false]);
  }
  const refused = new ClientProbe();
  const head = new RequestHead('GET', 'a', '/');
  head.upgrade = 'websocket';
  const stream = refused.request(head, false);
  stream.sendRequestData(Buffer.from('GET /smuggled HTTP/1.1\r\n\r\n'), false);
  refused.transport.receive(ok('content-length: 2', 'no'));
  assert.equal(refused.text, '200 2 [] "no" end');
  assert.ok(!refused.transport.written.includes('smuggled'));
  assert.equal(refused.transport.destroyed, true);
});

test('a head and its small body leave as one write, a large body without being copied into one', async () => {
  const sizes = async (length: number): Promise<[number, number]> => {
    const probe = new ClientProbe();
    const head = new RequestHead('POST', 'a', '/');
    head.contentLength = length;
    probe.request(head, false).sendRequestData(Buffer.alloc(length, 120), true);
    await settle();
    return [probe.transport.writes, probe.transport.written.length];
  };
  assert.deepEqual(await sizes(10), [1, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n'.length + 10]);
  assert.deepEqual(await sizes(100_000), [1,
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n'.length + 100_000]);
});

test('S81 a peer that does not read holds the sender back, and its reading lets it go on', () => {
  const probe = new ClientProbe();
  probe.transport.stalled = true;
  const head = new RequestHead('POST', 'a', '/');
  head.contentLength = LENGTH_UNKNOWN;
  const stream = probe.request(head, false);
  assert.equal(stream.sendRequestData(Buffer.alloc(1000), false), true);
  assert.equal(stream.sendRequestData(Buffer.alloc(40_000), false), false);
  probe.transport.drain();
  assert.equal(probe.responses[0]?.drains, 1);
  stream.pauseBody();
  assert.equal(probe.transport.paused, true);
  stream.resumeBody();
  assert.equal(probe.transport.paused, false);
});

test('a cancelled exchange closes the connection, a finished one does not', () => {
  const cancelled = new ClientProbe();
  cancelled.request().resetStream();
  assert.equal(cancelled.transport.destroyed, true);
  const finished = new ClientProbe();
  const stream = finished.request();
  finished.transport.receive(ok('content-length: 0'));
  stream.resetStream();
  stream.pauseBody();
  assert.equal(finished.reusable, true);
  assert.equal(finished.transport.paused, false);
  assert.equal(new SeenMessage().ended, false);
});
