// A proxy of a kind that our own control plane configures, from a mesh's YAML: sidecar or gateway of one workload.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startControl } from '../../control/control.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { temporaryFolder } from './openssl.ts';
import { findEnvoy } from './peers.ts';
import { answers, ServerProcess } from './process.ts';
import type { ProxyKind } from './proxy-process.ts';
import { xdsBootstrap } from './xds-mesh.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const LOOPBACK = { host: '127.0.0.1', port: 0 };

/** YAML of a mesh whose sidecars speak plaintext. */
export const WITHOUT_MTLS = `---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: DISABLE } }
`;

/** What the proxy says of itself: `sidecar~ADDRESS~…`, and metadata in namespace default. */
export interface ControlledNode {
  readonly role: 'sidecar' | 'router';
  readonly address: string;
  readonly metadata: object;
}

/** Ready when it resolves, except for what it waits for; ends with the test. */
export async function startControlled(
  t: TestContext, kind: ProxyKind, mesh: string, { role, address, metadata }: ControlledNode,
): Promise<void> {
  const root = temporaryFolder(t);
  writeFileSync(join(root, 'mesh.yaml'), mesh);
  const log = { info: () => undefined, warning: () => undefined };
  const control = await startControl({
    configDir: root, caDir: join(root, 'ca'), xds: LOOPBACK, secure: LOOPBACK, http: LOOPBACK, log,
  });
  const [admin] = await freePorts(1) as [number];
  const file = join(root, 'bootstrap.json');
  writeFileSync(file, xdsBootstrap(admin, control.xds.port, {
    id: `${role}~${address}~self-1.default~default.svc.cluster.local`,
    cluster: 'self.default',
    metadata: { NAMESPACE: 'default', INSTANCE_IPS: address, ...metadata },
  }));
  const server = kind === 'envoy'
    ? new ServerProcess(findEnvoy(false), ['-c', file, '--concurrency', '1', '-l', 'error', '--use-dynamic-base-id'])
    : new ServerProcess(process.execPath, [WEFT, 'proxy', '-c', file, '--concurrency', '1', '-l', 'warning']);
  t.after(async () => {
    await server.stop();
    await control.close();
  });
  await server.until(() => answers(`http://127.0.0.1:${admin}/ready`));
}
