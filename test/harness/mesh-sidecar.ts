// A weft sidecar with its agent under our own control plane and authority, from a mesh's YAML that may change.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openStore } from '../../certs/store.ts';
import { startControl } from '../../control/control.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import type { TestIssuer } from './certificates.ts';
import { temporaryFolder } from './openssl.ts';
import { ServerProcess, answers } from './process.ts';
import { xdsBootstrap } from './xds-mesh.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const LOOPBACK = { host: '127.0.0.1', port: 0 };

/** Where the sidecar listens: apart from the application's 127.0.0.1. */
export const POD = '127.0.0.9';

export interface MeshSidecar {
  /** What signs for the mesh. */
  readonly own: TestIssuer;
  /** Puts another mesh in place; the sidecar has it some time later. */
  write(mesh: string): void;
}

/** Workload self-1 of app self in namespace default; `apps` are the application's ports by the sidecar's. */
export async function startMeshSidecar(
  t: TestContext, mesh: string, apps: ReadonlyMap<number, number>,
): Promise<MeshSidecar> {
  const root = temporaryFolder(t);
  const folder = join(root, 'mesh');
  mkdirSync(folder);
  const write = (text: string): void => {
    writeFileSync(join(root, 'mesh.yaml'), text);
    renameSync(join(root, 'mesh.yaml'), join(folder, 'mesh.yaml'));
  };
  write(mesh);
  const control = await startControl({
    configDir: folder, caDir: join(root, 'ca'), xds: LOOPBACK, secure: LOOPBACK, http: LOOPBACK,
    log: { info: () => undefined, warning: () => undefined },
  });
  const token = join(root, 'token');
  writeFileSync(token, await control.mintToken({
    trustDomain: 'cluster.local', path: '/ns/default/sa/self', namespace: 'default', serviceAccount: 'self',
  }), { mode: 0o600 });
  const [admin] = await freePorts(1) as [number];
  const bootstrap = join(root, 'bootstrap.json');
  writeFileSync(bootstrap, xdsBootstrap(admin, control.xds.port, {
    id: `sidecar~${POD}~self-1.default~default.svc.cluster.local`,
    cluster: 'self.default',
    metadata: {
      NAMESPACE: 'default', LABELS: { app: 'self' }, INSTANCE_IPS: POD, SERVICE_ACCOUNT: 'self',
      WEFT_APP_PORTS: Object.fromEntries([...apps].map(([port, app]) => [port, `127.0.0.1:${app}`])),
      WEFT_CA: {
        address: `${control.secure.host}:${control.secure.port}`, token_file: token, root_file: control.rootFile,
        trust_domain: 'cluster.local',
      },
    },
  }));
  const args = [WEFT, 'proxy', '-c', bootstrap, '--concurrency', '1', '--log-level', 'warning'];
  const sidecar = new ServerProcess(process.execPath, args, { name: 'weft' });
  t.after(async () => {
    await sidecar.stop();
    await control.close();
  });
  await sidecar.until(() => answers(`http://127.0.0.1:${admin}/ready`));
  const { certificate, key } = openStore({ dir: join(root, 'ca') });
  return { own: { der: certificate.raw, privateKey: key, x509: certificate, chain: '' }, write };
}
