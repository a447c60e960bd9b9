// What an operator sees of HTTP/2 streams and connections that end badly: flags, details and counters as Envoy 1.40 has
// them. Peers are node:http2, and raw frames where no peer would send them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, constants, createServer } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { connect as connectSocket, createServer as createRawServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { test } from 'node:test';
import { FrameFlag, FrameType, PREFACE } from '../../proxy/http/http2-frame.ts';
import { http2Cluster } from '../harness/http2-bootstrap.ts';
import { frame } from '../harness/http2-probe.ts';
import { LoggingProxy } from '../harness/logging-proxy.ts';
import { until } from '../harness/until.ts';

const FORMAT = '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%';

/** GET of a path, open, as stream 1. */
function rawGet(path: string): Buffer {
  const head = Buffer.from(`\x82\x86\x41\x01a\x44${String.fromCharCode(path.length)}${path}`, 'latin1');
  return frame(FrameType.HEADERS, FrameFlag.END_HEADERS, 1, head);
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A server that never answers, or only begins to. */
function silentServer(): { server: Server; seen: () => number; close: () => void } {
  const server = createServer();
  const sockets = new Set<Socket>();
  let seen = 0;
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    seen++;
    stream.on('error', () => undefined);
    if (String(headers[':path']).startsWith('/begun')) {
      stream.respond({ ':status': 200 });
      stream.write('x');
    }
  });
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { server: server as unknown as Server, seen: () => seen, close };
}

test('a client’s reset is DR, its disconnect DC, a fault DPE; each counts as rx_reset (node:http2)', async () => {
  const upstream = silentServer();
  await using logged = await LoggingProxy.start(FORMAT, http2Cluster('app', await listen(upstream.server)));
  const { proxy } = logged;
  const expected: string[] = [];
  const call = async (
    path: string, status: number, end: (session: ClientHttp2Session, stream: ClientHttp2Stream) => void, line: string,
  ): Promise<void> => {
    const session = connect(`http://127.0.0.1:${proxy.port()}`).on('error', () => undefined);
    const stream = session.request({ ':path': path }).on('error', () => undefined);
    const before = upstream.seen();
    if (status === 0) await until(`${path} is there`, () => upstream.seen() > before);
    else await once(stream, 'data');
    end(session, stream);
    expected.push(`${path} ${status} ${line}`);
    await until(`${path} is over`, () => proxy.stat('http.http.downstream_rq_rx_reset') === expected.length);
    session.destroy();
  };
  for (const [path, status] of [['/hang', 0], ['/begun', 200]] as const) {
    await call(path, status, (_, stream) => stream.close(constants.NGHTTP2_CANCEL), 'DR http2.remote_reset');
    await call(path, status, (_, stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM), 'DR http2.remote_refuse');
    await call(path, status, (_, stream) => stream.close(constants.NGHTTP2_PROTOCOL_ERROR), 'DPE http2.remote_reset');
    await call(path, status, (session) => session.destroy(), 'DC downstream_remote_disconnect');
  }
  assert.deepEqual(await logged.lines(expected.length), expected);
  assert.equal(proxy.stat('http2.rx_reset'), 6);
  assert.equal(proxy.stat('http.http.downstream_cx_protocol_error'), 0);
  upstream.close();
});

test('a client that breaks the protocol with a frame: DPE, and downstream_cx_protocol_error (raw frames)', async () => {
  const upstream = silentServer();
  await using logged = await LoggingProxy.start(FORMAT, http2Cluster('app', await listen(upstream.server)));
  const { proxy } = logged;
  const socket = connectSocket(proxy.port(), '127.0.0.1').on('error', () => undefined).resume();
  socket.write(Buffer.concat([PREFACE, frame(FrameType.SETTINGS, 0, 0), rawGet('/bad')]));
  await until('it is upstream', () => upstream.seen() === 1);
  socket.write(frame(FrameType.DATA, 0, 0, Buffer.from('x')));
  await once(socket, 'close');
  assert.deepEqual(await logged.lines(1), ['/bad 0 DPE http2.violation.of.messaging.rule']);
  assert.equal(proxy.stat('http.http.downstream_cx_protocol_error'), 1);
  assert.equal(proxy.stat('http.http.downstream_rq_rx_reset'), 1);
  upstream.close();
});

test('a server that breaks the protocol with a frame: UPE, and upstream_cx_protocol_error (node:http2)', async () => {
  const bad = createRawServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(frame(FrameType.SETTINGS, 0, 0));
    // Whatever asks for a stream is answered by DATA on none.
    socket.on('data', (chunk) => {
      if (chunk.includes('/upstream')) socket.write(frame(FrameType.DATA, 0, 0, Buffer.from('x')));
    });
    socket.on('end', () => socket.end());
  });
  await using logged = await LoggingProxy.start(FORMAT, http2Cluster('app', await listen(bad)));
  const session = connect(`http://127.0.0.1:${logged.proxy.port()}`);
  const stream = session.request({ ':path': '/', 'x-a': '/upstream' });
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  assert.equal(headers[':status'], 502);
  assert.deepEqual(await logged.lines(1), ['/ 502 UPE upstream_reset_before_response_started{protocol_error}']);
  const stat = (name: string): number => logged.proxy.stat(`cluster.app.upstream_cx_${name}`);
  await until('its connection is gone', () => stat('active') === 0);
  assert.deepEqual([stat('protocol_error'), stat('destroy_local'), stat('destroy_remote')], [1, 1, 0]);
  session.destroy();
  bad.close();
});
