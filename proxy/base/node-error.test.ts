// What Node's errors become, told by real sockets and handshakes that fail.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { fromNodeError, isResourceShortage, isTlsError, nodeErrorCode } from './node-error.ts';

test('a refused connection is connect-failure and safe to retry (real socket)', async () => {
  const [port] = await freePorts(1);
  const socket = connect(port!, '127.0.0.1');
  const [cause] = (await once(socket, 'error')) as [Error];
  const error = fromNodeError(cause, 'upstream', true);
  assert.deepEqual([error.kind, error.source, error.retry], ['connect-failure', 'upstream', 'safe']);
  assert.equal(nodeErrorCode(error.cause), 'ECONNREFUSED');
});

test('a plaintext answer to a TLS handshake is upstream-tls (real socket)', async () => {
  const server = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connectTls({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  const [cause] = (await once(socket, 'error')) as [Error];
  server.close();
  const error = fromNodeError(cause, 'upstream', true);
  assert.deepEqual([error.kind, error.retry, error.detail], ['upstream-tls', 'safe', 'tls_error']);
});

test('codes map by side and by whether the connection was usable', () => {
  const coded = (code: string) => Object.assign(new Error(code), { code });
  const kindOf = (code: string, side: 'downstream' | 'upstream', connecting: boolean) => {
    const error = fromNodeError(coded(code), side, connecting);
    return `${error.kind} ${error.retry}`;
  };
  assert.equal(kindOf('ETIMEDOUT', 'upstream', true), 'connect-timeout safe');
  assert.equal(kindOf('EHOSTUNREACH', 'upstream', true), 'connect-failure safe');
  assert.equal(kindOf('ECONNRESET', 'upstream', false), 'upstream-reset if-reused');
  assert.equal(kindOf('EPIPE', 'upstream', false), 'upstream-reset if-reused');
  assert.equal(kindOf('ETIMEDOUT', 'upstream', false), 'upstream-reset if-reused');
  assert.equal(kindOf('CERT_HAS_EXPIRED', 'upstream', true), 'upstream-tls safe');
  assert.equal(kindOf('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'upstream', false), 'upstream-tls if-reused');
  assert.equal(kindOf('ECONNRESET', 'downstream', false), 'downstream-reset never');
  const handshake = fromNodeError(coded('ERR_SSL_NO_SHARED_CIPHER'), 'downstream', true);
  assert.equal(handshake.detail, 'downstream_tls_handshake_error');
});

test('what has no code, or is no error, is still mapped', () => {
  for (const cause of [undefined, null, 'text', 5, {}, { code: 5 }]) {
    assert.equal(nodeErrorCode(cause), '');
    assert.equal(isTlsError(cause), false);
    assert.equal(fromNodeError(cause, 'upstream', false).kind, 'upstream-reset');
  }
});

test('a shortage of file descriptors is told from a lasting bind failure', () => {
  assert.equal(isResourceShortage({ code: 'EMFILE' }), true);
  assert.equal(isResourceShortage({ code: 'EADDRINUSE' }), false);
});
