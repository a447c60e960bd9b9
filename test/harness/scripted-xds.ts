// One proxy's ADS stream, in either variant, to a server that says whatever a test tells it to, in any order.
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { Arrivals, RawXdsServer } from './raw-xds.ts';
import type { Raw, RawAny, RawServerStream, RawXds } from './raw-xds.ts';
import type { ApiType } from './xds-mesh.ts';

/** What a response holds, beside what was sent before; `removed` and `twice` can be said in delta only. */
export interface Scripted {
  readonly set?: Readonly<Record<string, RawAny>>;
  readonly removed?: readonly string[];
  readonly version?: string;
  readonly nonce?: string;
  /** Other than that of what is set. */
  readonly type?: string;
  /** Named without a resource: there is none (VHDS). */
  readonly absent?: readonly string[];
  /** Every resource stands in it twice. */
  readonly twice?: boolean;
}

export interface Answer {
  readonly nonce: string;
  /** '' for an ACK. */
  readonly refusal: string;
}

type Call = ServerDuplexStream<Raw, Raw>;

export class ScriptedXds {
  readonly server: RawXdsServer;
  readonly #apiType: ApiType;
  /** Clusters and listeners, of which state of the world lists all. */
  readonly #whole = new Map<string, Map<string, RawAny>>();
  #delta: RawServerStream | undefined = undefined;
  #sotw: Call | undefined = undefined;
  #requests = new Arrivals<Raw>();
  #nonces = 0;

  constructor(xds: RawXds, apiType: ApiType) {
    this.server = new RawXdsServer(xds);
    this.#apiType = apiType;
  }

  /** Resolves with the first request of the next stream. */
  async connected(): Promise<Raw> {
    if (this.#apiType === 'DELTA_GRPC') {
      this.#delta = await this.server.streams.next();
      return this.#arrivals.next();
    }
    const requests = new Arrivals<Raw>();
    this.#requests = requests;
    this.#sotw = await this.server.sotwStreams.next();
    this.#sotw.on('data', (request: Raw) => requests.push(request));
    this.#sotw.on('error', () => undefined);
    return requests.next();
  }

  /** Ends the stream; the proxy comes back. */
  end(): void {
    this.#delta?.end();
    this.#sotw?.end();
  }

  /** Sends a response and waits until the proxy asks for a resource that it names. */
  async pushFollowed(what: Scripted, type: string, name: string): Promise<void> {
    this.#arrivals.clear();
    this.send(what);
    await this.next(({ type_url: url, resource_names: all, resource_names_subscribe: added }) => (
      url === type && ((all ?? added) as string[]).includes(name)
    ));
  }

  /** The next request that fits; others are kept. */
  next(fits: (request: Raw) => boolean): Promise<Raw> {
    return this.#arrivals.find(fits);
  }

  get #arrivals(): Arrivals<Raw> {
    return this.#delta === undefined ? this.#requests : this.#delta.requests as unknown as Arrivals<Raw>;
  }

  /** Sends a response; resolves with the proxy's answer to its nonce. */
  async push(what: Scripted): Promise<Answer> {
    return this.answerTo(this.send(what));
  }

  async answerTo(nonce: string): Promise<Answer> {
    const request = await this.next(({ response_nonce: answered }) => answered === nonce);
    const error = request['error_detail'] as { message: string } | null;
    return { nonce, refusal: error?.message ?? '' };
  }

  /** Sends one and returns its nonce. */
  send(what: Scripted): string {
    const { set = {}, removed = [], absent = [], version = '1', nonce = `n${++this.#nonces}`, type, twice = false }
      = what;
    const type_url = type ?? Object.values(set)[0]!.type_url;
    if (this.#delta !== undefined) {
      const nothing = absent.map((name) => ({ name, aliases: [name], version, resource: null as unknown as RawAny }));
      const once = [...Object.entries(set).map(([name, resource]) => ({ name, version, resource })), ...nothing];
      this.#delta.send({ type_url, nonce, resources: twice ? [...once, ...once] : once, removed_resources: [...removed],
        system_version_info: version });
      return nonce;
    }
    const resources = this.#resources(type_url, set, removed);
    this.#sotw!.write({ type_url, nonce, version_info: version, resources });
    return nonce;
  }

  #resources(type: string, set: Readonly<Record<string, RawAny>>, removed: readonly string[]): RawAny[] {
    if (!type.endsWith('.Cluster') && !type.endsWith('.Listener')) return Object.values(set);
    const all = this.#whole.get(type) ?? new Map<string, RawAny>();
    this.#whole.set(type, all);
    for (const [name, resource] of Object.entries(set)) all.set(name, resource);
    for (const name of removed) all.delete(name);
    return [...all.values()];
  }
}
