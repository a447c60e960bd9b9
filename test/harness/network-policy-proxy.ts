// The pod that a NetworkPolicy is about, once for each case, behind one proxy: by the listeners that translation makes.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import { Translator } from '../../control/translate/proxy-resources.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
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

  static async start(t: TestContext, kind: ProxyKind, cases: readonly PolicyCase[]): Promise<PolicyProxy> {
    const free = await freePorts(cases.length);
    const ports = new Map(cases.map((one, at) => [one, free[at]!]));
    const app = await startNamed(t, 'db');
    const made = cases.map(({ specs }, at) => {
      const yaml = WITHOUT_MTLS + SOURCE_PODS + databaseYaml(free[at]!) + networkPolicies(specs, free[at]!);
      return resources(yaml, free[at]!, app);
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

/** What a connection from an address says to `hello`; '' where it is closed instead. */
async function hearFrom(localAddress: string, port: number): Promise<string> {
  const socket = connect({ host: ADDRESS, port, localAddress });
  let text = '';
  socket.setTimeout(5000, () => socket.destroy());
  socket.once('connect', () => socket.write('hello'));
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (text.endsWith('hello')) socket.destroy();
  });
  socket.on('error', () => undefined);
  await once(socket, 'close').catch(() => undefined);
  return text;
}
