// S08-S12, S17: what a refused, early, upgraded or unasked-for message does to the other side, at every split point.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientProbe, cuts, replyOk, ServerProbe } from '../../test/harness/http1-probe.ts';
import { Relay } from '../../test/harness/http1-relay.ts';
import { POISON, SMUGGLED } from '../../test/harness/http1-vectors.ts';
import { settle } from '../../test/harness/memory-transport.ts';
import { Headers } from './headers.ts';
import { LENGTH_UNKNOWN, RequestHead, ResponseHead } from './message.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi';
const CHUNKED_OK = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n';
const UPGRADE = 'GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
const CONNECT = 'CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n';
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
const CONNECTED = 'HTTP/1.1 200 OK\r\n\r\n';
const chunked = (body: string): string =>
  `POST /p HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${body}`;

/** An open request with a body of ten bytes of which some are sent. */
function uploading(length = 10): { probe: ClientProbe; stream: ReturnType<ClientProbe['request']> } {
  const probe = new ClientProbe();
  const head = new RequestHead('POST', 'a', '/');
  head.contentLength = length;
  const stream = probe.request(head, false);
  stream.sendRequestData(Buffer.from('abc'), false);
  return { probe, stream };
}

async function respond(probe: ClientProbe, parts: readonly string[]): Promise<void> {
  for (const part of parts) {
    probe.transport.receive(part);
    // oxlint-disable-next-line no-await-in-loop
    await settle();
  }
}

test('S09 S10 a final response before the end of the body, however cut, ends the connection and the body', async () => {
  for (const response of [OK, CHUNKED_OK, 'HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 No\r\ncontent-length: 0\r\n\r\n']) {
    for (const length of [10, LENGTH_UNKNOWN]) {
      for (const parts of cuts(response)) {
        const { probe, stream } = uploading(length);
        await respond(probe, parts);
        assert.equal(probe.responses[0]!.ended, true);
        assert.equal(probe.reusable, false, JSON.stringify(parts));
        assert.deepEqual([probe.draining, probe.done, probe.closed], [1, 1, 1]);
        stream.sendRequestData(Buffer.from('defghij'), true);
        assert.ok(!probe.transport.written.includes('defghij'));
      }
    }
  }
});

test('S10 an interim response is no end, and a body that is whole before the response keeps the connection',
  async () => {
  for (const parts of cuts(`HTTP/1.1 100 Continue\r\n\r\n${OK}`)) {
    const { probe, stream } = uploading();
    stream.sendRequestData(Buffer.from('defghij'), true);
    await settle();
    await respond(probe, parts);
    assert.equal(probe.text, '100, 200 2 [] "hi" end');
    assert.equal(probe.reusable, true);
  }
});

test('S10 a whole body of which bytes still wait for the server ends the connection with its response', async () => {
  const { probe, stream } = uploading();
  await settle();
  probe.transport.stalled = true;
  stream.sendRequestData(Buffer.from('defghij'), true);
  await respond(probe, [OK]);
  assert.equal(probe.text, '200 2 [] "hi" end');
  assert.equal(probe.reusable, false, 'the rest would be read as the next request by a server that skips bodies');
});

test('S10 the expectation is never passed on, whatever asks for it', async () => {
  for (const name of ['expect', 'Expect', 'EXPECT']) {
    const bytes = `POST /p HTTP/1.1\r\nhost: a\r\n${name}: 100-continue\r\ncontent-length: 2\r\n\r\nhi`;
    const relay = await new Relay(OK).feed([bytes]);
    assert.equal(relay.written, 'POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi');
  }
});

test('S11 what follows Upgrade or CONNECT never reaches an upstream that refuses, however both are cut', async () => {
  const refusals = [[UPGRADE, OK], [UPGRADE, CHUNKED_OK], [UPGRADE, 'HTTP/1.1 426 No\r\ncontent-length: 0\r\n\r\n'],
    [CONNECT, 'HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n']] as const;
  for (const [request, refusal] of refusals) {
    for (const parts of cuts(request + SMUGGLED)) {
      const relay = await new Relay(refusal).feed(parts);
      assert.equal(relay.ups.length, 1);
      assert.ok(!relay.written.includes('smuggled'), JSON.stringify(parts));
      assert.equal(relay.ups[0]!.transport.destroyed, true, 'its connection serves nobody else');
      assert.equal(relay.down.ended, true, 'nor does the client’s');
      assert.match(relay.down.written, /\r\nconnection: close\r\n/);
      await relay.feed([SMUGGLED]);
      assert.deepEqual([relay.ups.length, relay.whole], [1, 1]);
    }
  }
});

test('S11 what follows Upgrade or CONNECT waits for the agreement and then passes once, as it is', async () => {
  for (const [request, agreement] of [[UPGRADE, SWITCHED], [CONNECT, CONNECTED]] as const) {
    for (const parts of cuts(request + SMUGGLED)) {
      const relay = await new Relay(undefined).feed(parts);
      const up = relay.ups[0]!.transport;
      assert.ok(!up.written.includes('smuggled'), 'before the answer');
      for (const part of [agreement.slice(0, 15), agreement.slice(15)]) up.receive(part);
      await settle();
      await settle();
      assert.equal(up.written.slice(up.written.indexOf('\r\n\r\n') + 4), SMUGGLED, JSON.stringify(parts));
      up.receive(POISON);
      assert.ok(relay.down.written.endsWith(`\r\n\r\n${POISON}`), 'and back');
      assert.equal(relay.ups.length, 1);
    }
  }
});

test('S11 a client that has said all it has to say into a tunnel that is refused has said it to nobody', async () => {
  for (const parts of cuts(OK)) {
    const probe = new ClientProbe();
    const head = new RequestHead('GET', 'a', '/');
    head.upgrade = 'websocket';
    const stream = probe.request(head, false);
    stream.sendRequestData(Buffer.from(SMUGGLED), false);
    stream.sendRequestData(Buffer.alloc(0), true);
    await respond(probe, parts);
    assert.ok(!probe.transport.written.includes('smuggled'));
    assert.deepEqual([probe.text, probe.reusable], ['200 2 [] "hi" end', false], JSON.stringify(parts));
  }
});

test('S12 after a refusal nothing is read, however long its answer takes', async () => {
  for (const bytes of ['GET / HTTP/1.1\r\nx : y\r\n\r\n', chunked('0x0\r\n\r\n'),
    'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n']) {
    for (const parts of cuts(bytes + SMUGGLED)) {
      const probe = Object.assign(new ServerProbe(), { reply: () => undefined });
      await probe.feed([...parts, SMUGGLED]);
      assert.equal(probe.requests.length, 1, JSON.stringify(parts));
      assert.equal(probe.ending, false);
      replyOk(probe.streams[0]!, probe.requests[0]!);
      await probe.feed([SMUGGLED]);
      assert.deepEqual([probe.statuses, probe.requests.length, probe.ending], [[400], 1, true]);
    }
  }
});

test('S12 a byte from an upstream that was not asked poisons the connection: before, between, behind', async () => {
  for (const bytes of ['H', '\r', '\0', POISON]) {
    const fresh = new ClientProbe();
    await respond(fresh, bytes.split(''));
    assert.deepEqual([fresh.reusable, fresh.closed, fresh.closeError?.cause], [false, 1, 'http1.unsolicited_response']);
    const used = new ClientProbe();
    used.request();
    await respond(used, [OK]);
    assert.equal(used.reusable, true);
    await respond(used, [bytes]);
    assert.deepEqual([used.reusable, used.closed, used.responses.length], [false, 1, 1]);
    assert.equal(used.text, '200 2 [] "hi" end');
  }
});

test('S12 a response to a request that was not sent yet is nobody’s', async () => {
  const probe = new ClientProbe();
  const errors: unknown[] = [];
  const unheard = (): void => assert.fail('told of a response');
  const stream = probe.connection.newStream({ onInformational: unheard, onResponseHead: unheard,
    onResponseData: unheard, onResponseTrailers: unheard, onRequestDrain: unheard,
    onResponseError: (error) => void errors.push(error.cause) });
  await respond(probe, [OK]);
  assert.deepEqual(errors, ['http1.unsolicited_response']);
  stream.sendRequestHead(new RequestHead('GET', 'a', '/'), true);
  assert.deepEqual([probe.transport.written, probe.closed], ['', 1]);
});

test('S12 two responses to one request, however cut, are never paired with the next request', async () => {
  for (const first of [OK, CHUNKED_OK, 'HTTP/1.1 304 No\r\n\r\n']) {
    for (const parts of cuts(first + POISON)) {
      const probe = new ClientProbe();
      probe.request();
      await respond(probe, parts);
      assert.equal(probe.reusable, false, JSON.stringify(parts));
      assert.equal(probe.closed, 1);
      assert.equal(probe.responses[0]!.ended, true);
      assert.ok(!probe.text.includes('poison'));
    }
  }
});

test('S12 responses go to their requests one by one, whatever the clients send at once', async () => {
  const bytes = [1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nhost: a\r\n\r\n`).join('');
  for (const parts of cuts(bytes)) {
    const relay = await new Relay(undefined).feed(parts);
    for (const n of [1, 2, 3]) {
      assert.equal(relay.whole, n, 'the next is not sent before the one before is answered');
      relay.ups[0]!.transport.receive(`HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n${n}`);
      await settle();
      await settle();
    }
    assert.equal(relay.ups.length, 1);
    assert.deepEqual(relay.down.written.match(/\r\n\r\n\d/g), ['\r\n\r\n1', '\r\n\r\n2', '\r\n\r\n3']);
  }
});

test('S12 S49 a value that would split a response or a request is not sent, in either direction', async () => {
  const split = new Headers(['x-a', 'a\r\n\r\nHTTP/1.1 200 OK\r\nx: y', 'x-b', 'kept', 'x-c\r\nevil', '1']);
  const client = new ClientProbe();
  client.request(new RequestHead('GET', 'a', '/', split));
  await settle();
  assert.equal(client.transport.written, 'GET / HTTP/1.1\r\nhost: a\r\nx-b: kept\r\n\r\n');
  const server = new ServerProbe();
  server.reply = (stream) => stream.sendResponseHead(new ResponseHead(200, split), true);
  await server.feed(['GET / HTTP/1.1\r\nhost: a\r\n\r\n']);
  assert.equal(server.transport.written, 'HTTP/1.1 200 OK\r\nx-b: kept\r\ncontent-length: 0\r\n\r\n');
});

test('S06 S07 S08 a body that turns malformed is never completed upstream, and its connection is not used again',
  async () => {
  for (const rest of ['5\r\nhelloX', 'x\r\n', '5;a\n', '0\r\nx : y\r\n\r\n', '0\r\n\n', '5\r\nhello\r\n-0\r\n\r\n']) {
    for (const parts of cuts(`${chunked(`2\r\nab\r\n${rest}`)}\r\n\r\n${SMUGGLED}`)) {
      const relay = await new Relay(OK).feed(parts);
      assert.equal(relay.whole, 0);
      assert.ok(!relay.written.includes('\r\n0\r\n'), `a last chunk was sent: ${JSON.stringify(parts)}`);
      assert.ok(!relay.written.includes('smuggled'));
      assert.deepEqual(relay.ups.map(({ transport }) => transport.destroyed), [true]);
      assert.match(relay.down.written, /^HTTP\/1\.1 400 [^]*connection: close\r\n/);
    }
  }
});

test('S08 trailers that are let through stay trailers, in both directions', async () => {
  const section = '0\r\nx-sum: 1\r\ncontent-length: 9\r\nhost: evil\r\nauthorization: x\r\ncookie: c\r\n\r\n';
  const response = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n${section}`;
  const passed = /transfer-encoding: chunked\r\n\r\n(2\r\nhi|1\r\nh\r\n1\r\ni)\r\n0\r\nx-sum: 1\r\n\r\n$/;
  for (const parts of cuts(chunked(`2\r\nhi\r\n${section}`))) {
    const relay = await new Relay(response).feed(parts);
    for (const written of [relay.written, relay.down.written]) {
      assert.match(written, passed, JSON.stringify(parts));
      assert.doesNotMatch(written, /evil|authorization|cookie|content-length/);
    }
  }
});

test('S17 an upgrade to h2c is read as a plain request: neither its fields nor an upgrade goes on', async () => {
  const lines = 'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk';
  for (const parts of cuts(`GET / HTTP/1.1\r\nhost: a\r\n${lines}\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`)) {
    const relay = await new Relay(OK).feed(parts);
    assert.equal(relay.written, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(relay.down.written, /^HTTP\/1\.1 200 OK\r\n[^]*hiHTTP\/1\.1 505 [^]*connection: close/);
  }
});

test('a user that cancels inside of a call hears nothing more of the same read', async () => {
  for (const [bytes, when] of [[`HTTP/1.1 103 Hints\r\n\r\n${OK}`, 'interim'], [OK, 'head'], [CHUNKED_OK, 'head'],
    [`${SWITCHED}raw`, 'head'], [CHUNKED_OK, 'data']] as const) {
    const probe = new ClientProbe();
    const heard: string[] = [];
    const hear = (what: string): void => {
      heard.push(what);
      if (what === when) stream.resetStream();
    };
    const stream = probe.connection.newStream({ onInformational: () => hear('interim'),
      onResponseHead: () => hear('head'), onResponseData: () => hear('data'),
      onResponseTrailers: () => hear('trailers'), onResponseError: () => hear('error'),
      onRequestDrain: () => hear('drain') });
    const head = new RequestHead('GET', 'a', '/');
    head.upgrade = 'websocket';
    stream.sendRequestHead(head, false);
    await respond(probe, [bytes, 'more']);
    assert.equal(heard.at(-1), when, heard.join());
    assert.equal(probe.transport.destroyed, true);
  }
});
