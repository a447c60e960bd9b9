// The pod that a NetworkPolicy is about, once for each case, behind one proxy: by the listeners that translation makes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as tlsConnect, type ConnectionOptions } from 'node:tls';
import type { TestContext } from 'node:test';
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { FilterChain, Listener } from '../../proxy/config/listener.ts';
import type { CommonTlsContext } from '../../proxy/config/tls.ts';
import { DOWNSTREAM_TLS_TYPE } from '../../proxy/config/type-url.ts';
import { Translator } from '../../control/translate/proxy-resources.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { testLeaf, testRoot, TRUST_DOMAIN, type TestCertificate } from './certificates.ts';
import { WITHOUT_MTLS } from './controlled-proxy.ts';
import { nodeOf, viewOf } from './mesh-fixture.ts';
import { startNamed } from './named-server.ts';
import { networkPolicies, SOURCE_PODS, SOURCES, type PolicyCase, type Source } from './network-policy-cases.ts';
import { ProxyProcess, type ProxyKind } from './proxy-process.ts';

const ADDRESS = '127.17.0.9';

/** Pod `db` of role db, that serves bytes at a port called data. */
const databaseYaml = (port: number): string => `---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: default }
spec: { selector: { role: db }, ports: [{ name: tcp-data, port: ${port} }] }
---
apiVersion: v1
kind: Pod
metadata: { name: db, namespace: default, labels: { role: db } }
spec: { serviceAccountName: db, containers: [{ name: db, ports: [{ name: data, containerPort: ${port} }] }] }
status: { podIP: ${ADDRESS}, phase: Running }
`;

export class PolicyProxy implements AsyncDisposable {
  readonly #proxy: ProxyProcess;
  readonly #ports: ReadonlyMap<PolicyCase, number>;

  private constructor(proxy: ProxyProcess, ports: ReadonlyMap<PolicyCase, number>) {
    this.#proxy = proxy;
    this.#ports = ports;
  }

  /** With a root, ports take mutual TLS too (PERMISSIVE), by certificates that it has signed. */
  static async start(
    t: TestContext, kind: ProxyKind, cases: readonly PolicyCase[], root?: TestCertificate,
  ): Promise<PolicyProxy> {
    const free = await freePorts(cases.length);
    const ports = new Map(cases.map((one, at) => [one, free[at]!]));
    const app = await startNamed(t, 'db');
    const made = cases.map(({ specs }, at) => {
      const yaml = (root === undefined ? WITHOUT_MTLS : '') + SOURCE_PODS + databaseYaml(free[at]!)
        + networkPolicies(specs, free[at]!);
      const { listener, cluster } = resources(yaml, free[at]!, app);
      return { listener: root === undefined ? listener : secured(listener, root), cluster };
    });
    const proxy = await ProxyProcess.start(kind, {
      node: { id: 'db', cluster: 'db' },
      static_resources: {
        listeners: made.map(({ listener }) => listener), clusters: made.map(({ cluster }) => cluster),
      },
    });
    return new PolicyProxy(proxy, ports);
  }

  /** Who gets an answer. */
  async allowed(one: PolicyCase): Promise<Source[]> {
    const port = this.#ports.get(one)!;
    const answers = await Promise.all(Object.entries(SOURCES).map(async ([source, address]) => (
      { source: source as Source, text: await hearFrom(address, port) })));
    return answers.filter(({ text }) => text === 'db|hello').map(({ source }) => source);
  }

  /** What is heard from an address, in plaintext or by a certificate. */
  hear(one: PolicyCase, address: string, certificate?: TestCertificate): Promise<string> {
    const tls = certificate === undefined ? undefined : {
      cert: certificate.chain, key: certificate.key, rejectUnauthorized: false, ALPNProtocols: ['istio'],
    };
    return hearFrom(address, this.#ports.get(one)!, tls);
  }

  stat(name: string): Promise<number> {
    return this.#proxy.stat(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy[Symbol.asyncDispose]();
  }
}

function resources(yaml: string, port: number, app: number): { listener: Listener; cluster: Cluster } {
  const node = nodeOf({ LABELS: { role: 'db' }, WEFT_APP_PORTS: { [port]: `127.0.0.1:${app}` } },
    { id: `sidecar~${ADDRESS}~db.default~default.svc.cluster.local` });
  const { listeners, clusters } = new Translator(viewOf(yaml)).resourcesFor(node);
  const listener = listeners.find(({ name }) => name === `${ADDRESS}_${port}`);
  const cluster = clusters.find(({ name }) => name === `inbound|${port}||`);
  if (listener === undefined || cluster === undefined) throw new Error(`no listener for port ${port}`);
  return { listener, cluster };
}

/** Mutual TLS of a mesh whose certificates are these and not an agent's. */
function secured(listener: Listener, root: TestCertificate): Listener {
  const leaf = testLeaf(root, { identity: `spiffe://${TRUST_DOMAIN}/ns/default/sa/db` });
  const context: CommonTlsContext = {
    tlsCertificates: [{ certificateChain: { inlineString: leaf.chain }, privateKey: { inlineString: leaf.key } }],
    validationContext: { trustedCa: { inlineString: root.cert } },
    alpnProtocols: ['istio'],
  };
  const filterChains = (listener.filterChains ?? []).map((chain): FilterChain => (chain.transportSocket === undefined
    ? chain : { ...chain, transportSocket: {
      name: 'tls',
      typedConfig: { '@type': DOWNSTREAM_TLS_TYPE, commonTlsContext: context, requireClientCertificate: true },
    } }));
  return { ...listener, filterChains };
}

/** What a connection from an address says to `hello`; '' where it is closed instead. */
async function hearFrom(localAddress: string, port: number, tls?: ConnectionOptions): Promise<string> {
  const target = { host: ADDRESS, port, localAddress };
  const socket = tls === undefined ? connect(target) : tlsConnect({ ...target, ...tls });
  let text = '';
  socket.setTimeout(5000, () => socket.destroy());
  socket.once(tls === undefined ? 'connect' : 'secureConnect', () => socket.write('hello'));
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (text.endsWith('hello')) socket.destroy();
  });
  socket.on('error', () => undefined);
  await once(socket, 'close').catch(() => undefined);
  return text;
}

/** Who is let in whose certificate and address say different things; the same of every proxy. */
export async function judgeIdentities(t: TestContext, kind: ProxyKind): Promise<void> {
  const root = testRoot();
  const named = (name: string): TestCertificate =>
    testLeaf(root, { identity: `spiffe://${TRUST_DOMAIN}/ns/default/sa/${name}` });
  const [frontend, backend] = [named('frontend'), named('backend')];
  const pods = caseOf('{ ingress: [{ from: [{ podSelector: { matchLabels: { role: frontend } } }] }] }');
  const namespace = caseOf('{ ingress: [{ from: [{ podSelector: {} }] }] }');
  const block = caseOf('{ ingress: [{ from: [{ ipBlock: { cidr: 127.17.0.0/16 } }] }] }');
  await using proxy = await PolicyProxy.start(t, kind, [pods, namespace, block], root);
  const { frontend: own, far } = SOURCES;
  const heard = async (one: PolicyCase, from: string, certificate?: TestCertificate): Promise<boolean> =>
    (await proxy.hear(one, from, certificate)) === 'db|hello';
  assert.equal(await heard(pods, far, frontend), true, 'who shows its certificate, wherever it is');
  assert.equal(await heard(pods, own, backend), false, 'who shows another, at the address too');
  assert.equal(await heard(pods, own), true, 'who shows none, by its address');
  assert.equal(await heard(pods, far), false, 'nor anybody else');
  assert.equal(await heard(namespace, far, named('nobody-knows')), true, 'all of a namespace by its name');
  assert.equal(await heard(block, own, backend), true, 'a block is about addresses');
  assert.equal(await heard(block, far, frontend), false, 'whoever it is');
}

function caseOf(spec: string): PolicyCase {
  return { name: spec, specs: [spec], allowed: [] };
}
