// What a cluster does with the objects of the Gateway API's conformance suite: Deployments become processes with
// addresses of their own, Services have their endpoints, and each Gateway a weft router at an address of its own.
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { addPod, configure, insidePod } from '../../examples/demo/pod-network.ts';
import { serverLeaf, testRoot } from './certificates.ts';
import { meshTls } from './controlled-proxy.ts';
import type { KubeApiServer, KubeObject } from './kube-apiserver.ts';
import type { KubeControl } from './kube-mesh.ts';
import { answers, ServerProcess } from './process.ts';
import { until } from './until.ts';
import { xdsBootstrap } from './xds-mesh.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const NODE = 'node';
/** Upstream's counts of who answered cut a Deployment's name out of `name-hash-pod`. */
const NAME_HASH = '5d4f8c9b7';
const NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';
const START_MS = 60_000;
/** Where each kind of echo-basic listens first. */
const ECHO_PORT = 3000;
/** Of the bridge's network: the first are the backends' and the last the gateways'. */
const BACKEND_FIRST = 11;
const GATEWAY_FIRST = 100;
const ADDRESS_LAST = 254;

type Labels = Readonly<Record<string, string>>;

interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly volumeMounts?: readonly { readonly mountPath: string; readonly name: string }[];
}

interface Template {
  readonly metadata: { readonly labels: Labels };
  readonly spec: {
    readonly containers: readonly [Container];
    readonly volumes?: readonly {
      readonly name: string;
      readonly secret?: {
        readonly secretName: string; readonly items?: readonly { readonly key: string; readonly path: string }[];
      };
    }[];
  };
}

interface ServiceSpec {
  readonly selector?: Labels;
  readonly ports?: readonly {
    readonly name?: string; readonly port: number; readonly targetPort?: number; readonly protocol?: string;
    readonly appProtocol?: string;
  }[];
}

interface Running {
  readonly process: ServerProcess | undefined;
  readonly namespace: string;
  readonly name: string;
}

interface ReadyPod {
  readonly namespace: string;
  readonly labels: Labels;
  readonly name: string;
  readonly ip: string;
}

const keyOf = ({ kind, metadata: { namespace, name } }: KubeObject): string => `${kind} ${namespace ?? ''}/${name}`;

interface ClusterOptions {
  readonly echo: string;
  readonly className: string;
  readonly folder: string;
}

export class GatewayCluster {
  readonly #api: KubeApiServer;
  readonly #control: KubeControl;
  readonly #echo: string;
  readonly #className: string;
  readonly #folder: string;
  readonly #end = new AbortController();
  readonly #running = new Map<string, Running[]>();
  /** All that were started, whatever became of what they were started for. */
  readonly #processes = new Set<ServerProcess>();
  readonly #pods = new Map<string, ReadyPod>();
  readonly #services = new Map<string, KubeObject>();
  readonly #watches: Promise<void>[] = [];
  /** A node's kubelet, as far as the API server asks it what a container has said. */
  readonly #logs: Server;
  #slices: Promise<void> = Promise.resolve();
  /** What went wrong in work that nobody waits for. */
  readonly faults: unknown[] = [];
  #backend = BACKEND_FIRST;
  #gateway = GATEWAY_FIRST;

  /** `echo` is upstream's echo-basic; Gateways of `className` get routers. The bridge `pods` must be there. */
  static async start(api: KubeApiServer, control: KubeControl, options: ClusterOptions): Promise<GatewayCluster> {
    const cluster = new GatewayCluster(api, control, options);
    await cluster.#startLogs();
    cluster.#watches.push(
      cluster.#follow('/apis/apps/v1/deployments', (object) => cluster.#deploy(object)),
      cluster.#follow('/apis/gateway.networking.k8s.io/v1/gateways', (object) => cluster.#route(object)),
      cluster.#followServices(),
    );
    return cluster;
  }

  private constructor(api: KubeApiServer, control: KubeControl, options: ClusterOptions) {
    this.#api = api;
    this.#control = control;
    this.#echo = options.echo;
    this.#className = options.className;
    this.#folder = options.folder;
    const { cert, key } = serverLeaf(testRoot(), [{ ip: '127.0.0.1' }]);
    this.#logs = createServer({ cert, key }, (asked, answer) => {
      const [, kind, namespace, pod] = new URL(asked.url ?? '', 'https://kubelet').pathname.split('/');
      const found = [...this.#running.values()].flat().find((one) => one.namespace === namespace && one.name === pod);
      answer.writeHead(kind === 'containerLogs' && found?.process !== undefined ? 200 : 404);
      answer.end(found?.process?.output);
    });
  }

  async #startLogs(): Promise<void> {
    this.#logs.listen(0, '127.0.0.1');
    await once(this.#logs, 'listening');
    const { port } = this.#logs.address() as AddressInfo;
    await this.#api.apply(JSON.stringify({
      apiVersion: 'v1', kind: 'Node', metadata: { name: NODE },
      status: {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: port } },
      },
    }));
  }

  async close(): Promise<void> {
    this.#logs.close();
    this.#logs.closeAllConnections();
    this.#end.abort();
    await Promise.allSettled([...this.#watches, this.#slices]);
    await Promise.all([...this.#processes].map((process) => process.stop()));
  }

  /** Calls `make` for what is new, and ends what was made for what is gone. */
  async #follow(path: string, make: (object: KubeObject) => Promise<void>): Promise<void> {
    for await (const { type, object } of this.#api.watch(path, this.#end.signal)) {
      const key = keyOf(object);
      if (type === 'ADDED' && !this.#running.has(key)) {
        this.#running.set(key, []);
        void make(object).catch((cause: unknown) => this.faults.push(cause));
      }
      if (type === 'DELETED') void this.#stop(key).catch((cause: unknown) => this.faults.push(cause));
    }
  }

  async #followServices(): Promise<void> {
    for await (const { type, object } of this.#api.watch('/api/v1/services', this.#end.signal)) {
      if (type === 'DELETED') this.#services.delete(keyOf(object));
      else this.#services.set(keyOf(object), object);
      this.#slice(object);
    }
  }

  async #stop(key: string): Promise<void> {
    const all = this.#running.get(key) ?? [];
    this.#running.delete(key);
    for (const { process, namespace, name } of all) {
      this.#changed(namespace, name);
      await this.#api.delete({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name } });
      await process?.stop();
    }
  }

  /** A pod that is ready, or, without `pod`, no more; its Services' endpoints follow. */
  #changed(namespace: string, name: string, pod?: ReadyPod): void {
    const key = `${namespace}/${name}`;
    const { labels } = pod ?? this.#pods.get(key) ?? { labels: {} };
    if (pod === undefined) this.#pods.delete(key);
    else this.#pods.set(key, pod);
    for (const service of this.#services.values()) {
      if (service.metadata.namespace === namespace && selects(service, labels)) this.#slice(service);
    }
  }

  async #deploy(object: KubeObject): Promise<void> {
    const { replicas = 1, template } = object['spec'] as { replicas?: number; template: Template };
    const { namespace = 'default', name } = object.metadata;
    await Promise.all(Array.from({ length: replicas }, async (_, index) => {
      const pod = `${name}-${NAME_HASH}-${index}`;
      const ip = `10.9.0.${this.#backend++}`;
      const network = `b${this.#backend}`;
      addPod(network, ip);
      await this.#apply(podOf(namespace, pod, template.metadata.labels, template.spec.containers[0].name));
      const process = await this.#run(network, namespace, pod, template);
      this.#keep(keyOf(object), { process, namespace, name: pod });
      if (process !== undefined) await process.until(() => accepts(ip, ECHO_PORT), START_MS);
      await this.#ready({ namespace, name: pod, ip, labels: template.metadata.labels });
    }));
  }

  #keep(key: string, running: Running): void {
    const all = this.#running.get(key);
    if (all === undefined) void running.process?.stop();
    else all.push(running);
  }

  /** Undefined for an image that is not echo-basic. */
  async #run(network: string, namespace: string, pod: string, { spec }: Template): Promise<ServerProcess | undefined> {
    const [{ image, env = [], volumeMounts = [] }] = spec.containers;
    if (!/\/echo-(?:basic|advanced):/.test(image)) return undefined;
    const folders = await Promise.all(volumeMounts.map(async ({ name, mountPath }) => (
      [mountPath, await this.#volume(namespace, pod, spec, name)] as const)));
    const seen = (value: string): string => folders.reduce((text, [from, to]) => text.replace(from, to), value);
    const variables = env.flatMap(({ name, value }) => (value === undefined ? [] : [`${name}=${seen(value)}`]));
    const args = ['-i', `POD_NAME=${pod}`, `NAMESPACE=${namespace}`, ...variables, this.#echo];
    return this.#start('ip', insidePod(network, {}, 'env', args), pod);
  }

  #start(command: string, args: readonly string[], name: string): ServerProcess {
    const process = new ServerProcess(command, args, { name });
    this.#processes.add(process);
    void process.ended.then(() => this.#processes.delete(process));
    return process;
  }

  async #volume(namespace: string, pod: string, { volumes = [] }: Template['spec'], name: string): Promise<string> {
    const folder = join(this.#folder, namespace, pod, name);
    mkdirSync(folder, { recursive: true });
    const secret = volumes.find((volume) => volume.name === name)?.secret;
    if (secret === undefined) return folder;
    const path = `/api/v1/namespaces/${namespace}/secrets/${secret.secretName}`;
    const isThere = async (): Promise<boolean> => (await this.#api.call('GET', path)).status === 200;
    await until(`Secret ${secret.secretName}`, isThere, START_MS);
    const data = (await this.#api.call('GET', path)).body['data'] as Record<string, string>;
    for (const item of secret.items ?? []) {
      writeFileSync(join(folder, item.path), Buffer.from(data[item.key] ?? '', 'base64'), { mode: 0o600 });
    }
    return folder;
  }

  async #ready(pod: ReadyPod): Promise<void> {
    const { namespace, name, ip } = pod;
    const at = '2026-01-01T00:00:00Z';
    const conditions = ['Ready', 'ContainersReady', 'PodScheduled', 'Initialized'].map((type) => (
      { type, status: 'True', lastTransitionTime: at }));
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
    await this.#api.call('PATCH', path, {
      status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions },
    }, 'application/merge-patch+json');
    this.#changed(namespace, name, pod);
  }

  /** One after the other, so that the last writes what holds. */
  #slice(service: KubeObject): void {
    this.#slices = this.#slices.then(() => this.#writeSlice(service))
      .catch((cause: unknown) => void this.faults.push(cause));
  }

  async #writeSlice(service: KubeObject): Promise<void> {
    const { namespace = 'default', name } = service.metadata;
    const { selector, ports = [] } = service['spec'] as ServiceSpec;
    if (selector === undefined) return;
    const kind = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' };
    const own = { name: `${name}-own`, namespace };
    if (!this.#services.has(keyOf(service))) {
      await this.#api.delete({ ...kind, metadata: own });
      return;
    }
    const pods = [...this.#pods.values()].filter((pod) => pod.namespace === namespace && selects(service, pod.labels));
    await this.#apply({
      ...kind, addressType: 'IPv4', metadata: { ...own, labels: { 'kubernetes.io/service-name': name } },
      endpoints: pods.map((pod) => ({
        addresses: [pod.ip], conditions: { ready: true, serving: true, terminating: false },
        targetRef: { kind: 'Pod', namespace, name: pod.name },
      })),
      ports: ports.map(({ name: port = '', port: number, targetPort = number, protocol = 'TCP', appProtocol }) => ({
        name: port, port: targetPort, protocol, ...(appProtocol !== undefined && { appProtocol }),
      })),
    });
  }

  /** A weft router on an address that the Gateway's status then tells. */
  async #route(object: KubeObject): Promise<void> {
    const { gatewayClassName } = object['spec'] as { gatewayClassName: string };
    const { namespace = 'default', name } = object.metadata;
    if (gatewayClassName !== this.#className) return;
    if (this.#gateway > ADDRESS_LAST) throw new Error('no addresses are left for gateways');
    const ip = `10.9.0.${this.#gateway++}`;
    configure([`ip addr add ${ip}/32 dev pods`]);
    const labels = { [NAME_LABEL]: name };
    const pod = `gateway-${name}`;
    const process = await this.#router(ip, namespace, pod, labels);
    this.#keep(keyOf(object), { process, namespace, name: pod });
    await this.#apply(podOf(namespace, pod, labels));
    await this.#ready({ namespace, name: pod, ip, labels });
  }

  async #router(ip: string, namespace: string, pod: string, labels: Labels): Promise<ServerProcess> {
    const [admin] = await freePorts(1) as [number];
    const file = join(this.#folder, `${namespace}-${pod}.json`);
    const { secure, rootFile } = this.#control;
    const token = join(this.#folder, `${namespace}-${pod}.token`);
    await this.#apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } });
    writeFileSync(token, await this.#api.serviceAccountToken(namespace, 'default', 'istio-ca'), { mode: 0o600 });
    const tls = { transport_socket: meshTls(dirname(rootFile), namespace) };
    writeFileSync(file, xdsBootstrap(admin, Number(secure.split(':').at(-1)), {
      id: `router~${ip}~${pod}.${namespace}~${namespace}.svc.cluster.local`, cluster: `${pod}.${namespace}`,
      metadata: {
        NAMESPACE: namespace, INSTANCE_IPS: ip, LABELS: labels, SERVICE_ACCOUNT: 'default', WEFT_GATEWAY_LISTEN: ip,
        WEFT_CA: { address: secure, token_file: token, root_file: rootFile, trust_domain: 'cluster.local' },
      },
    }, tls), { mode: 0o600 });
    const args = [WEFT, 'proxy', '-c', file, '--concurrency', '1', '-l', 'warning'];
    const router = this.#start(process.execPath, args, pod);
    await router.until(() => answers(`http://127.0.0.1:${admin}/ready`), START_MS);
    return router;
  }

  async #apply(object: KubeObject): Promise<void> {
    const query = '?fieldManager=cluster&force=true';
    const path = `${await this.#api.pathOf(object)}${query}`;
    const { status, body } = await this.#api.call('PATCH', path, object, 'application/apply-patch+yaml');
    if (status >= 300) throw new Error(`${keyOf(object)}: ${JSON.stringify(body)}`);
  }
}

function selects(service: KubeObject, labels: Labels): boolean {
  const { selector } = service['spec'] as ServiceSpec;
  return selector !== undefined && Object.entries(selector).every(([key, value]) => labels[key] === value);
}

function podOf(namespace: string, name: string, labels: Labels, container = 'app'): KubeObject {
  return {
    apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels },
    spec: { nodeName: NODE, terminationGracePeriodSeconds: 0, containers: [{ name: container, image: 'app' }] },
  };
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false)).once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
