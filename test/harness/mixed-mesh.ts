// One mesh of our control plane with a weft sidecar, one of another kind beside it, and clients of gRPC without any.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { SecretService } from '../../certs/sds-server.ts';
import type { SecretValue } from '../../certs/sds-service.ts';
import { openStore } from '../../certs/store.ts';
import { startControl } from '../../control/control.ts';
import type { ControlHandle } from '../../control/control.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { testLeaf } from './certificates.ts';
import type { TestCertificate } from './certificates.ts';
import { temporaryFolder } from './openssl.ts';
import { findEnvoy } from './peers.ts';
import { answers, ServerProcess } from './process.ts';
import type { ProxyKind } from './proxy-process.ts';
import { xdsBootstrap } from './xds-mesh.ts';
import type { ApiType } from './xds-mesh.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const CLIENT = fileURLToPath(new URL('proxyless-client.ts', import.meta.url));
const LOOPBACK = { host: '127.0.0.1', port: 0 };

export interface MixedSidecar {
  /** Workload, service account and app label. */
  readonly name: string;
  readonly kind: ProxyKind;
  readonly address: string;
  /** Where the application goes through it, and where it takes what is for the application's ports. */
  readonly outbound: number;
  readonly inbound: ReadonlyMap<number, number>;
  readonly apiType?: ApiType;
}

/** What a call came to. */
export interface CallResult {
  readonly code: number;
  readonly details: string;
  readonly size: number;
}

export class MixedMesh {
  readonly control: ControlHandle;
  readonly #root: string;
  readonly #t: TestContext;

  private constructor(control: ControlHandle, root: string, t: TestContext) {
    this.control = control;
    this.#root = root;
    this.#t = t;
  }

  static async start(t: TestContext, yaml: string): Promise<MixedMesh> {
    const root = temporaryFolder(t);
    mkdirSync(join(root, 'mesh'));
    const log = { info: (): void => undefined, warning: (): void => undefined };
    writeFileSync(join(root, 'mesh', 'mesh.yaml'), yaml);
    const control = await startControl({
      configDir: join(root, 'mesh'), caDir: join(root, 'ca'), xds: LOOPBACK, secure: LOOPBACK, http: LOOPBACK, log,
    });
    t.after(() => control.close());
    return new MixedMesh(control, root, t);
  }

  /** Puts another mesh in place; proxies have it some time later. */
  write(yaml: string): void {
    writeFileSync(join(this.#root, 'mesh.yaml'), yaml);
    renameSync(join(this.#root, 'mesh.yaml'), join(this.#root, 'mesh', 'mesh.yaml'));
  }

  /** Ready when it resolves; ends with the test. Its certificate comes from an SDS server of the mesh's authority. */
  async sidecar({ name, kind, address, outbound, inbound, apiType }: MixedSidecar): Promise<void> {
    const [admin] = await freePorts(1) as [number];
    const file = join(this.#root, `${name}.json`);
    const node = {
      id: `sidecar~${address}~${name}-1.default~default.svc.cluster.local`,
      cluster: `${name}.default`,
      metadata: {
        NAMESPACE: 'default', LABELS: { app: name }, INSTANCE_IPS: address, SERVICE_ACCOUNT: name,
        WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}`,
        WEFT_APP_PORTS: Object.fromEntries([...inbound].map(([app, port]) => [port, `127.0.0.1:${app}`])),
      },
    };
    const bootstrap = JSON.parse(xdsBootstrap(admin, this.control.xds.port, node, {}, apiType)) as Bootstrap;
    const [xds] = bootstrap.static_resources.clusters as [StaticCluster];
    const sds = await this.#serveSecrets(name);
    const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: sds } } };
    const load_assignment = { cluster_name: 'sds-grpc', endpoints: [{ lb_endpoints: [{ endpoint }] }] };
    bootstrap.static_resources.clusters.push({ ...xds, name: 'sds-grpc', load_assignment });
    writeFileSync(file, JSON.stringify(bootstrap));
    const process_ = kind === 'envoy'
      ? new ServerProcess(findEnvoy(false), ['-c', file, '--concurrency', '1', '-l', 'error', '--use-dynamic-base-id'])
      : new ServerProcess(process.execPath, [WEFT, 'proxy', '-c', file, '--concurrency', '1', '-l', 'warning']);
    this.#t.after(() => process_.stop());
    await process_.until(() => answers(`http://127.0.0.1:${admin}/ready`));
  }

  /** A client in a process of its own that has no sidecar. `identity` is a service account. */
  proxyless(target: string, identity: string, kind: 'plain' | 'mtls'): ProxylessClient {
    const { cert, key, roots } = this.#leaf(identity);
    const file = (suffix: string, text: string): string => {
      const path = join(this.#root, `${identity}.${suffix}`);
      writeFileSync(path, text);
      return path;
    };
    const config = {
      certificate_file: file('crt', cert), private_key_file: file('key', key),
      ca_certificate_file: file('roots', roots), refresh_interval: '60s',
    };
    const bootstrap = {
      xds_servers: [{
        server_uri: `127.0.0.1:${this.control.xds.port}`, channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      }],
      node: {
        id: `sidecar~127.0.0.1~${identity}-1.default~default.svc.cluster.local`,
        cluster: identity,
        locality: {},
        metadata: { GENERATOR: 'grpc', NAMESPACE: 'default', SERVICE_ACCOUNT: identity },
      },
      certificate_providers: { default: { plugin_name: 'file_watcher', config } },
    };
    const env = { ...process.env, GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap) };
    const client = new ProxylessClient(spawn(process.execPath, [CLIENT, target, kind], {
      stdio: ['pipe', 'pipe', 'inherit'], env,
    }));
    this.#t.after(() => client.stop());
    return client;
  }

  #leaf(account: string): TestCertificate & { readonly roots: string } {
    const { certificate, key, roots } = openStore({ dir: join(this.#root, 'ca') });
    const issuer = { der: certificate.raw, privateKey: key, x509: certificate, chain: '' };
    const leaf = testLeaf(issuer, { identity: `spiffe://cluster.local/ns/default/sa/${account}` });
    return { ...leaf, roots: roots.map(String).join('') };
  }

  async #serveSecrets(account: string): Promise<number> {
    const { cert: certificateChain, key: privateKey, roots: trustedCa } = this.#leaf(account);
    const secrets = new Map<string, SecretValue>([
      ['default', { name: 'default', certificateChain, privateKey }], ['ROOTCA', { name: 'ROOTCA', trustedCa }],
    ]);
    const server = new Server();
    const nothing = (): void => undefined;
    const service = new SecretService(server, {
      source: { get: (name) => secrets.get(name) }, onRefusal: nothing, onCount: nothing,
    });
    service.update();
    this.#t.after(() => server.forceShutdown());
    return new Promise((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }
}

interface StaticCluster {
  readonly name: string;
}

interface Bootstrap {
  readonly static_resources: { readonly clusters: object[] };
}

/** One call after the other. */
export class ProxylessClient {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  async call(headers: Readonly<Record<string, string>> = {}): Promise<CallResult> {
    this.#child.stdin!.write(`${JSON.stringify(headers)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the client has ended');
    return JSON.parse(value) as CallResult;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill();
    await ended;
  }
}
