// The DNS proxy: says what names of the mesh mean, and has all else answered by the pod's own resolvers.
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/error.ts';
import { joinHostPort } from '../base/host-port.ts';
import type { Random } from '../base/random.ts';
import type { NameTable } from '../config/name-table.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';
import type { DnsConfig } from './dns-config.ts';
import { DnsForwarder } from './dns-forwarder.ts';
import { DnsListener } from './dns-listener.ts';
import type { Asker } from './dns-listener.ts';
import { answer, failure, HEADER_BYTES, RCODES, readQuery, TYPE_A, TYPE_AAAA } from './dns-message.ts';
import type { Query } from './dns-message.ts';
import { NameLookup } from './name-lookup.ts';
import { ResolvConf } from './resolv-conf.ts';

export interface DnsProxyOptions {
  readonly config: DnsConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: Stats;
  readonly log: ComponentLog;
}

/** What xDS brings: tables by the name of their resource. */
export interface NameChange {
  readonly updated: readonly { readonly name: string; readonly resource: NameTable }[];
  readonly removed: readonly string[];
}

/** As Istio's. */
const TTL_SECONDS = 30;
/** Addresses in one answer (threats.md S87). */
const ADDRESSES_MAX = 256;

const SCOPE: StatScope = { flat: 'dns.', family: 'weft_dns_', labels: [] };
const COUNTERS = [
  'queries', 'mesh_answers', 'forwarded', 'forward_failures', 'forward_timeouts', 'forward_foreign', 'malformed',
  'before_names', 'overflow', 'connections_overflow', 'strangers', 'own_queries',
] as const;
type CounterName = (typeof COUNTERS)[number];

export class DnsProxy {
  readonly #options: DnsProxyOptions;
  readonly #counters: ReadonlyMap<CounterName, Counter>;
  readonly #names: Gauge;
  readonly #tables = new Map<string, NameTable>();
  readonly #resolvers: ResolvConf;
  readonly #forwarder: DnsForwarder;
  readonly #listeners: DnsListener[] = [];
  /** Undefined before the control plane has told the names. */
  #lookup: NameLookup | undefined = undefined;
  #turn = 0;
  #saidLoop = false;

  private constructor(options: DnsProxyOptions) {
    this.#options = options;
    const { config, clock, random, stats } = options;
    this.#counters = new Map(COUNTERS.map((name) => [name, stats.counter(statName(SCOPE, name))]));
    this.#names = stats.gauge(statName(SCOPE, 'names'));
    this.#resolvers = new ResolvConf(config.resolvConf, clock);
    this.#forwarder = new DnsForwarder(random, {
      onTimeout: () => this.#count('forward_timeouts'), onForeign: () => this.#count('forward_foreign'),
    }, config.resolverPort);
  }

  /** Rejects with an Error that says where it cannot listen. */
  static async start(options: DnsProxyOptions): Promise<DnsProxy> {
    const proxy = new DnsProxy(options);
    await proxy.#resolvers.refresh();
    try {
      await proxy.#listen();
    } catch (cause) {
      proxy.stop();
      throw cause;
    }
    return proxy;
  }

  /** Where it listens. */
  get ports(): readonly number[] {
    return this.#listeners.map(({ port }) => port);
  }

  /** Takes the control plane's names. */
  apply({ updated, removed }: NameChange): void {
    for (const name of removed) this.#tables.delete(name);
    for (const { name, resource } of updated) this.#tables.set(name, resource);
    this.#lookup = new NameLookup(this.#options.config.where, this.#tables);
    this.#names.set(this.#lookup.size);
  }

  stop(): void {
    for (const listener of this.#listeners.splice(0)) listener.close();
    this.#forwarder.stop();
  }

  async #listen(): Promise<void> {
    const { config, clock } = this.#options;
    const events = {
      onMessage: (bytes: Buffer, asker: Asker, reply: (answer: Buffer) => void) => this.#onMessage(bytes, asker, reply),
      onStranger: () => this.#count('strangers'), onOverflow: () => this.#count('connections_overflow'),
    };
    for (const { host, port } of config.listen) {
      try {
        this.#listeners.push(await DnsListener.listen({ host, port }, events, clock));
      } catch (cause) {
        // A machine without IPv6 has nobody who would ask there.
        const isAbsent = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes((cause as NodeJS.ErrnoException).code ?? '');
        if (isAbsent && host === '::1') continue;
        throw new Error(`the DNS proxy cannot listen on ${joinHostPort(host, port)}: ${messageOf(cause)}`);
      }
    }
  }

  #onMessage(bytes: Buffer, asker: Asker, reply: (answer: Buffer) => void): void {
    this.#count('queries');
    const query = readQuery(bytes);
    if (query === undefined) {
      this.#count('malformed');
      // A response is nobody's question: to answer it could go on for ever.
      const isQuestion = bytes.length >= HEADER_BYTES && bytes[2]! < 0x80;
      if (isQuestion) reply(failure(bytes, HEADER_BYTES, RCODES.formatError));
      return;
    }
    if (this.#isOwn(asker)) reply(failure(bytes, query.end, RCODES.serverFailure));
    else if (!this.#answer(bytes, query, asker, reply)) this.#forward(bytes, query, asker, reply);
  }

  /** False where the mesh has nothing to say. */
  #answer(bytes: Buffer, query: Query, { isUdp }: Asker, reply: (answer: Buffer) => void): boolean {
    if (this.#lookup === undefined) {
      this.#count('before_names');
      reply(failure(bytes, query.end, RCODES.serverFailure));
      return true;
    }
    const { name, type, isPlain } = query;
    if (name === undefined || !isPlain || (type !== TYPE_A && type !== TYPE_AAAA)) return false;
    const found = this.#lookup.find(name.toLowerCase(), this.#resolvers.current.search[0]);
    if (found === undefined) return false;
    this.#count('mesh_answers');
    const addresses = this.#turned(type === TYPE_A ? found.v4 : found.v6);
    const alias = found.alias === undefined ? undefined : name.slice(0, found.alias.length);
    reply(answer(bytes, query, { addresses, alias, ttl: TTL_SECONDS }, isUdp));
    return true;
  }

  #forward(bytes: Buffer, query: Query, { isUdp }: Asker, reply: (answer: Buffer) => void): void {
    const question = { bytes, end: query.end, isUdp };
    const isTaken = this.#forwarder.ask(question, this.#resolvers.current.servers, (response) => {
      if (response === undefined) this.#count('forward_failures');
      reply(response ?? failure(bytes, query.end, RCODES.serverFailure));
    });
    if (isTaken) {
      this.#count('forwarded');
      return;
    }
    this.#count('overflow');
    reply(failure(bytes, query.end, RCODES.serverFailure));
  }

  /** Clients take the first: it is another one each time. */
  #turned(addresses: readonly string[]): readonly string[] {
    if (addresses.length < 2) return addresses;
    const start = this.#turn++ % addresses.length;
    return [...addresses.slice(start), ...addresses.slice(0, start)].slice(0, ADDRESSES_MAX);
  }

  /** A question of ours that has come back must not go round for ever. */
  #isOwn(asker: Asker): boolean {
    if (!this.#forwarder.isOwn(asker)) return false;
    this.#count('own_queries');
    if (!this.#saidLoop) {
      this.#options.log.error('its own queries are redirected to it: it must run as the user that weft init leaves '
        + 'alone (--uid, 1337 by default)');
    }
    this.#saidLoop = true;
    return true;
  }

  #count(name: CounterName): void {
    this.#counters.get(name)!.inc();
  }
}
