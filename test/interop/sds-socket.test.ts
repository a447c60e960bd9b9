// The node agent as SDS server for other proxies on its machine: a real Envoy and a weft without an agent take their
// certificate from its socket, speak mutual TLS with it, and follow each rotation.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { lstatSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import type { X509Certificate } from 'node:crypto';
import { request } from 'undici';
import { addRoot, removeRoot, switchRoot } from '../../certs/root-rotation.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { TestAuthority, clusterOf, listenerTo, pipeCluster, sdsTls } from '../harness/agent-mesh.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const SERVER = 'spiffe://cluster.local/ns/default/sa/server';

/** The leaf that a listener shows. */
async function shownAt(port: number): Promise<X509Certificate> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerX509Certificate()!;
  socket.destroy();
  return certificate;
}

for (const { kind, skip } of candidates()) {
  test(`F05 S61 ${kind} takes its certificate from the agent's socket and follows rotations`, { skip }, async (t) => {
    const authority = new TestAuthority(t, 60_000);
    await authority.start();
    const upstream = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    t.after(() => upstream.close());
    const path = join(authority.dir, 'sds');
    // The agent's own proxy is the client; the other proxy has the same identity, the agent's.
    const { port } = upstream.address() as AddressInfo;
    await using near = await ProxyProcess.start('weft', {
      node: { id: 'near', cluster: 'near', metadata: await authority.metadata(SERVER, { sds_socket: path }) },
      static_resources: { listeners: [listenerTo('app')], clusters: [clusterOf('app', port)] },
    });
    assert.equal((lstatSync(path).mode & 0o777).toString(8), '600');
    await using far = await ProxyProcess.start(kind, {
      node: { id: 'far', cluster: 'far' },
      static_resources: {
        listeners: [listenerTo('app', sdsTls('DownstreamTlsContext', SERVER))],
        clusters: [clusterOf('app', port), pipeCluster('sds-grpc', path)],
      },
    });
    await using client = await ProxyProcess.start('weft', {
      node: { id: 'client', cluster: 'client', metadata: await authority.metadata(SERVER) },
      static_resources: {
        listeners: [listenerTo('peer')],
        clusters: [clusterOf('peer', far.port('in'), sdsTls('UpstreamTlsContext', SERVER), 1)],
      },
    });
    const ask = async (): Promise<number> => {
      const { statusCode, body } = await request(`http://127.0.0.1:${client.port('in')}/`);
      await body.dump();
      return statusCode;
    };
    assert.equal(await ask(), 200);
    const first = await shownAt(far.port('in'));
    assert.equal(first.subjectAltName, `URI:${SERVER}`);
    const options = { dir: authority.dir, clock: systemClock };
    addRoot(options);
    for (const proxy of [near, client]) {
      await until('both roots', async () => await proxy.stat('agent.trusted_roots') === 2);
    }
    assert.equal(await ask(), 200);
    switchRoot(options);
    await until('the new leaf', async () => (await shownAt(far.port('in'))).fingerprint256 !== first.fingerprint256);
    await until('the client\'s new leaf', async () => await client.stat('agent.issued_by_first_root') === 1);
    assert.equal(await ask(), 200);
    removeRoot(options);
    await until('one root', async () => await client.stat('agent.trusted_roots') === 1);
    assert.equal(await ask(), 200);
    assert.ok((await near.stat('agent.sds_streams')) >= 1);
    assert.equal(await near.stat('agent.sds_refused'), 0);
  });
}
