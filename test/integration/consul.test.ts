// `weft control --source consul` as a user runs it: Istio's rules hold for services of Consul's catalog.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { ConsulServer, type ConsulRegistration } from '../harness/consul-server.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { answers, ServerProcess } from '../harness/process.ts';
import { until } from '../harness/until.ts';
import { xdsBootstrap } from '../harness/xds-mesh.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

const RULES = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews.service.consul
  subsets: [{ name: v2, labels: { version: v2 } }, { name: v1, labels: { version: v1 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews.service.consul]
  http:
  - match: [{ headers: { end-user: { exact: jason } } }]
    route: [{ destination: { host: reviews.service.consul, subset: v2 } }]
  - route: [{ destination: { host: reviews.service.consul, subset: v1 } }]
`;

/** An application that answers with its name. */
async function startApplication(t: TestContext, name: string): Promise<number> {
  const server = createServer((_request, response) => response.end(name)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** The port of the sidecar where requests go out. */
async function startMesh(t: TestContext, consul: string): Promise<number> {
  const root = temporaryFolder(t);
  mkdirSync(join(root, 'mesh'));
  writeFileSync(join(root, 'mesh', 'rules.yaml'), RULES);
  const [xds, admin, outbound] = await freePorts(3) as [number, number, number];
  const control = new ServerProcess(process.execPath, [WEFT, 'control', '--config', join(root, 'mesh'),
    '--source', 'consul', '--consul', consul, '--ca-dir', join(root, 'ca'), '--xds', `127.0.0.1:${xds}`,
    '--secure', '127.0.0.1:0', '--http', '127.0.0.1:0'], { name: 'weft control' });
  t.after(() => control.stop());
  await control.until(() => control.output.includes('/traces'));
  assert.match(control.output, /files in .*mesh, consul 127\.0\.0\.1:\d+,/);
  const file = join(root, 'bootstrap.json');
  writeFileSync(file, xdsBootstrap(admin, xds, {
    id: 'sidecar~127.0.0.9~client-1.default~default.svc.cluster.local', cluster: 'client.default',
    metadata: { NAMESPACE: 'default', WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}` },
  }));
  const proxy = new ServerProcess(process.execPath, [WEFT, 'proxy', '-c', file, '--concurrency', '1'], {});
  t.after(() => proxy.stop());
  await proxy.until(() => answers(`http://127.0.0.1:${admin}/ready`));
  return outbound;
}

test('undici reaches services of a Consul catalog by Istio rules, while it changes and while it is away', async (t) => {
  const [v1, v2, other] = await Promise.all(['v1', 'v2', 'other'].map((name) => startApplication(t, name)));
  const instance = (id: string, port: number, version: string): ConsulRegistration => ({
    id, service: 'reviews', address: '127.0.0.1', port, meta: { version, protocol: 'http', 'service-port': '9080' },
  });
  const consul = new ConsulServer();
  consul.register(instance('one', v1!, 'v1'), instance('two', v2!, 'v2'));
  const url = await consul.listen();
  t.after(() => consul.close());
  const port = await startMesh(t, url);
  const ask = async (user: string): Promise<string> => {
    const { body } = await request(`http://127.0.0.1:${port}/`, {
      headers: { 'host': 'reviews.service.consul:9080', 'end-user': user },
    });
    return body.text();
  };
  await until('the route', async () => await ask('jason') === 'v2' && await ask('anna') === 'v1');
  consul.register({ ...instance('two', v2!, 'v2'), checks: ['critical'] });
  consul.register(instance('three', other!, 'v2'));
  await until('the healthy instance', async () => await ask('jason') === 'other');
  await consul.close();
  for (let i = 0; i < 20; i++) assert.deepEqual([await ask('jason'), await ask('anna')], ['other', 'v1']);
  consul.deregister('three');
  consul.register(instance('two', v2!, 'v2'));
  await consul.listen();
  await until('the catalog as it is now', async () => await ask('jason') === 'v2');
});
