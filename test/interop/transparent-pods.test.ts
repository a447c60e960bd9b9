// Pods whose sidecars, weft and Envoy, have INTERCEPTION_MODE TPROXY, under our control plane: an application that
// knows nothing of a mesh sees the addresses of those who call it (curl, Python's http.server).
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { inOwnNetwork } from '../harness/own-network.ts';
import { curl, PodMesh, WEB } from '../harness/pod-mesh.ts';
import { makePods } from '../harness/pod-network.ts';
import { candidates, type ProxyKind } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const service = (name: string, vip: string, ip: string): string => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { clusterIP: ${vip}, selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: default, labels: { app: ${name}, security.istio.io/tlsMode: istio } }
spec: { address: ${ip}, labels: { app: ${name}, security.istio.io/tlsMode: istio }, serviceAccount: ${name} }
`;
const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: default }
spec: { mtls: { mode: STRICT } }
`;
/** It says who its caller is: by address, and by what the sidecar verified. */
const ADDRESSED_WEB = WEB.replace('% (sys.argv[1],', '% (self.client_address[0],');

const VIPS = { weft: '10.96.0.10', envoy: '10.96.0.11' } as const;

inOwnNetwork(import.meta.url, () => {
  const mesh = new PodMesh();
  let pods: ReturnType<typeof makePods<'client' | 'outside' | ProxyKind>>;

  before(async () => {
    pods = makePods(['client', 'weft', 'envoy', 'outside']);
    writeFileSync(mesh.rules('mesh.yaml'), service('weft', VIPS.weft, pods.weft.ip)
      + service('envoy', VIPS.envoy, pods.envoy.ip));
    await mesh.startControl();
    const servers = candidates().filter(({ skip }) => skip === false).map(async ({ kind }) => {
      for (const port of ['8080', '7070']) mesh.startApplication(pods[kind], 'python3', '-c', ADDRESSED_WEB, 'x', port);
      await mesh.startSidecar(pods[kind], { transparent: true, kind });
    });
    await Promise.all([mesh.startSidecar(pods.client), ...servers]);
  });

  after(() => mesh[Symbol.asyncDispose]());

  for (const { kind, skip } of candidates()) defineTests(kind, skip);

  function defineTests(kind: ProxyKind, skip: string | false): void {
    const url = `http://${VIPS[kind]}/`;

    test(`${kind}: callers are seen by their addresses, in the mesh and beyond (curl)`, { skip }, async () => {
      const { client, outside, [kind]: server } = pods;
      const address = client.ip.replaceAll('.', '\\.');
      await until('the service answers', async () => (await curl(client, url)).includes('200'));
      assert.match(await curl(client, url), new RegExp(`^${address} .*URI=\\S*sa/client\\n200$`));
      assert.equal(await curl(outside, `http://${server.ip}:8080/`), `${outside.ip} nobody\n200`);
      assert.equal(await curl(outside, `http://${server.ip}:7070/`), `${outside.ip} nobody\n200`);
    });

    test(`${kind}: a workload reaches itself, directly and by its service (curl)`, { skip }, async () => {
      const server = pods[kind];
      assert.equal(await curl(server, 'http://127.0.0.1:8080/'), '127.0.0.1 nobody\n200');
      assert.equal(await curl(server, `http://${server.ip}:8080/`), `${server.ip} nobody\n200`);
      assert.match(await curl(server, url), new RegExp(`^\\S+ .*sa/${kind}\\n200$`));
    });

    test(`${kind}: STRICT holds as by REDIRECT (curl)`, { skip }, async () => {
      const { client, outside, [kind]: server } = pods;
      writeFileSync(mesh.rules('rules.yaml'), STRICT);
      await until('the rule holds', async () => await curl(outside, `http://${server.ip}:8080/`) === 'closed');
      assert.equal(await curl(outside, `http://${server.ip}:7070/`), 'closed');
      assert.match(await curl(client, url), /sa\/client\n200$/);
      rmSync(mesh.rules('rules.yaml'));
      await Promise.all([pods.weft, pods.envoy].map(({ ip }) => (
        until('the rule is gone', async () => await curl(outside, `http://${ip}:8080/`) !== 'closed'))));
    });
  }
});
