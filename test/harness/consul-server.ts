// Answers as Consul's HTTP API is documented to: catalog, health, blocking queries by index, ACL tokens.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An instance to register; its checks are all passing when absent. */
export interface ConsulRegistration {
  readonly id: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, string>>;
  readonly kind?: string;
  readonly checks?: readonly string[];
  readonly weights?: { readonly Passing: number; readonly Warning: number };
  readonly virtual?: string;
  readonly zone?: string;
}

interface Waiting {
  readonly index: number;
  readonly name: string;
  readonly answer: () => void;
  readonly timer: NodeJS.Timeout;
}

export class ConsulServer {
  readonly #instances = new Map<string, ConsulRegistration>();
  /** Index of the last change, of the whole catalog ('') and of each service. */
  readonly #changed = new Map<string, number>([['', 10]]);
  readonly #waiting = new Set<Waiting>();
  readonly #server: Server;
  /** Requests by path, and the most that waited at one time. */
  readonly asked = new Map<string, number>();
  waitingMost = 0;
  /** Needed in X-Consul-Token when set. */
  token = '';
  #index = 10;
  #port = 0;

  constructor() {
    this.#server = createServer((request, response) => this.#handle(request, response));
  }

  /** On the port that it had before, or a free one. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Drops every connection and listens no more. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const { timer } of this.#waiting) clearTimeout(timer);
    this.#waiting.clear();
    this.#server.closeAllConnections();
    await closed;
  }

  register(...instances: readonly ConsulRegistration[]): void {
    for (const instance of instances) {
      this.#instances.set(instance.id, instance);
      this.#touch(instance.service);
    }
  }

  deregister(id: string): void {
    const service = this.#instances.get(id)?.service;
    this.#instances.delete(id);
    if (service !== undefined) this.#touch(service);
  }

  /** As after a restore from a snapshot: the same catalog by another history. */
  rewind(index: number): void {
    this.#index = index;
    for (const name of this.#changed.keys()) this.#changed.set(name, index);
    for (const waiting of this.#waiting) this.#release(waiting);
  }

  #touch(service: string): void {
    this.#index++;
    this.#changed.set('', this.#index).set(service, this.#index);
    for (const waiting of this.#waiting) if (waiting.name === '' || waiting.name === service) this.#release(waiting);
  }

  #release(waiting: Waiting): void {
    clearTimeout(waiting.timer);
    this.#waiting.delete(waiting);
    waiting.answer();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://consul');
    this.asked.set(pathname, (this.asked.get(pathname) ?? 0) + 1);
    if (this.token !== '' && request.headers['x-consul-token'] !== this.token) {
      response.writeHead(403).end('Permission denied: token with AccessorID \'anonymous\' lacks permission');
      return;
    }
    const service = /^\/v1\/health\/service\/(.+)$/.exec(pathname)?.[1];
    if (service === undefined && pathname !== '/v1/catalog/services') {
      response.writeHead(404).end();
      return;
    }
    const name = service === undefined ? '' : decodeURIComponent(service);
    const answer = (): void => this.#answer(response, name);
    const index = Number(searchParams.get('index') ?? 0);
    if (index === 0 || index !== this.#indexOf(name)) answer();
    else this.#wait({ index, name, answer, waitMs: Number.parseInt(searchParams.get('wait') ?? '300', 10) * 1000 });
  }

  #wait({ waitMs, ...query }: Omit<Waiting, 'timer'> & { readonly waitMs: number }): void {
    const waiting: Waiting = { ...query, timer: setTimeout(() => this.#release(waiting), waitMs) };
    this.#waiting.add(waiting);
    this.waitingMost = Math.max(this.waitingMost, this.#waiting.size);
  }

  /** Of a service that is not there: of the catalog. */
  #indexOf(name: string): number {
    return this.#changed.get(name) ?? this.#changed.get('')!;
  }

  #answer(response: ServerResponse, name: string): void {
    const body = name === '' ? this.#catalog() : this.#health(name);
    response.writeHead(200, { 'content-type': 'application/json', 'x-consul-index': String(this.#indexOf(name)) });
    response.end(JSON.stringify(body));
  }

  #catalog(): Record<string, string[]> {
    const services: Record<string, string[]> = { consul: [] };
    for (const { service, tags = [] } of this.#instances.values()) (services[service] ??= []).push(...tags);
    return services;
  }

  #health(name: string): object[] {
    return [...this.#instances.values()].filter(({ service }) => service === name).map((instance) => ({
      Node: { ID: '40e4a748', Node: 'node-1', Address: '127.0.0.1', Datacenter: 'dc1', Meta: {} },
      Service: {
        ID: instance.id, Service: instance.service, Kind: instance.kind ?? '', Tags: instance.tags ?? [],
        Address: instance.address, Port: instance.port, Meta: instance.meta ?? null, Namespace: 'default',
        Weights: instance.weights ?? { Passing: 1, Warning: 1 },
        TaggedAddresses: instance.virtual === undefined ? {}
          : { 'consul-virtual': { Address: instance.virtual, Port: instance.port } },
        ...(instance.zone !== undefined && { Locality: { Region: 'eu', Zone: instance.zone } }),
      },
      Checks: ['passing', ...instance.checks ?? []].map((Status, at) => (
        { Node: 'node-1', CheckID: `check-${at}`, Name: 'a check', Status, ServiceID: instance.id })),
    }));
  }
}
