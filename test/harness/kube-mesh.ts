// A mesh whose objects are in a real API server: weft's control plane beside it, and sidecars on loopback as its pods.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../examples/demo/free-ports.ts';
import type { ControlStatus } from '../../control/status.ts';
import type { KubeApiServer } from './kube-apiserver.ts';
import { temporaryFolder } from './openssl.ts';
import { answers, ServerProcess } from './process.ts';
import { xdsBootstrap } from './xds-mesh.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

const INSTALLED = fileURLToPath(new URL('../../control/install/base/rights.yaml', import.meta.url));
const GROUP = 'rbac.authorization.k8s.io';

/** The rights that the install manifests give to the control plane, and no more, for the API server's user `weft`. */
export function rightsYaml(): string {
  const namespaces = ['istio-system', 'weft-system'].map((name) =>
    `---\napiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }\n`);
  return `${namespaces.join('')}---
${readFileSync(INSTALLED, 'utf8')}
---
apiVersion: ${GROUP}/v1
kind: ClusterRoleBinding
metadata: { name: weft-user }
roleRef: { apiGroup: ${GROUP}, kind: ClusterRole, name: weft-control }
subjects: [{ apiGroup: ${GROUP}, kind: User, name: weft }]
---
apiVersion: ${GROUP}/v1
kind: RoleBinding
metadata: { name: weft-user, namespace: weft-system }
roleRef: { apiGroup: ${GROUP}, kind: Role, name: weft-leader }
subjects: [{ apiGroup: ${GROUP}, kind: User, name: weft }]
`;
}

export interface KubePod {
  readonly name: string;
  readonly app: string;
  readonly version: string;
  readonly serviceAccount: string;
  readonly address: string;
}

/** A Pod as a kubelet that ran it would leave it, with its sidecar injected. */
export function podYaml({ name, app, version, serviceAccount, address }: KubePod): string {
  return `
---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: default
  labels: { app: ${app}, version: ${version}, security.istio.io/tlsMode: istio }
spec:
  serviceAccountName: ${serviceAccount}
  containers: [{ name: app, image: app, ports: [{ containerPort: 9080 }] }]
status:
  phase: Running
  podIP: ${address}
  podIPs: [{ ip: ${address} }]
  conditions: [{ type: Ready, status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }]
`;
}

export class KubeControl {
  readonly process: ServerProcess;
  readonly xds: number;
  readonly secure: string;
  readonly http: string;
  readonly rootFile: string;

  private constructor(process_: ServerProcess) {
    const { output } = process_;
    const found = (form: RegExp): string => form.exec(output)?.[1] ?? '';
    this.process = process_;
    this.xds = Number(found(/xDS on \S+:(\d+) /));
    this.secure = found(/\(plaintext\) and (\S+) /);
    this.http = found(/http:\/\/([^/]+)\/traces/);
    this.rootFile = found(/root for sidecars: (.*)/);
  }

  /** As the API server's user `weft`; resolves when it serves. */
  static async start(t: TestContext, server: KubeApiServer, ...more: readonly string[]): Promise<KubeControl> {
    const root = temporaryFolder(t);
    writeFileSync(join(root, 'token'), 'token-weft');
    const nowhere = ['--xds', '127.0.0.1:0', '--secure', '127.0.0.1:0', '--http', '127.0.0.1:0'];
    const process_ = new ServerProcess(process.execPath, [WEFT, 'control', '--source', 'kubernetes',
      '--kubeconfig', server.kubeconfig('weft', 'weft-system'), '--ca-dir', join(root, 'ca'), ...nowhere,
      '--token-review', server.url, '--token-review-ca', server.caFile, '--token-review-token', join(root, 'token'),
      ...more], { name: 'weft control' });
    t.after(() => process_.stop());
    await process_.until(() => process_.output.includes('/traces'), 60_000);
    return new KubeControl(process_);
  }

  async status(): Promise<ControlStatus> {
    return await (await fetch(`http://${this.http}/api/status`)).json() as ControlStatus;
  }

  /**
   * The pod's sidecar, with a token of its service account as a kubelet projects it, in front of an application that
   * answers its version. Gives the port where the application goes out.
   */
  async sidecar(t: TestContext, server: KubeApiServer, pod: KubePod): Promise<number> {
    const root = temporaryFolder(t);
    const { name, app, version, serviceAccount, address } = pod;
    const [admin, outbound] = await freePorts(2) as [number, number];
    const token = join(root, 'token');
    writeFileSync(token, await server.serviceAccountToken('default', serviceAccount, 'istio-ca'), { mode: 0o600 });
    const file = join(root, 'bootstrap.json');
    writeFileSync(file, xdsBootstrap(admin, this.xds, {
      id: `sidecar~${address}~${name}.default~default.svc.cluster.local`, cluster: `${app}.default`,
      metadata: {
        NAMESPACE: 'default', LABELS: { app, version }, INSTANCE_IPS: address, SERVICE_ACCOUNT: serviceAccount,
        WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}`,
        WEFT_APP_PORTS: { 9080: `127.0.0.1:${await startApplication(t, version)}` },
        WEFT_CA: {
          address: this.secure, token_file: token, root_file: this.rootFile, trust_domain: 'cluster.local',
        },
      },
    }));
    const args = [WEFT, 'proxy', '-c', file, '--concurrency', '1', '--log-level', 'warning'];
    const sidecar = new ServerProcess(process.execPath, args, { name });
    t.after(() => sidecar.stop());
    await sidecar.until(() => answers(`http://127.0.0.1:${admin}/ready`), 60_000);
    return outbound;
  }
}

async function startApplication(t: TestContext, answer: string): Promise<number> {
  const server = createServer((_request, response) => response.end(answer)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
