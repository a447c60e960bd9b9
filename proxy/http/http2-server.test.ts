// The HTTP/2 server over memory, frame by frame: limits, flow control, malformed messages, GOAWAY.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../../test/harness/memory-transport.ts';
import { GET, Http2Probe, frame, number32, respond } from '../../test/harness/http2-probe.ts';
import { LIMITS } from '../config/limits.ts';
import { FrameFlag, FrameType, Http2Error, STREAM_ID_MAX, readUint32 } from './http2-frame.ts';
import { ResponseHead } from './message.ts';

const { HEADERS, DATA, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION, GOAWAY } = FrameType;
const { END_STREAM, END_HEADERS } = FrameFlag;
type Fields = readonly (readonly [string, string])[];

const setting = (id: number, value: number): Buffer => Buffer.concat([Buffer.from([0, id]), number32(value)]);

test('a request and its response, cut at every byte', async () => {
  const whole = new Http2Probe();
  const bytes = Buffer.concat([
    whole.headers(1, [['content-length', '4'], ['cookie', 'a=1'], ['cookie', 'b=2']], false),
    frame(DATA, FrameFlag.PADDED, 1, Buffer.from('\x03ab\0\0\0', 'latin1')),
    frame(DATA, END_STREAM, 1, Buffer.from('cd')),
  ]);
  for (let at = 0; at <= bytes.length; at++) {
    const probe = new Http2Probe();
    respond(probe);
    probe.send(bytes.subarray(0, at));
    probe.send(bytes.subarray(at));
    await settle();
    const [request] = probe.requests;
    assert.equal(request!.body, 'abcd', `cut at ${at}`);
    assert.equal(request!.head!.contentLength, 4);
    assert.deepEqual(request!.head!.headers.fields, ['cookie', 'a=1; b=2']);
    const [data] = probe.ofType(DATA);
    assert.deepEqual([data!.stream, data!.flags, data!.payload.toString()], [1, END_STREAM, 'ok']);
    assert.equal(probe.connection.openStreams, 0);
  }
});

test('S22 a header block without end: bounded in frames, bytes and time', () => {
  const frames = new Http2Probe();
  frames.send(frame(HEADERS, 0, 1, frames.block()));
  for (let i = 0; i <= LIMITS.http2ContinuationsMax; i++) frames.send(frame(CONTINUATION, 0, 1, Buffer.from('\0')));
  assert.equal(frames.goAway, Http2Error.ENHANCE_YOUR_CALM);
  const bytes = new Http2Probe();
  bytes.send(frame(HEADERS, 0, 1, bytes.block()));
  for (let i = 0; i < 8; i++) bytes.send(frame(CONTINUATION, 0, 1, Buffer.alloc(16_384)));
  assert.equal(bytes.goAway, Http2Error.ENHANCE_YOUR_CALM);
  const slow = new Http2Probe();
  slow.send(frame(HEADERS, 0, 1, slow.block()));
  slow.clock.advance(LIMITS.http2HeaderBlockTimeoutMs + 10);
  slow.timers.advance();
  assert.equal(slow.goAway, Http2Error.ENHANCE_YOUR_CALM);
  assert.equal(frames.requests.length + bytes.requests.length + slow.requests.length, 0);
});

test('S22 nothing may come within a header block', () => {
  for (const other of [frame(PING, 0, 0, Buffer.alloc(8)), frame(DATA, 0, 1), frame(0x50, 0, 1)]) {
    const probe = new Http2Probe();
    probe.send(frame(HEADERS, 0, 1, probe.block()), other);
    assert.equal(probe.goAway, Http2Error.PROTOCOL_ERROR);
  }
});

test('S23 cookie crumbs and indexed fields are counted before they are joined', async () => {
  const count = new Http2Probe();
  count.send(count.headers(1, Array.from({ length: 101 }, () => ['cookie', 'a=b'] as const)));
  await settle();
  assert.deepEqual(count.resets, [`1:${Http2Error.ENHANCE_YOUR_CALM}`]);
  assert.equal(count.count('headerOverflow'), 1);
  const size = new Http2Probe();
  const long = 'x'.repeat(4000);
  size.send(size.headers(1, [['x-a', long]]));
  // An index of one byte stands for 4,000.
  const bomb = Buffer.concat([size.block([]), Buffer.alloc(90, size.block([['x-a', long]], []).at(-1))]);
  size.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, bomb));
  await settle();
  assert.ok(size.requests.length <= 1 && (size.resets.length === 1 || size.goAway !== undefined));
  assert.equal(count.requests.length, 0);
});

test('S25 windows: nothing beyond them is sent, nor taken; they cannot overflow', async () => {
  const probe = new Http2Probe();
  probe.send(frame(SETTINGS, 0, 0, setting(4, 10)));
  respond(probe, '0123456789abcdef');
  probe.send(probe.headers(1));
  await settle();
  const sent = (): string => probe.ofType(DATA).map(({ payload }) => payload.toString()).join('|');
  assert.equal(sent(), '0123456789');
  probe.send(frame(WINDOW_UPDATE, 0, 1, number32(3)));
  await settle();
  assert.equal(sent(), '0123456789|abc');
  probe.send(frame(SETTINGS, 0, 0, setting(4, 2000)));
  await settle();
  assert.equal(sent(), '0123456789|abc|def');
  assert.equal(probe.connection.openStreams, 0);
  probe.send(probe.headers(3, [], false), frame(WINDOW_UPDATE, 0, 3, number32(STREAM_ID_MAX)));
  await settle();
  assert.deepEqual(probe.resets, [`3:${Http2Error.FLOW_CONTROL_ERROR}`]);
  probe.send(frame(WINDOW_UPDATE, 0, 0, number32(STREAM_ID_MAX)));
  assert.equal(probe.goAway, Http2Error.FLOW_CONTROL_ERROR);
  const over = new Http2Probe();
  over.send(over.headers(1, [], false));
  over.requests[0]!.stream.pauseBody();
  for (let i = 0; i < 5; i++) over.send(frame(DATA, 0, 1, Buffer.alloc(16_384)));
  await settle();
  assert.deepEqual(over.resets, [`1:${Http2Error.FLOW_CONTROL_ERROR}`]);
});

test('S25 padding and the bytes of reset streams are credited back', async () => {
  const probe = new Http2Probe();
  const padded = Buffer.concat([Buffer.from([255]), Buffer.alloc(16_383)]);
  for (let id = 1; id < 400; id += 2) {
    probe.send(probe.headers(id, [], false), frame(DATA, FrameFlag.PADDED, id, padded));
    probe.requests.at(-1)!.stream.sendResponseHead(new ResponseHead(200), true);
    probe.send(frame(DATA, 0, id, Buffer.alloc(16_384)));
  }
  await settle();
  assert.equal(probe.goAway, undefined, 'the connection window ran out');
});

test('S25 S80 a stream without window is given up, complete or not; a byte now and then keeps it', async () => {
  const probe = new Http2Probe({ flushTimeoutMs: 1000 });
  probe.send(frame(SETTINGS, 0, 0, setting(4, 0)));
  const body = Buffer.from('0123456789');
  for (const id of [1, 3, 5]) {
    probe.send(probe.headers(id));
    const { stream } = probe.requests.at(-1)!;
    stream.sendResponseHead(new ResponseHead(200), false);
    stream.sendResponseData(body, id === 1);
  }
  const pass = (): void => {
    probe.clock.advance(500);
    probe.timers.advance();
  };
  for (let i = 0; i < 6; i++) {
    assert.equal(probe.count('txFlushTimeout'), i < 3 ? 0 : 2, `after ${i} times 0.5 s`);
    probe.send(frame(WINDOW_UPDATE, 0, 5, number32(1)));
    pass();
  }
  await settle();
  assert.deepEqual(probe.resets, [`1:${Http2Error.CANCEL}`, `3:${Http2Error.CANCEL}`]);
  const kinds = probe.requests.map(({ error }) => error?.kind);
  assert.deepEqual(kinds, ['stream-idle-timeout', 'stream-idle-timeout', undefined]);
  assert.equal(probe.connection.openStreams, 1);
  probe.send(frame(WINDOW_UPDATE, 0, 5, number32(100)));
  await settle();
  assert.equal(probe.timers.size, 1, 'the look that finds nothing');
  pass();
  assert.equal(probe.timers.size, 0);
});

test('S25 a paused stream is given no more than its window, and all of it later', async () => {
  const probe = new Http2Probe();
  probe.send(frame(SETTINGS, FrameFlag.ACK, 0));
  probe.send(probe.headers(1, [], false));
  const { stream } = probe.requests[0]!;
  stream.pauseBody();
  for (let i = 0; i < 4; i++) probe.send(frame(DATA, 0, 1, Buffer.alloc(16_384)));
  await settle();
  const updates = (): number[] => probe.ofType(WINDOW_UPDATE).filter(({ stream: id }) => id === 1)
    .map(({ payload }) => readUint32(payload, 0));
  assert.deepEqual(updates(), []);
  stream.resumeBody();
  await settle();
  assert.deepEqual(updates(), [65_536]);
});

test('S26 a header block that cannot be decoded ends the connection', () => {
  for (const block of ['\x80', '\xff\xff\xff\xff\xff\x0f', '\x00\x05ab', '\x3f\xe2\x1f', '\x00\x81\xff\x00']) {
    const probe = new Http2Probe();
    probe.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.from(block, 'latin1')));
    assert.equal(probe.goAway, Http2Error.COMPRESSION_ERROR, Buffer.from(block, 'latin1').toString('hex'));
  }
});

test('S27 S28 S29 malformed messages lose their stream, and leave the connection', async () => {
  const without = (name: string): Fields => GET.filter(([field]) => field !== name);
  const changed = (name: string, value: string): Fields =>
    GET.map(([field, old]) => [field, field === name ? value : old]);
  const malformed: [string, Fields, Fields?][] = [
    ['no :method', [], without(':method')], ['no :scheme', [], without(':scheme')], ['no :path', [], without(':path')],
    ['two :path', [], [...GET, [':path', '/other']]], ['empty :path', [], changed(':path', '')],
    [':path without slash', [], changed(':path', 'x')], [':path with a fragment', [], changed(':path', '/a#b')],
    [':method with a space', [], changed(':method', 'GE T')], ['unknown scheme', [], changed(':scheme', 'file')],
    ['mixed-case scheme', [], changed(':scheme', 'HTTP')], ['unknown pseudo-header', [], [...GET, [':foo', 'x']]],
    ['a response’s', [], [...GET, [':status', '200']]],
    ['pseudo after regular', [['a', 'b'], [':path', '/']], without(':path')],
    ['transfer-encoding', [['transfer-encoding', 'chunked']]], ['connection', [['connection', 'close']]],
    ['upgrade', [['upgrade', 'h2c']]], ['keep-alive', [['keep-alive', '1']]],
    ['proxy-connection', [['proxy-connection', 'a']]],
    ['te', [['te', 'gzip']]], ['upper case', [['X-Up', 'a']]], ['CR LF in a value', [['x', 'a\r\nb: c']]],
    ['NUL in a value', [['x', 'a\0b']]], ['colon in a name', [['x:y', 'a']]], ['space in a name', [['x y', 'a']]],
    ['two lengths', [['content-length', '1'], ['content-length', '1']]],
    ['length of a head alone', [['content-length', '5']]],
    ['a length that is none', [['content-length', '+0']]], ['CONNECT with a path', [], changed(':method', 'CONNECT')],
    [':protocol without CONNECT', [], [...GET, [':protocol', 'websocket']]],
  ];
  for (const [name, fields, pseudo] of malformed) {
    const probe = new Http2Probe();
    probe.send(probe.headers(1, fields, true, pseudo ?? GET));
    await settle();
    assert.deepEqual(probe.resets, [`1:${Http2Error.PROTOCOL_ERROR}`], name);
    assert.equal(probe.requests.length, 0, name);
    assert.equal(probe.count('rxMessagingError'), 1, name);
    respond(probe);
    probe.send(probe.headers(3));
    assert.equal(probe.requests.length, 1, name);
  }
});

test('S27 :authority and host that differ are answered 400; host alone stands for it', () => {
  const differ = new Http2Probe();
  differ.send(differ.headers(1, [['host', 'ratings']]));
  assert.deepEqual([differ.requests[0]!.error?.kind, differ.requests[0]!.head], ['bad-request', undefined]);
  const alone = new Http2Probe();
  alone.send(alone.headers(1, [['host', 'Ratings:9080']], true, GET.filter(([name]) => name !== ':authority')));
  assert.equal(alone.requests[0]!.head!.authority, 'ratings:9080');
});

test('S28 a body that is not as long as declared resets the stream, and its user hears of it', async () => {
  for (const [declared, body, end] of [['3', 'abcd', true], ['5', 'abcd', true], ['3', 'abcd', false]] as const) {
    const probe = new Http2Probe();
    probe.send(probe.headers(1, [['content-length', declared]], false));
    probe.send(frame(DATA, end ? END_STREAM : 0, 1, Buffer.from(body)));
    await settle();
    assert.deepEqual(probe.resets, [`1:${Http2Error.PROTOCOL_ERROR}`]);
    assert.equal(probe.requests[0]!.error?.kind, 'downstream-reset');
    assert.equal(probe.requests[0]!.ended, false);
  }
});

test('S30 trailers end the stream; without END_STREAM they are an error of the stream', async () => {
  const good = new Http2Probe();
  good.send(good.headers(1, [], false), good.headers(1, [['x-sum', '1'], ['authorization', 'x']], true, []));
  assert.deepEqual(good.requests[0]!.trailers, ['x-sum', '1']);
  const open = new Http2Probe();
  open.send(open.headers(1, [], false), open.headers(1, [['x-sum', '1']], false, []));
  await settle();
  assert.deepEqual(open.resets, [`1:${Http2Error.PROTOCOL_ERROR}`]);
  assert.equal(open.goAway, undefined);
});

test('S30 late frames: ignored after our reset, refused after the end, fatal for a stream that never was', async () => {
  const probe = new Http2Probe();
  probe.send(probe.headers(1, [['te', 'gzip']], false), frame(DATA, 0, 1, Buffer.from('late')));
  await settle();
  assert.deepEqual(probe.resets, [`1:${Http2Error.PROTOCOL_ERROR}`]);
  respond(probe);
  probe.send(probe.headers(3), frame(DATA, 0, 3, Buffer.from('late')));
  await settle();
  assert.equal(probe.resets.at(-1), `3:${Http2Error.STREAM_CLOSED}`);
  const again = new Http2Probe();
  respond(again);
  again.send(again.headers(5), again.headers(5));
  assert.equal(again.goAway, Http2Error.STREAM_CLOSED);
  const lower = new Http2Probe();
  lower.send(lower.headers(5, [], false), lower.headers(3));
  assert.equal(lower.goAway, Http2Error.PROTOCOL_ERROR);
});

test('S30 drain: GOAWAY twice, requests on their way are answered, then the connection closes', async () => {
  const probe = new Http2Probe();
  respond(probe);
  probe.send(probe.headers(1, [], false));
  probe.connection.drain();
  await settle();
  assert.deepEqual(probe.ofType(GOAWAY).map(({ payload }) => readUint32(payload, 0)), [STREAM_ID_MAX]);
  probe.send(probe.headers(3));
  assert.equal(probe.requests[1]!.ended, true, 'a request that crossed the first GOAWAY is lost');
  probe.send(frame(PING, FrameFlag.ACK, 0, Buffer.alloc(8)));
  await settle();
  assert.deepEqual(probe.ofType(GOAWAY).map(({ payload }) => readUint32(payload, 0)), [STREAM_ID_MAX, 3]);
  probe.send(probe.headers(5));
  assert.equal(probe.requests.length, 2);
  assert.equal(probe.transport.ended, false);
  probe.send(frame(DATA, END_STREAM, 1, Buffer.from('x')));
  await settle();
  assert.equal(probe.transport.ended, true);
});

test('S30 a drain goes on without the peer’s PING, and an idle connection closes at its end', async () => {
  const probe = new Http2Probe();
  probe.connection.drain();
  probe.clock.advance(1010);
  probe.timers.advance();
  await settle();
  assert.equal(probe.ofType(GOAWAY).length, 2);
  assert.equal(probe.transport.ended, true);
  probe.clock.advance(200);
  probe.timers.advance();
  await settle();
  assert.equal(probe.closed, true);
  assert.equal(probe.timers.size, 0);
});

test('streams beyond max_concurrent_streams are refused, and safe to send again', async () => {
  const probe = new Http2Probe({ streamsMax: 2 });
  for (const id of [1, 3, 5]) probe.send(probe.headers(id, [], false));
  await settle();
  assert.deepEqual(probe.resets, [`5:${Http2Error.REFUSED_STREAM}`]);
  assert.equal(probe.connection.openStreams, 2);
});

test('an early response ends the stream for a client that still sends', async () => {
  const probe = new Http2Probe();
  probe.send(probe.headers(1, [], false));
  probe.requests[0]!.stream.sendResponseHead(new ResponseHead(413), true);
  await settle();
  assert.deepEqual(probe.resets, [`1:${Http2Error.NO_ERROR}`]);
  assert.equal(probe.connection.openStreams, 0);
});

test('frames of one event leave in one write', async () => {
  const probe = new Http2Probe();
  await settle();
  respond(probe);
  const { writes } = probe.transport;
  probe.send(...Array.from({ length: 50 }, (_, i) => probe.headers(2 * i + 1)));
  await settle();
  assert.equal(probe.transport.writes, writes + 1);
  assert.equal(probe.ofType(DATA).length, 50);
});

test('responses to HEAD keep their length and have no body; an extended CONNECT is an upgrade', async () => {
  const probe = new Http2Probe({ allowConnect: true });
  const head = new ResponseHead(200);
  head.contentLength = 5;
  probe.send(probe.headers(1, [], true, GET.map(([name, value]) => [name, name === ':method' ? 'HEAD' : value])));
  probe.requests[0]!.stream.sendResponseHead(head, true);
  const pseudo: Fields = [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)];
  probe.send(probe.headers(3, [], false, pseudo));
  assert.deepEqual([probe.requests[1]!.head!.method, probe.requests[1]!.head!.upgrade], ['GET', 'websocket']);
  await settle();
  assert.equal(probe.ofType(DATA).length, 0);
  assert.equal(probe.connection.openStreams, 1);
});
