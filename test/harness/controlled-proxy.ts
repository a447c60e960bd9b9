// A proxy of a kind that our own control plane configures, from a mesh's YAML: sidecar or gateway of one workload.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openStore } from '../../certs/store.ts';
import { startControl } from '../../control/control.ts';
import type { ControlHandle } from '../../control/control.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { testLeaf } from './certificates.ts';
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
  /** It asks over TLS and shows a certificate of the mesh: it is given the Secrets of its namespace. */
  readonly shows?: 'certificate';
  readonly env?: Record<string, string>;
  /** Private networks where the control plane may fetch issuers' keys. */
  readonly jwksNetworks?: readonly string[];
}

export interface Controlled {
  readonly control: ControlHandle;
  /** Of the proxy. */
  readonly admin: number;
  /** Puts another mesh in place; the proxy has it some time later. */
  write(mesh: string): void;
}

/** TLS with a certificate of the authority in a folder, for a namespace's account default. */
export function meshTls(dir: string, namespace = 'default'): unknown {
  const { key, certificate, roots } = openStore({ dir });
  const issuer = { der: certificate.raw, privateKey: key, x509: certificate, chain: '' };
  const leaf = testLeaf(issuer, { identity: `spiffe://cluster.local/ns/${namespace}/sa/default` });
  return {
    name: 'tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      common_tls_context: {
        tls_certificates: [{
          certificate_chain: { inline_string: leaf.cert }, private_key: { inline_string: leaf.key },
        }],
        validation_context: { trusted_ca: { inline_string: roots.map(String).join('') } },
        alpn_protocols: ['h2'],
      },
    },
  };
}

/** Ready when it resolves, except for what it waits for; ends with the test. */
export async function startControlled(
  t: TestContext, kind: ProxyKind, mesh: string, { role, address, metadata, shows, env = {},
    jwksNetworks = [] }: ControlledNode,
): Promise<Controlled> {
  const root = temporaryFolder(t);
  writeFileSync(join(root, 'mesh.yaml'), mesh);
  const log = { info: () => undefined, warning: () => undefined };
  const control = await startControl({
    configDir: root, caDir: join(root, 'ca'), xds: LOOPBACK, secure: LOOPBACK, http: LOOPBACK, log, jwksNetworks,
  });
  const [admin] = await freePorts(1) as [number];
  const file = join(root, 'bootstrap.json');
  const { port } = shows === undefined ? control.xds : control.secure;
  writeFileSync(file, xdsBootstrap(admin, port, {
    id: `${role}~${address}~self-1.default~default.svc.cluster.local`,
    cluster: 'self.default',
    metadata: { NAMESPACE: 'default', INSTANCE_IPS: address, ...metadata },
  }, shows === undefined ? {} : { transport_socket: meshTls(join(root, 'ca')) }));
  const server = kind === 'envoy'
    ? new ServerProcess(findEnvoy(false), ['-c', file, '--concurrency', '1', '-l', 'error', '--use-dynamic-base-id'])
    : new ServerProcess(process.execPath, [WEFT, 'proxy', '-c', file, '--concurrency', '1', '-l', 'warning'], { env });
  t.after(async () => {
    await server.stop();
    await control.close();
  });
  await server.until(() => answers(`http://127.0.0.1:${admin}/ready`));
  const write = (text: string): void => {
    writeFileSync(join(root, 'mesh.next'), text);
    renameSync(join(root, 'mesh.next'), join(root, 'mesh.yaml'));
  };
  return { control, admin, write };
}
