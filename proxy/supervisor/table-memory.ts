// Large route tables that come again, almost the same: virtual hosts whose bytes came before are not decoded anew, and
// are the same objects, by which workers know what they have.
import { hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';
import type { RouteConfiguration, VirtualHost } from '../config/route.ts';
import { ROUTE_TYPE } from '../config/type-url.ts';
import type { DecodedResource, DecodedResponse, DecodeResponse } from '../xds/resource-decode.ts';
import { splitTable } from './table-split.ts';
import type { SplitTable } from './table-split.ts';

type Response = Parameters<DecodeResponse>[0];
type Incoming = Response['resources'][number];

/** Of smaller tables nothing is remembered. */
const HOSTS_MIN = 100;
/** Of all tables together, some 150 bytes each; beyond that the table that came longest ago is forgotten. */
const HOSTS_MAX = 100_000;
/** Virtual hosts are hashed for so long before the event loop gets its turn. */
const SLICE_MS = 5;

interface Split extends SplitTable {
  /** Of the bytes of each virtual host. */
  readonly digests: readonly string[];
}

type Hosts = ReadonlyMap<string, VirtualHost>;

export class TableMemory {
  readonly #decode: DecodeResponse;
  readonly #clock: Clock;
  /** By the table's name; what came last is last. */
  readonly #tables = new Map<string, Hosts>();

  /** What `decode` makes of a virtual host must depend on nothing but its bytes. */
  constructor(decode: DecodeResponse, clock: Clock) {
    this.#decode = decode;
    this.#clock = clock;
  }

  /** As `decode`, which is given less. */
  async decode(response: Response): Promise<DecodedResponse> {
    if (response.type !== ROUTE_TYPE) return this.#decode(response);
    const splits = new Map<Incoming, Split>();
    for (const incoming of response.resources) {
      const split = splitTable(incoming.value, HOSTS_MIN);
      if (split !== undefined) splits.set(incoming, { ...split, digests: await this.#digests(split.hosts) });
    }
    if (splits.size === 0) return this.#decode(response);
    return await this.#decodeNew(response, splits) ?? this.#remember(await this.#decode(response), splits);
  }

  /** Virtual hosts of all tables. */
  get size(): number {
    return this.#tables.values().reduce((sum, { size }) => sum + size, 0);
  }

  /** Undefined where anything is to be said of it: that must name its place in the whole table. */
  async #decodeNew(response: Response, splits: ReadonlyMap<Incoming, Split>): Promise<DecodedResponse | undefined> {
    const resources = response.resources.map((incoming) => {
      const split = splits.get(incoming);
      const known = split === undefined ? undefined : this.#tables.get(split.name);
      return split === undefined || known === undefined ? incoming : { ...incoming, value: withoutKnown(split, known) };
    });
    if (resources.every((incoming, at) => incoming === response.resources[at])) return undefined;
    const decoded = await this.#decode({ ...response, resources });
    if (decoded.refused.length > 0 || decoded.warnings.length > 0) return undefined;
    return this.#remember(decoded, splits);
  }

  /** Puts known virtual hosts back into their places. */
  #remember(decoded: DecodedResponse, splits: ReadonlyMap<Incoming, Split>): DecodedResponse {
    const byName = new Map(splits.values().map((split) => [split.name, split]));
    const updated = decoded.updated.map((one) => {
      const split = byName.get(one.name);
      return split === undefined ? one : this.#completed(one, split);
    });
    return { ...decoded, updated };
  }

  #completed(decoded: DecodedResource, { name, digests }: Split): DecodedResource {
    const table = decoded.resource as RouteConfiguration;
    const known = this.#tables.get(name);
    const fresh = table.virtualHosts ?? [];
    const isWhole = fresh.length === digests.length;
    const hosts = new Map<string, VirtualHost>();
    let next = 0;
    const virtualHosts = digests.map((digest) => {
      const before = known?.get(digest);
      const host = before ?? fresh[next]!;
      if (before === undefined || isWhole) next++;
      hosts.set(digest, host);
      return host;
    });
    this.#keep(name, hosts);
    return { ...decoded, resource: { ...table, virtualHosts } };
  }

  #keep(name: string, hosts: Hosts): void {
    this.#tables.delete(name);
    this.#tables.set(name, hosts);
    for (const [oldest] of this.#tables) if (this.size > HOSTS_MAX) this.#tables.delete(oldest);
  }

  async #digests(hosts: readonly Uint8Array[]): Promise<string[]> {
    const digests: string[] = [];
    let untilMs = this.#clock.nowMs() + SLICE_MS;
    for (const host of hosts) {
      digests.push(hash('sha256', host, 'latin1'));
      if (this.#clock.nowMs() < untilMs) continue;
      await nextTurn();
      untilMs = this.#clock.nowMs() + SLICE_MS;
    }
    return digests;
  }
}

/** The table as it would be with its new virtual hosts alone. */
function withoutKnown({ rest, hosts, digests }: Split, known: Hosts): Buffer {
  return Buffer.concat([...rest, ...hosts.filter((_, at) => !known.has(digests[at]!))]);
}
