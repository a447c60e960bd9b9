// A real istiod without a cluster: Istio's objects are files, Kubernetes' are in this process, as are its root and the
// issuer of its proxies' tokens.
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { once } from 'node:events';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { testRoot } from './certificates.ts';
import { KubeStub } from './kube-stub.ts';
import type { KubeObject } from './kube-stub.ts';
import { ServerProcess, answers } from './process.ts';
import { keySet, makeKey } from './token-keys.ts';

/** What its certificate says; the test makes the name mean where it listens. */
export const ISTIOD_NAME = 'istiod.istio-system.svc';
export const ISTIOD_PORTS = { plaintext: 15_010, secure: 15_012, http: 15_081, monitoring: 15_014 } as const;
const AUDIENCE = 'istio-ca';

export interface IstiodOptions {
  /** Kept by the caller: certificates and configuration are in it. */
  readonly folder: string;
  readonly binary: string;
  /** Where it listens. */
  readonly host: string;
  /** MeshConfig as YAML. */
  readonly meshConfig: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class Istiod {
  readonly process: ServerProcess;
  readonly rootFile: string;
  readonly kube: KubeStub;
  readonly #options: IstiodOptions;
  // Of Istio's library the only algorithm by default.
  readonly #key = makeKey('RS256');
  readonly #issuer: Server;

  private constructor(options: IstiodOptions, issuer: Server, kube: KubeStub) {
    const { folder, host, binary, meshConfig, env = {} } = options;
    this.#options = options;
    this.#issuer = issuer;
    this.kube = kube;
    issuer.on('request', (_request, response) => response.end(keySet(this.#key)));
    const authority = join(folder, 'cacerts');
    for (const dir of ['cacerts', 'config', 'mesh']) mkdirSync(join(folder, dir), { recursive: true });
    const root = testRoot();
    this.rootFile = join(authority, 'root-cert.pem');
    for (const name of ['root-cert', 'ca-cert', 'cert-chain']) {
      writeFileSync(join(authority, `${name}.pem`), root.cert);
    }
    writeFileSync(join(authority, 'ca-key.pem'), root.key);
    writeFileSync(join(folder, 'mesh.yaml'), meshConfig);
    writeFileSync(join(folder, 'kubeconfig'), kube.kubeconfig);
    const args = [
      'discovery', '--registries=Kubernetes', `--kubeconfig=${join(folder, 'kubeconfig')}`,
      `--configDir=${this.#configDir}`, `--meshConfig=${join(folder, 'mesh.yaml')}`,
      `--grpcAddr=${host}:${ISTIOD_PORTS.plaintext}`, `--secureGRPCAddr=${host}:${ISTIOD_PORTS.secure}`,
      `--httpAddr=${host}:${ISTIOD_PORTS.http}`, `--monitoringAddr=${host}:${ISTIOD_PORTS.monitoring}`,
      '--httpsAddr=', '--ctrlz_port=0',
    ];
    this.process = new ServerProcess(binary, args, {
      name: 'istiod', cwd: folder, env: {
        ROOT_CA_DIR: authority, JWT_RULE: JSON.stringify({
          issuer: this.#issuerUrl, jwks_uri: `${this.#issuerUrl}/keys`, audiences: [AUDIENCE] }),
        POD_NAMESPACE: 'istio-system', PILOT_CERT_PROVIDER: 'istiod', PILOT_DEBOUNCE_AFTER: '20ms',
        ENABLE_LEADER_ELECTION: 'false', ENABLE_DEBUG_ENDPOINT_AUTH: 'false', ISTIO_KUBE_CLIENT_CONTENT_TYPE: 'json',
        ...env,
      },
    });
  }

  /** Ready when it resolves. */
  static async start(
    options: IstiodOptions, files: Readonly<Record<string, string>>, objects: readonly KubeObject[],
  ): Promise<Istiod> {
    const kube = await KubeStub.start();
    for (const object of objects) kube.put(object);
    const issuer = createServer().listen(0, '127.0.0.1');
    await once(issuer, 'listening');
    mkdirSync(join(options.folder, 'config'), { recursive: true });
    const istiod = new Istiod(options, issuer, kube);
    for (const [name, text] of Object.entries(files)) istiod.write(name, text);
    await istiod.process.until(() => answers(`http://${options.host}:${ISTIOD_PORTS.http}/ready`), 60_000);
    return istiod;
  }

  get #issuerUrl(): string {
    return `http://127.0.0.1:${(this.#issuer.address() as AddressInfo).port}`;
  }

  get #configDir(): string {
    return join(this.#options.folder, 'config');
  }

  /** Puts a file of objects in place at once; proxies have them some time later. */
  write(name: string, text: string): void {
    const staged = join(this.#options.folder, `${name}.staged`);
    writeFileSync(staged, text);
    renameSync(staged, join(this.#configDir, `${name}.yaml`));
  }

  /** As Kubernetes makes it for a service account. */
  token(namespace: string, serviceAccount: string): Promise<string> {
    return new SignJWT().setProtectedHeader({ alg: 'RS256', kid: this.#key.id }).setIssuer(this.#issuerUrl)
      .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`).setAudience([AUDIENCE])
      .setIssuedAt().setExpirationTime('1h').sign(this.#key.key as Parameters<SignJWT['sign']>[0]);
  }

  async stop(): Promise<void> {
    await this.process.stop();
    this.#issuer.close();
    this.#issuer.closeAllConnections();
    await this.kube.stop();
  }
}
