// As much of Kubernetes' API as a real istiod reads: objects that the test gives, by list and by watch. Nothing is
// checked, and what is written is answered as if it had been kept.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

interface Watch {
  readonly resource: string;
  readonly response: ServerResponse;
}

const VERSION = { major: '1', minor: '36', gitVersion: 'v1.36.0' };
/** `/api/v1/…` and `/apis/GROUP/VERSION/…`, with or without a namespace, and maybe a name. */
const PATH =
  /^\/(?:api|apis\/[^/]+)\/[^/]+\/(?:namespaces\/(?<namespace>[^/]+)\/)?(?<resource>[a-z]+)(?:\/(?<name>[^/]+))?/;

export class KubeStub {
  readonly #server: Server;
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #watches = new Set<Watch>();
  #version = 1;

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<KubeStub> {
    const stub = new KubeStub();
    stub.#server.listen(0, '127.0.0.1');
    await once(stub.#server, 'listening');
    return stub;
  }

  /** For --kubeconfig. */
  get kubeconfig(): string {
    const server = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return JSON.stringify({
      apiVersion: 'v1', kind: 'Config', 'current-context': 'test', users: [{ name: 'test', user: {} }],
      clusters: [{ name: 'test', cluster: { server } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    });
  }

  /** New, or in place of the one of this name. */
  put(object: KubeObject): void {
    const resource = resourceOf(object.kind);
    const kept = this.#objects.getOrInsertComputed(resource, () => new Map<string, KubeObject>());
    const { name, namespace = '' } = object.metadata;
    const key = `${namespace}/${name}`;
    const type = kept.has(key) ? 'MODIFIED' : 'ADDED';
    const version = String(++this.#version);
    const metadata = { uid: `uid-${resource}-${key}`, ...object.metadata, resourceVersion: version };
    const whole = { ...object, metadata };
    kept.set(key, whole);
    for (const watch of this.#watches) if (watch.resource === resource) send(watch.response, type, whole);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://stub');
    response.setHeader('content-type', 'application/json');
    if (url.pathname === '/version') return void response.end(JSON.stringify(VERSION));
    const { namespace, resource, name } = PATH.exec(url.pathname)?.groups ?? {};
    if (resource === undefined) return notFound(response);
    if (request.method !== 'GET') return written(request, response);
    const found = [...this.#objects.get(resource)?.values() ?? []]
      .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace);
    if (name !== undefined) {
      const object = found.find(({ metadata }) => metadata.name === name);
      return object === undefined ? notFound(response) : void response.end(JSON.stringify(object));
    }
    if (url.searchParams.get('watch') !== null) return this.#watch(resource, response, url, found);
    const kind = String(request.headers.accept).includes('PartialObjectMetadataList')
      ? { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadataList' } : listKind(url.pathname, resource);
    response.end(JSON.stringify({ ...kind, metadata: { resourceVersion: String(this.#version) }, items: found }));
  }

  #watch(resource: string, response: ServerResponse, url: URL, found: readonly KubeObject[]): void {
    const watch = { resource, response };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    response.flushHeaders();
    if (url.searchParams.get('sendInitialEvents') !== 'true') return;
    for (const object of found) send(response, 'ADDED', object);
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    const kind = { ...listKind(url.pathname, resource), kind: kindOf(resource) };
    send(response, 'BOOKMARK', { ...kind, metadata: { resourceVersion: String(this.#version), annotations } });
  }
}

const KINDS: Readonly<Record<string, string>> = {
  services: 'Service', pods: 'Pod', nodes: 'Node', namespaces: 'Namespace', secrets: 'Secret', configmaps: 'ConfigMap',
  endpointslices: 'EndpointSlice', serviceaccounts: 'ServiceAccount', ingresses: 'Ingress',
  ingressclasses: 'IngressClass', customresourcedefinitions: 'CustomResourceDefinition',
  mutatingwebhookconfigurations: 'MutatingWebhookConfiguration',
  validatingwebhookconfigurations: 'ValidatingWebhookConfiguration',
};

function kindOf(resource: string): string {
  return KINDS[resource] ?? resource;
}

function resourceOf(kind: string): string {
  return Object.keys(KINDS).find((resource) => KINDS[resource] === kind) ?? `${kind.toLowerCase()}s`;
}

function listKind(path: string, resource: string): { apiVersion: string; kind: string } {
  const [, root, first = '', second = ''] = path.split('/');
  return { apiVersion: root === 'api' ? first : `${first}/${second}`, kind: `${kindOf(resource)}List` };
}

function send(response: ServerResponse, type: string, object: object): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

async function written(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const object = request.method === 'DELETE' ? {} : await json(request) as Record<string, unknown>;
  const metadata = { ...object['metadata'] as object, resourceVersion: '1' };
  // Whoever asks whether he may read a secret may.
  const status = object['kind'] === 'SubjectAccessReview' ? { status: { allowed: true } } : {};
  response.statusCode = request.method === 'POST' ? 201 : 200;
  response.end(JSON.stringify({ ...object, metadata, ...status }));
}

function notFound(response: ServerResponse): void {
  response.statusCode = 404;
  response.end(JSON.stringify({ apiVersion: 'v1', kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404 }));
}
