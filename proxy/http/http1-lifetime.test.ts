// How long a downstream connection lives, and who ends it: keep-alive, drain, half-close, early replies, deadlines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reply } from '../../test/harness/http1-probe.ts';
import { ServerProbe } from '../../test/harness/http1-probe.ts';
import { settle } from '../../test/harness/memory-transport.ts';
import { ProxyError } from '../base/error.ts';
import { Headers } from './headers.ts';
import type { Http1ServerOptions } from './http1-server.ts';
import { LENGTH_UNKNOWN, ResponseHead } from './message.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

async function fed(parts: readonly string[], set: Partial<ServerProbe> = {},
  options: Partial<Http1ServerOptions> = {}): Promise<ServerProbe> {
  const probe = Object.assign(new ServerProbe(options), set);
  await probe.feed(parts);
  return probe;
}

/** Holds every reply until the test asks for it. */
const later: Reply = () => undefined;

function responding(status: number, length: number, body?: string): Reply {
  return (stream) => {
    const head = new ResponseHead(status);
    head.contentLength = length;
    stream.sendResponseHead(head, body === undefined);
    if (body !== undefined) stream.sendResponseData(Buffer.from(body, 'latin1'), true);
  };
}

test('HTTP/1.1 keeps the connection unless either side says close', async () => {
  assert.equal((await fed([GET, GET])).ending, false);
  const closing = await fed(['GET / HTTP/1.1\r\nhost: a\r\nConnection: Close\r\n\r\n']);
  assert.equal(closing.ending, true);
  assert.match(closing.transport.written, /\r\nconnection: close\r\n/);
  assert.equal((await fed(['GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, close\r\n\r\n'])).ending, true);
});

test('HTTP/1.0 keeps the connection only when it asks to, and never sees chunks', async () => {
  const chunked: Reply = responding(200, LENGTH_UNKNOWN, 'body');
  const plain = await fed(['GET / HTTP/1.0\r\nhost: a\r\n\r\n'], { reply: chunked });
  assert.equal(plain.transport.written, 'HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nbody');
  assert.equal(plain.ending, true);
  const asks = 'GET / HTTP/1.0\r\nhost: a\r\nConnection: Keep-Alive\r\n\r\n';
  const kept = await fed([asks], { reply: responding(200, 4, 'body') });
  assert.equal(kept.transport.written, 'HTTP/1.0 200 OK\r\ncontent-length: 4\r\nconnection: keep-alive\r\n\r\nbody');
  assert.equal(kept.ending, false);
  const unknown = await fed([asks], { reply: chunked });
  assert.equal(unknown.transport.written, 'HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nbody');
  const empty = await fed([asks], { reply: responding(200, LENGTH_UNKNOWN) });
  assert.equal(empty.transport.written, 'HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n');
  const unnamed = await fed(['GET / HTTP/1.0\r\n\r\n'], {}, { defaultHostForHttp10: 'Default:80' });
  assert.equal(unnamed.heads[0]?.authority, 'default:80');
  const nowhere = await fed(['GET / HTTP/1.0\r\n\r\n']);
  assert.deepEqual(nowhere.statuses, [400]);
});

test('bodies of HEAD, 204 and 304 are not sent, and their length is told as a GET would be', async () => {
  const written = async (method: string, reply: Reply): Promise<string> =>
    (await fed([`${method} / HTTP/1.1\r\nhost: a\r\n\r\n`], { reply })).transport.written;
  assert.equal(await written('HEAD', responding(200, 5, 'hello')), 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n');
  assert.equal(await written('HEAD', responding(200, LENGTH_UNKNOWN)),
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
  assert.equal(await written('GET', responding(204, LENGTH_UNKNOWN, 'x')), 'HTTP/1.1 204 No Content\r\n\r\n');
  assert.equal(await written('GET', responding(304, 5)), 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n');
  assert.equal(await written('GET', responding(200, LENGTH_UNKNOWN)), 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  assert.equal(await written('GET', responding(299, 0)), 'HTTP/1.1 299 Unknown\r\ncontent-length: 0\r\n\r\n');
});

test('unknown lengths are chunked, trailers follow where they are enabled', async () => {
  const reply: Reply = (stream) => {
    const head = new ResponseHead(200);
    stream.sendResponseHead(head, false);
    stream.sendResponseData(Buffer.from('hello'), false);
    stream.sendResponseData(Buffer.alloc(0), false);
    stream.sendResponseTrailers(new Headers(['x-t', '1']));
  };
  const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n';
  assert.equal((await fed([GET], { reply })).transport.written, `${head}x-t: 1\r\n\r\n`);
  assert.equal((await fed([GET], { reply }, { enableTrailers: false })).transport.written, `${head}\r\n`);
});

test('the sender’s spelling of names comes back where case is preserved, lower case otherwise', async () => {
  const reply: Reply = (stream, _seen, request) => {
    const head = new ResponseHead(200, request!.headers);
    head.headers.append('x-added', '1');
    stream.sendResponseHead(head, true);
  };
  const bytes = 'GET / HTTP/1.1\r\nHost: a\r\nX-Odd-CASE: 1\r\nAccept: x\r\n\r\n';
  const kept = await fed([bytes], { reply }, { preserveCase: true });
  assert.match(kept.transport.written, /\r\nX-Odd-CASE: 1\r\nAccept: x\r\nx-added: 1\r\n/);
  const folded = await fed([bytes], { reply });
  assert.match(folded.transport.written, /\r\nx-odd-case: 1\r\naccept: x\r\nx-added: 1\r\n/);
});

test('names are spelled with capitals where proper_case_words asks for it', async () => {
  const reply: Reply = (stream) => {
    const head = new ResponseHead(200, new Headers(['x-b3-traceid', 'a:b', 'etag', '1']));
    stream.sendResponseHead(head, false);
    stream.sendResponseData(Buffer.from('x'), true);
  };
  const probe = await fed([GET], { reply }, { properCase: true });
  const head = 'HTTP/1.1 200 OK\r\nX-B3-Traceid: a:b\r\nEtag: 1\r\nTransfer-Encoding: chunked\r\n\r\n';
  assert.equal(probe.transport.written, `${head}1\r\nx\r\n0\r\n\r\n`);
});

test('100-continue is sent once asked for, before the response, and never to HTTP/1.0', async () => {
  const reply: Reply = (stream) => {
    stream.sendInformational(new ResponseHead(100));
    responding(200, 0)(stream, undefined as never, undefined);
  };
  assert.equal((await fed([GET], { reply })).transport.written,
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  assert.match((await fed(['GET / HTTP/1.0\r\nhost: a\r\n\r\n'], { reply })).transport.written, /^HTTP\/1\.0 200 OK/);
});

test('F17 a drained connection answers what it has with close, and an idle one closes now', async () => {
  const busy = await fed([GET], { reply: later });
  busy.connection.drain();
  assert.equal(busy.ending, false);
  responding(200, 0)(busy.streams[0]!, undefined as never, undefined);
  assert.match(busy.transport.written, /\r\nconnection: close\r\n/);
  assert.equal(busy.ending, true);
  const idle = await fed([GET]);
  idle.connection.drain();
  assert.equal(idle.ending, true);
  const begun = await fed(['GET / HT']);
  begun.connection.drain();
  assert.equal(begun.ending, false);
  await begun.feed(['TP/1.1\r\nhost: a\r\n\r\n']);
  assert.match(begun.transport.written, /^HTTP\/1\.1 200 OK\r\n[^]*connection: close/);
  const stray = await fed(['\r\n']);
  stray.connection.drain();
  assert.equal(stray.ending, true);
});

test('F08 a client that half-closes gets its response; with `cancel` it counts as gone', async () => {
  const half = await fed([GET], { reply: later });
  half.transport.receiveEnd();
  assert.equal(half.requests[0]?.error, undefined);
  responding(200, 2, 'ok')(half.streams[0]!, undefined as never, undefined);
  assert.match(half.transport.written, /connection: close\r\n\r\nok$/);
  assert.equal(half.ending, true);
  const gone = await fed([GET], { reply: later }, { halfClosedClient: 'cancel' });
  gone.transport.receiveEnd();
  assert.equal(gone.requests[0]?.error?.kind, 'downstream-reset');
  assert.equal(gone.transport.destroyed, true);
});

test('F08 a client that goes in the middle of its request, or of the response, is told as downstream-reset',
  async () => {
  const cut = await fed(['POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel']);
  cut.transport.receiveEnd();
  await settle();
  assert.equal(cut.requests[0]?.error?.kind, 'downstream-reset');
  assert.equal(cut.requests[0]?.ended, false);
  assert.deepEqual([cut.closed, cut.statuses], [true, []]);
  const lost = await fed([GET], { reply: later });
  lost.transport.close(new ProxyError('downstream-reset', 'downstream', 'downstream_remote_disconnect'));
  assert.equal(lost.requests[0]?.error?.kind, 'downstream-reset');
  lost.streams[0]!.sendResponseHead(new ResponseHead(200), true);
  assert.equal(lost.transport.written, '');
  const partial = await fed(['GET / HTTP/1.1\r\nho']);
  partial.transport.receiveEnd();
  assert.deepEqual([partial.requests.length, partial.ending], [0, true]);
});

test('S09 after an early reply what the client still sends is dropped, and the connection ends in bounded time',
  async () => {
  const probe = await fed(['POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nabc'], { replyAtHead: true });
  assert.equal(probe.transport.ended, true);
  assert.equal(probe.transport.destroyed, false);
  probe.transport.receive('x'.repeat(100_000));
  assert.equal(probe.requests[0]?.body, '');
  probe.clock.advance(1010);
  probe.timers.advance();
  assert.equal(probe.transport.destroyed, true);
});

test('a client that still reads its last response keeps its connection; one that stopped reading loses it',
  async () => {
  const probe = await fed([]);
  probe.transport.stalled = true;
  await probe.feed(['GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n']);
  const turn = (left: number): void => {
    probe.transport.bufferedBytes = left;
    probe.clock.advance(1010);
    probe.timers.advance();
  };
  turn(50);
  assert.equal(probe.transport.destroyed, false);
  turn(20);
  assert.equal(probe.transport.destroyed, false);
  turn(20);
  assert.equal(probe.transport.destroyed, true);
});

test('S80 a head that does not arrive in time is answered 408; an idle connection has no such deadline', async () => {
  const slow = await fed('GET / HTTP/1.1\r\nho'.split(''));
  slow.clock.advance(9000);
  slow.timers.advance();
  await slow.feed(['s']);
  assert.deepEqual(slow.statuses, []);
  slow.clock.advance(1020);
  slow.timers.advance();
  assert.deepEqual(slow.statuses, [408]);
  assert.equal(slow.requests[0]?.error?.detail, 'request_header_timeout');
  assert.equal(slow.ending, true);
  const idle = await fed([GET, '\r\n']);
  idle.clock.advance(60_000);
  idle.timers.advance();
  assert.equal(idle.ending, false);
});

test('F06 a response that is cut is never a clean end: too short, too long, or given up', async () => {
  for (const body of ['hell', 'hello!']) {
    const probe = await fed([GET], { reply: responding(200, 5, body) });
    assert.equal(probe.transport.destroyed, true);
    assert.ok(!probe.transport.written.includes(body));
  }
  const chunked = await fed([GET], { reply: later });
  chunked.streams[0]!.sendResponseHead(new ResponseHead(200), false);
  chunked.streams[0]!.sendResponseData(Buffer.from('part'), false);
  chunked.streams[0]!.resetStream(new ProxyError('upstream-reset', 'upstream', 'x'));
  assert.match(chunked.transport.written, /\r\n4\r\npart\r\n$/);
  assert.deepEqual([chunked.transport.destroyed, chunked.transport.reset], [true, false]);
  const raw = await fed(['GET / HTTP/1.0\r\nhost: a\r\n\r\n'], { reply: later });
  raw.streams[0]!.sendResponseHead(new ResponseHead(200), false);
  raw.streams[0]!.sendResponseData(Buffer.from('part'), false);
  raw.streams[0]!.resetStream(new ProxyError('upstream-reset', 'upstream', 'x'));
  assert.equal(raw.transport.reset, true, 'only a reset tells that a body that ends with the connection was cut');
});

test('S81 a pipelined request waits unread, a paused body stops reading, a full peer holds the response', async () => {
  const probe = await fed([GET + GET], { reply: later });
  assert.equal(probe.requests.length, 1);
  assert.equal(probe.transport.paused, true);
  responding(200, 0)(probe.streams[0]!, undefined as never, undefined);
  await settle();
  assert.equal(probe.requests.length, 2);
  assert.equal(probe.transport.paused, false);
  const body = await fed(['POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab'], { reply: later });
  body.streams[0]!.pauseBody();
  body.transport.receive('cd');
  assert.equal(body.requests[0]?.body, 'ab');
  body.streams[0]!.resumeBody();
  await settle();
  assert.equal(body.requests[0]?.body, 'abcd');
  const full = await fed([GET], { reply: later });
  full.transport.stalled = true;
  full.streams[0]!.sendResponseHead(new ResponseHead(200), false);
  assert.equal(full.streams[0]!.sendResponseData(Buffer.alloc(40_000), false), false);
  full.transport.drain();
  assert.equal(full.requests[0]?.drains, 1);
});

test('S11 a tunnel ends one direction at a time', async () => {
  const probe = await fed(['CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\nearly'], { reply: later });
  const [stream] = probe.streams;
  stream!.sendResponseHead(new ResponseHead(200), false);
  await settle();
  assert.equal(probe.transport.written, 'HTTP/1.1 200 OK\r\n\r\n');
  await probe.feed(['up']);
  probe.transport.receiveEnd();
  assert.equal(probe.requests[0]?.text, 'CONNECT a:1  0 [] "earlyup" end');
  assert.equal(stream!.sendResponseData(Buffer.from('down'), false), true);
  stream!.sendResponseData(Buffer.alloc(0), true);
  assert.match(probe.transport.written, /\r\n\r\ndown$/);
  assert.equal(probe.transport.ended, true);
  assert.equal(probe.connection.openStreams, 0);
});

test('a head whose body comes later leaves at the end of the event, alone', async () => {
  const probe = await fed([GET], { reply: (stream) => stream.sendResponseHead(new ResponseHead(200), false) });
  assert.equal(probe.transport.written, 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
  const other = await fed([GET], { reply: later });
  other.streams[0]!.sendResponseHead(new ResponseHead(200), false);
  assert.equal(other.transport.written, '');
  await settle();
  assert.equal(other.transport.writes, 1);
});
