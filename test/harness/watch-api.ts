// An HTTP server that speaks Kubernetes' list and watch, with the faults of a real one at a test's word.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pluralOf } from '../../control/source/kube-resource.ts';
import { temporaryFolder } from './openssl.ts';

export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

interface Change {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: ApiObject;
}

interface Watcher {
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly response: ServerResponse;
}

export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly body: ApiObject | undefined;
}

export interface ListRequest {
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly query: URLSearchParams;
}

export class WatchApi {
  readonly #server: Server;
  readonly #folder: string;
  readonly #objects = new Map<string, ApiObject>();
  readonly #history: Change[] = [];
  readonly #watchers = new Set<Watcher>();
  /** Versions above 1 of a group that are not served, and resources that are not: `virtualservices`. */
  readonly absent = new Set<string>();
  /** Resources that this account may not read. */
  readonly denied = new Set<string>();
  /** A status for everything, as while the server starts. */
  refuseAll: number | undefined = undefined;
  /** Every list and watch that was asked for. */
  readonly requests: ListRequest[] = [];
  /** Every call about one object. */
  readonly calls: ApiCall[] = [];
  /** Called before each page of a list is answered; true when it answered itself. */
  onList: (request: ListRequest, response: ServerResponse) => boolean = () => false;
  #version = 100;
  #compacted = 0;

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.#folder = folder;
    server.on('request', (request, response) => this.#answer(request, response));
  }

  /** Ends with the test. */
  static async start(t: TestContext): Promise<WatchApi> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    return new WatchApi(server, temporaryFolder(t));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  kubeconfig(): string {
    const path = join(this.#folder, 'kubeconfig');
    writeFileSync(path, JSON.stringify({
      apiVersion: 'v1', kind: 'Config', 'current-context': 'test',
      clusters: [{ name: 'test', cluster: { server: this.url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'test', user: { token: 'token' } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    }));
    return path;
  }

  put(object: ApiObject): void {
    const key = keyOf(object);
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    this.#change(type, { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } });
  }

  remove(object: ApiObject): void {
    const known = this.#objects.get(keyOf(object)) ?? object;
    this.#change('DELETED', { ...known, metadata: { ...known.metadata, resourceVersion: String(++this.#version) } });
  }

  /** Nothing older than now can be watched from any more. */
  compact(): void {
    this.#compacted = ++this.#version;
  }

  /** Objects change while nobody is told: what a watch that broke missed. */
  silently(change: () => void): void {
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    change();
    for (const watcher of watchers) this.#watchers.add(watcher);
  }

  watching(plural: string): number {
    return [...this.#watchers].filter((watcher) => watcher.plural === plural).length;
  }

  lists(plural: string): ListRequest[] {
    return this.requests.filter((request) => request.plural === plural && !request.query.has('watch'));
  }

  /** Writes `text` into the watches of a resource. */
  write(plural: string, text: string | Buffer): void {
    for (const watcher of this.#watchers) if (watcher.plural === plural) watcher.response.write(text);
  }

  bookmark(plural: string): void {
    const metadata = { resourceVersion: String(++this.#version) };
    this.write(plural, `${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'x', metadata } })}\n`);
  }

  /** Breaks the connections of the watches; `text` comes before. */
  cut(plural: string, text = ''): void {
    for (const watcher of this.#watchers) {
      if (watcher.plural !== plural) continue;
      this.#watchers.delete(watcher);
      if (text === '') watcher.response.destroy();
      else watcher.response.write(text, () => watcher.response.destroy());
    }
  }

  #change(type: Change['type'], object: ApiObject): void {
    if (type === 'DELETED') this.#objects.delete(keyOf(object));
    else this.#objects.set(keyOf(object), object);
    const change = { version: this.#version, type, object };
    this.#history.push(change);
    for (const watcher of this.#watchers) tell(watcher, change);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url);
    if (request.method !== 'GET' || /\/namespaces\/[^/]+\/[^/]+\/[^/]+/.test(url.pathname)) {
      void this.#objectCall(request, url.pathname, response);
      return;
    }
    const [, version = '', namespace, plural = ''] =
      /^\/apis?\/(?:[^/]+\/)?(v[^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)$/.exec(url.pathname) ?? [];
    const asked = { plural, namespace, query: url.searchParams };
    this.requests.push(asked);
    if (this.refuseAll !== undefined) return refuse(response, this.refuseAll, '', `${this.refuseAll} for all`);
    if (request.headers.authorization !== 'Bearer token') return refuse(response, 401, 'Unauthorized', 'who?');
    if (this.denied.has(plural)) {
      return refuse(response, 403, 'Forbidden', `${plural} is forbidden: User "test" cannot list resource "${plural}"`);
    }
    if (plural === '' || this.absent.has(plural) || this.absent.has(`${plural}/${version}`)) {
      return refuse(response, 404, 'NotFound', 'the server could not find the requested resource');
    }
    if (asked.query.has('watch')) return this.#watch(asked, response);
    if (!this.onList(asked, response)) this.#list(asked, response);
  }

  /** One object: what a Lease and a status subresource need, with versions that must fit. */
  async #objectCall(request: IncomingMessage, path: string, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const method = request.method ?? '';
    if (this.refuseAll !== undefined) return refuse(response, this.refuseAll, '', `${this.refuseAll} for all`);
    const text = Buffer.concat(chunks).toString();
    const body = text === '' ? undefined : JSON.parse(text) as ApiObject;
    const target = (method === 'POST' ? `${path}/${body?.metadata.name ?? ''}` : path).replace(/\/status$/, '');
    const [, namespace = '', plural = '', own = ''] = /\/namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(target) ?? [];
    const find = (): ApiObject | undefined => [...this.#objects.values()].find(({ kind, metadata }) =>
      pluralOf(kind) === plural && metadata.namespace === namespace && metadata.name === own);
    const known = find();
    this.calls.push({ method, path, body });
    if (known === undefined && method !== 'POST') return refuse(response, 404, 'NotFound', `${own} not found`);
    if (known !== undefined && method === 'POST') return refuse(response, 409, 'AlreadyExists', `${own} exists`);
    const version = body?.metadata['resourceVersion'];
    if (method !== 'GET' && version !== undefined && version !== known?.metadata['resourceVersion']) {
      return refuse(response, 409, 'Conflict', 'the object has been modified');
    }
    if (method === 'PUT' || method === 'POST') this.put(body as ApiObject);
    if (method === 'PATCH') this.put({ ...known!, status: body?.['status'] });
    json(response, 200, find());
  }

  #list({ plural, namespace, query }: ListRequest, response: ServerResponse): void {
    const [version = '', start = '0'] = (query.get('continue') ?? `${this.#version}:0`).split(':');
    const end = Number(start) + Number(query.get('limit') ?? 500);
    const all = [...this.#objects.values()].filter((object) => fits({ plural, namespace }, object));
    json(response, 200, {
      kind: 'List', apiVersion: 'v1',
      metadata: { resourceVersion: version, ...(end < all.length && { continue: `${version}:${end}` }) },
      // As the real one: items of a list do not say what they are.
      items: all.slice(Number(start), end).map((item) => ({ ...item, apiVersion: undefined, kind: undefined })),
    });
  }

  #watch({ plural, namespace, query }: ListRequest, response: ServerResponse): void {
    const since = Number(query.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    if (since < this.#compacted) {
      const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
      response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
      return;
    }
    response.flushHeaders();
    const watcher = { plural, namespace, response };
    for (const change of this.#history) if (change.version > since) tell(watcher, change);
    this.#watchers.add(watcher);
    response.once('close', () => this.#watchers.delete(watcher));
  }
}

function tell(watcher: Watcher, { type, object }: Change): void {
  if (fits(watcher, object)) watcher.response.write(`${JSON.stringify({ type, object })}\n`);
}

function fits({ plural, namespace }: Pick<ListRequest, 'plural' | 'namespace'>, object: ApiObject): boolean {
  return pluralOf(object.kind) === plural && (namespace === undefined || object.metadata.namespace === namespace);
}

function keyOf({ kind, metadata: { namespace = '', name } }: ApiObject): string {
  return `${kind} ${namespace}/${name}`;
}

function refuse(response: ServerResponse, code: number, reason: string, message: string): void {
  json(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message });
}

function json(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
