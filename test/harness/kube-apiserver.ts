// A real Kubernetes API server with its etcd on loopback: no kubelet and no controllers, so a test makes all objects.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Agent, request } from 'undici';
import { parseAllDocuments } from 'yaml';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { parseYaml } from '../../proxy/config/yaml-file.ts';
import { serverLeaf, testRoot } from './certificates.ts';
import { CRD_FOLDER, type KubePeers } from './kube-peers.ts';
import { temporaryFolder } from './openssl.ts';
import { ServerProcess } from './process.ts';
import { until } from './until.ts';

/** `user: groups`; each user's token is `token-<user>`. Admin may do everything, the others what a test grants. */
const USERS: Readonly<Record<string, string>> = { admin: 'system:masters', weft: 'weft', nobody: 'nobody' };
const START_MS = 120_000;

export type CrdSet = 'istio' | 'gateway-api-standard' | 'gateway-api-experimental';

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string; readonly namespace?: string; readonly resourceVersion?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

export interface KubeAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

interface CrdStatus {
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}

export class KubeApiServer {
  readonly url: string;
  /** PEM of the root that the server is verified with. */
  readonly caFile: string;
  readonly #folder: string;
  readonly #peers: KubePeers;
  readonly #ports: readonly [number, number, number];
  readonly #agent: Agent;
  readonly #resources = new Map<string, { readonly name: string; readonly namespaced: boolean }>();
  #etcd: ServerProcess | undefined = undefined;
  #server: ServerProcess | undefined = undefined;

  private constructor(folder: string, peers: KubePeers, ports: readonly [number, number, number]) {
    this.#folder = folder;
    this.#peers = peers;
    this.#ports = ports;
    this.url = `https://127.0.0.1:${ports[2]}`;
    this.caFile = join(folder, 'ca.crt');
    this.#writeFiles();
    this.#agent = new Agent({ connect: { ca: readFileSync(this.caFile, 'utf8') } });
  }

  /** Ends with the test. */
  static async start(t: TestContext, peers: KubePeers): Promise<KubeApiServer> {
    const server = new KubeApiServer(temporaryFolder(t), peers, await freePorts(3) as [number, number, number]);
    t.after(() => server.#close());
    await server.#startEtcd();
    await server.startServer();
    return server;
  }

  /** After `killServer`: on the same port, with what etcd kept. */
  async startServer(): Promise<void> {
    const [client, , port] = this.#ports;
    const file = (name: string): string => join(this.#folder, name);
    const server = new ServerProcess(this.#peers.apiServer, [
      `--etcd-servers=http://127.0.0.1:${client}`, '--bind-address=127.0.0.1', `--secure-port=${port}`,
      `--tls-cert-file=${file('server.crt')}`, `--tls-private-key-file=${file('server.key')}`,
      `--cert-dir=${file('certs')}`, `--token-auth-file=${file('tokens.csv')}`, '--authorization-mode=RBAC',
      '--service-account-issuer=https://kubernetes.default.svc', `--service-account-key-file=${file('sa.pub')}`,
      `--service-account-signing-key-file=${file('sa.key')}`, '--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112',
      '--endpoint-reconciler-type=none', '--disable-admission-plugins=ServiceAccount', '--allow-privileged=true',
      '--enable-priority-and-fairness=false', '--profiling=false',
    ], { name: 'kube-apiserver' });
    this.#server = server;
    await server.until(async () => (await this.#ask('GET', '/readyz')) === 200, START_MS);
  }

  /** As a machine that loses power. */
  async killServer(): Promise<void> {
    this.#server?.child.kill('SIGKILL');
    await this.#server?.ended;
  }

  /** A file for `--kubeconfig`, with one context for each user; in `namespace`, as a pod is in its own. */
  kubeconfig(user = 'admin', namespace?: string): string {
    const path = join(this.#folder, `${user}.kubeconfig`);
    const names = Object.keys(USERS);
    writeFileSync(path, JSON.stringify({
      apiVersion: 'v1', kind: 'Config', 'current-context': user,
      clusters: [{ name: 'test', cluster: { server: this.url, 'certificate-authority': this.caFile } }],
      users: names.map((name) => ({ name, user: { token: `token-${name}` } })),
      contexts: names.map((name) => ({
        name, context: { cluster: 'test', user: name, ...(namespace !== undefined && { namespace }) },
      })),
    }), { mode: 0o600 });
    return path;
  }

  /** One API call; `body` goes as JSON. */
  async call(
    method: string, path: string, body?: unknown, type = 'application/json', user = 'admin',
  ): Promise<KubeAnswer> {
    const answer = await request(new URL(path, this.url), {
      method: method as 'GET', dispatcher: this.#agent,
      headers: { authorization: `Bearer token-${user}`, accept: 'application/json', 'content-type': type },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: answer.statusCode, body: await answer.body.json() as Record<string, unknown> };
  }

  /** What there is of a kind, then what becomes of it, until the signal. */
  async* watch(path: string, signal: AbortSignal): AsyncGenerator<{ readonly type: string; object: KubeObject }> {
    const { body } = await request(new URL(`${path}?watch=1`, this.url), {
      dispatcher: this.#agent, headers: { authorization: 'Bearer token-admin' }, signal, bodyTimeout: 0,
    });
    let rest = '';
    try {
      for await (const chunk of body.setEncoding('utf8')) {
        const lines = (rest + String(chunk)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) yield JSON.parse(line) as { type: string; object: KubeObject };
      }
    } catch (cause) {
      if (!signal.aborted) throw cause;
    }
  }

  /** Server-side apply of every document, with strict validation; its status too, where it has one. */
  async apply(yaml: string): Promise<void> {
    for (const { value } of parseYaml(yaml, 'applied.yaml').documents) {
      const object = value as KubeObject;
      await this.#put(object, '');
      if (object['status'] !== undefined) await this.#put(object, '/status');
    }
  }

  async #put(object: KubeObject, subresource: string): Promise<void> {
    const path = `${await this.pathOf(object)}${subresource}`;
    const query = '?fieldManager=test&force=true&fieldValidation=Strict';
    const answer = await this.call('PATCH', `${path}${query}`, object, 'application/apply-patch+yaml');
    if (answer.status >= 300) throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(answer.body)}`);
  }

  async delete(object: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>): Promise<void> {
    // Nobody would end the pod's grace period.
    const { status, body } = await this.call('DELETE', await this.pathOf(object), { gracePeriodSeconds: 0 });
    if (status >= 300) throw new Error(JSON.stringify(body));
  }

  async get(object: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>): Promise<KubeObject> {
    const { status, body } = await this.call('GET', await this.pathOf(object));
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body as unknown as KubeObject;
  }

  /** A token of a service account, which must exist, as a kubelet projects it. */
  async serviceAccountToken(namespace: string, name: string, audience: string): Promise<string> {
    const { status, body } = await this.call('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
      apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest',
      spec: { audiences: [audience], expirationSeconds: 3600 },
    });
    if (status !== 201) throw new Error(JSON.stringify(body));
    return (body['status'] as { token: string }).token;
  }

  /** Resolves when the kinds can be used. */
  async installCrds(...sets: readonly CrdSet[]): Promise<void> {
    const texts = sets.map((set) => readFileSync(join(CRD_FOLDER, `${set}.yaml`), 'utf8'));
    const documents = texts.flatMap((text) => [...parseAllDocuments(text)]);
    const objects = documents.map((document) => document.toJS() as KubeObject | null).filter((value) => value !== null);
    // What else the channel brings is a policy that guards upgrades.
    const crds = objects.filter(({ kind }) => kind === 'CustomResourceDefinition');
    for (const crd of crds) await this.#put(crd, '');
    for (const crd of crds) await this.#established(crd);
  }

  async #established(crd: KubeObject): Promise<void> {
    await until(`${crd.metadata.name} is established`, async () => {
      const { status } = await this.get(crd) as { status?: CrdStatus };
      const conditions = status?.conditions ?? [];
      return conditions.some((condition) => condition.type === 'Established' && condition.status === 'True');
    });
  }

  /** `/apis/apps/v1/namespaces/default/deployments/web` */
  async pathOf({ apiVersion, kind, metadata }: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>): Promise<string> {
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const key = `${apiVersion} ${kind}`;
    // A kind that was defined just now is in the list some moments later.
    await until(`${key} is served`, async () => this.#resources.has(key) || this.#discover(apiVersion, root, key));
    const { name, namespaced } = this.#resources.get(key)!;
    const where = namespaced ? `/namespaces/${metadata.namespace ?? 'default'}` : '';
    return `${root}${where}/${name}/${metadata.name}`;
  }

  async #discover(apiVersion: string, root: string, key: string): Promise<boolean> {
    const { status, body } = await this.call('GET', root);
    const list = status === 200 ? body['resources'] as { name: string; kind: string; namespaced: boolean }[] : [];
    for (const { name, kind, namespaced } of list) {
      if (!name.includes('/')) this.#resources.set(`${apiVersion} ${kind}`, { name, namespaced });
    }
    return this.#resources.has(key);
  }

  async #startEtcd(): Promise<void> {
    const [client, peer] = this.#ports;
    const etcd = new ServerProcess(this.#peers.etcd, [
      '--data-dir', join(this.#folder, 'etcd'), '--unsafe-no-fsync',
      '--listen-client-urls', `http://127.0.0.1:${client}`, '--advertise-client-urls', `http://127.0.0.1:${client}`,
      '--listen-peer-urls', `http://127.0.0.1:${peer}`, '--initial-advertise-peer-urls', `http://127.0.0.1:${peer}`,
      '--initial-cluster', `default=http://127.0.0.1:${peer}`,
    ], { name: 'etcd' });
    this.#etcd = etcd;
    await etcd.until(async () => {
      const answer = await fetch(`http://127.0.0.1:${client}/health`).catch(() => undefined);
      return answer?.ok === true;
    }, START_MS);
  }

  async #ask(method: string, path: string): Promise<number> {
    try {
      const { statusCode, body } = await request(new URL(path, this.url), {
        method: method as 'GET', dispatcher: this.#agent, headers: { authorization: 'Bearer token-admin' },
      });
      await body.dump();
      return statusCode;
    } catch {
      return 0;
    }
  }

  #writeFiles(): void {
    const write = (name: string, text: string): void => writeFileSync(join(this.#folder, name), text, { mode: 0o600 });
    const root = testRoot();
    const leaf = serverLeaf(root, [{ ip: '127.0.0.1' }]);
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    write('ca.crt', root.cert);
    write('server.crt', leaf.cert);
    write('server.key', leaf.key);
    write('sa.pub', publicKey.export({ type: 'spki', format: 'pem' }).toString());
    write('sa.key', privateKey.export({ type: 'pkcs1', format: 'pem' }).toString());
    const lines = Object.entries(USERS).map(([user, group]) => `token-${user},${user},${user},${group}\n`);
    write('tokens.csv', lines.join(''));
  }

  async #close(): Promise<void> {
    await this.#agent.destroy();
    await this.#server?.stop();
    await this.#etcd?.stop();
  }
}
