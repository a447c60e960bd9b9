// A secret that is not there when a listener starts: nothing is served until it comes (F23); and one that was wrong.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { SecretService } from '../../certs/sds-server.ts';
import type { SecretValue } from '../../certs/sds-service.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { clusterOf, listenerTo, pipeCluster } from '../harness/agent-mesh.ts';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import { findEnvoy } from '../harness/peers.ts';
import { ServerProcess } from '../harness/process.ts';
import { candidates } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const root = testRoot();

/** A server of secrets on a socket, with none to begin with. */
async function startSds(t: TestContext, folder: string): Promise<[string, SecretService, Map<string, SecretValue>]> {
  const server = new Server();
  const values = new Map<string, SecretValue>();
  const service = new SecretService(server, { source: values });
  const path = join(folder, 'sds');
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  t.after(() => server.forceShutdown());
  return [path, service, values];
}

function launch(kind: ProxyKind, file: string): ServerProcess {
  const common = ['-c', file, '--concurrency', '1'];
  return kind === 'weft'
    ? new ServerProcess(process.execPath, [WEFT, 'proxy', ...common], { name: 'weft' })
    : new ServerProcess(findEnvoy(false), [...common, '-l', 'error', '--use-dynamic-base-id'], { name: 'envoy' });
}

/** What the listener shows, or why it shows nothing. */
function shownAt(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.on('error', ({ message }) => resolve(message));
    socket.on('close', () => resolve('closed'));
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      resolve(true);
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
  });
}

for (const { kind, skip } of candidates()) {
  test(`F23 ${kind} serves nothing until the secret comes, and keeps it after a wrong one`, { skip }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-test-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const [path, service, values] = await startSds(t, folder);
    const upstream = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    t.after(() => upstream.close());
    const [admin = 0, port = 0] = await freePorts(2);
    const source = {
      api_config_source: { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'sds' } }] },
      initial_fetch_timeout: '0s',
    };
    const tls = {
      name: 'tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
        common_tls_context: { tls_certificate_sds_secret_configs: [{ name: 'web', sds_config: source }] },
      },
    };
    const at = (portValue: number): object => ({ socket_address: { address: '127.0.0.1', port_value: portValue } });
    const file = join(folder, 'bootstrap.json');
    writeFileSync(file, JSON.stringify({
      admin: { address: at(admin) },
      node: { id: 'x', cluster: 'x' },
      static_resources: {
        listeners: [{ ...listenerTo('app', tls), address: at(port) }],
        clusters: [clusterOf('app', (upstream.address() as AddressInfo).port), pipeCluster('sds', path)],
      },
    }));
    await using proxy = launch(kind, file);
    await proxy.until(() => isOpen(admin));
    await until('it asks for the secret', () => service.counts.streams > 0);
    assert.equal(await isOpen(port), false, 'nobody is let in without a certificate to show');
    const ready = await fetch(`http://127.0.0.1:${admin}/ready`);
    assert.equal(ready.status, 503);
    const [first, second] = [testLeaf(root), testLeaf(root)];
    const give = (certificateChain: string, privateKey: string): void => {
      values.set('web', { name: 'web', certificateChain, privateKey });
      service.update();
    };
    give(first.chain, first.key);
    await until('it serves', async () => (await shownAt(port)) === first.x509.fingerprint256);
    give(second.chain, first.key);
    await until('the wrong pair is refused', () => service.counts.refused > 0);
    assert.equal(await shownAt(port), first.x509.fingerprint256);
    values.clear();
    service.update();
    assert.equal(await shownAt(port), first.x509.fingerprint256, 'what is not there any more stays in use');
    give(second.chain, second.key);
    await until('the next one', async () => (await shownAt(port)) === second.x509.fingerprint256);
  });
}
