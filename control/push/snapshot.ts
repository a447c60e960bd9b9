// What one proxy is to run: resources by type and name, each encoded once, with a version that is a hash of its bytes.
import { createHash } from 'node:crypto';
import {
  CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, NAME_TABLE_TYPE, ROUTE_TYPE, SECRET_TYPE, VIRTUAL_HOST_TYPE,
} from '../../proxy/config/type-url.ts';
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { OpaqueAny } from '../../proxy/config/discovery.ts';
import type { ClusterLoadAssignment } from '../../proxy/config/endpoint.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import type { NameTable } from '../../proxy/config/name-table.ts';
import type { RouteConfiguration, VirtualHost } from '../../proxy/config/route.ts';
import type { Secret } from '../../proxy/config/tls.ts';
import type { Wire } from '../../proxy/config/wire.ts';
import { TableCodec } from './table-codec.ts';

/** Make before break: what is named is sent before what names it. */
export const PUSH_ORDER: readonly string[] = [
  CLUSTER_TYPE, ENDPOINT_TYPE, SECRET_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE,
  NAME_TABLE_TYPE,
];

/** Envoy's words for the services of the types. */
export const SERVICE_WORDS: ReadonlyMap<string, string> = new Map([
  [CLUSTER_TYPE, 'cds'], [ENDPOINT_TYPE, 'eds'], [SECRET_TYPE, 'sds'], [LISTENER_TYPE, 'lds'], [ROUTE_TYPE, 'rds'],
  [NAME_TABLE_TYPE, 'nds'], [VIRTUAL_HOST_TYPE, 'vhds'],
]);

/** One resource, ready to be sent; the same object for all proxies that are told the same. */
export interface SnapshotResource {
  readonly name: string;
  /** Hash of name and bytes: equal content has an equal version, also after a restart. */
  readonly version: string;
  /** More of that hash, 32 bits each, from which the version of a whole type is made. */
  readonly mark: readonly [number, number];
  /** The model's plain object. */
  readonly resource: unknown;
  readonly any: OpaqueAny;
}

export type ResourcesByName = ReadonlyMap<string, SnapshotResource>;

/** Everything for one proxy. Immutable. */
export interface Snapshot {
  /** By type URL. A type that is missing has no resources. */
  readonly types: ReadonlyMap<string, ResourcesByName>;
  /** Of a lazy proxy: the same with these virtual hosts, as VHDS names them, and what their routes lead to. */
  readonly withHosts?: (names: Iterable<string>) => Snapshot;
}

/** What a name of VHDS stands for; undefined: there is no such host. */
export type FindHost = (name: string) => {
  readonly host: VirtualHost;
  readonly clusters: readonly {
    readonly cluster: Cluster; readonly endpoints: ClusterLoadAssignment | undefined;
  }[];
} | undefined;

export const EMPTY_SNAPSHOT: Snapshot = { types: new Map() };

/** What translation gives. */
export interface SnapshotInput {
  readonly clusters?: readonly Cluster[];
  readonly endpoints?: readonly ClusterLoadAssignment[];
  readonly listeners?: readonly Listener[];
  /** Of clients without a proxy: these have no address. */
  readonly apiListeners?: readonly { readonly name: string }[];
  readonly routes?: readonly RouteConfiguration[];
  readonly secrets?: readonly Secret[];
  /** One, or none. */
  readonly nameTables?: readonly NameTable[];
  /** Of a lazy proxy. */
  readonly onDemand?: FindHost;
}

const NO_RESOURCES: ResourcesByName = new Map<string, SnapshotResource>();

export function resourcesOf(snapshot: Snapshot, typeUrl: string): ResourcesByName {
  return snapshot.types.get(typeUrl) ?? NO_RESOURCES;
}

const VERSION_BYTES = 8;

/**
 * Makes snapshots. A resource object that was seen before is not encoded again, and what is equal in a new object takes
 * the old one's place, so that a thousand proxies with the same cluster hold it once.
 */
export class SnapshotBuilder {
  readonly #wire: Wire;
  readonly #tables: TableCodec;
  readonly #byObject = new WeakMap<object, SnapshotResource>();
  readonly #byVersion = new Map<string, WeakRef<SnapshotResource>>();
  readonly #cleanup = new FinalizationRegistry<string>((key) => this.#forget(key));

  constructor(wire: Wire) {
    this.#wire = wire;
    this.#tables = new TableCodec(wire);
  }

  /** Encodes what build() will need, one resource a step. What cannot be encoded is build's to tell. */
  * steps(input: SnapshotInput): Generator<void, void, undefined> {
    const { clusters = [], endpoints = [], apiListeners = [], routes = [] } = input;
    for (const cluster of clusters) if (this.#tryEncode(CLUSTER_TYPE, cluster.name, cluster)) yield;
    for (const each of endpoints) if (this.#tryEncode(ENDPOINT_TYPE, each.clusterName, each)) yield;
    for (const each of apiListeners) if (this.#tryEncode(LISTENER_TYPE, each.name, each)) yield;
    for (const table of routes) {
      for (const host of table.virtualHosts ?? []) if (this.#tables.prepare(host)) yield;
      if (this.#tryEncode(ROUTE_TYPE, table.name ?? '', table)) yield;
    }
  }

  /** Throws a ConfigError for a resource that protobuf cannot hold: a fault of translation, not of the user. */
  build(input: SnapshotInput): Snapshot {
    const { clusters = [], endpoints = [], listeners = [], apiListeners = [], routes = [] } = input;
    const { secrets = [], nameTables = [], onDemand } = input;
    const bound = [...listeners, ...apiListeners];
    const snapshot: Snapshot = {
      types: new Map([
        [CLUSTER_TYPE, this.#collect(CLUSTER_TYPE, clusters, ({ name }) => name)],
        [ENDPOINT_TYPE, this.#collect(ENDPOINT_TYPE, endpoints, ({ clusterName }) => clusterName)],
        [SECRET_TYPE, this.#collect(SECRET_TYPE, secrets, ({ name }) => name)],
        [LISTENER_TYPE, this.#collect(LISTENER_TYPE, bound, ({ name = '' }) => name)],
        [ROUTE_TYPE, this.#collect(ROUTE_TYPE, routes, ({ name = '' }) => name)],
        [NAME_TABLE_TYPE, this.#collect(NAME_TABLE_TYPE, nameTables, () => 'names')],
      ]),
    };
    if (onDemand === undefined) return snapshot;
    return { ...snapshot, withHosts: (names) => this.#withHosts(snapshot, onDemand, names) };
  }

  #withHosts(snapshot: Snapshot, find: FindHost, names: Iterable<string>): Snapshot {
    const hosts = new Map<string, SnapshotResource>();
    const clusters = new Map(resourcesOf(snapshot, CLUSTER_TYPE));
    const endpoints = new Map(resourcesOf(snapshot, ENDPOINT_TYPE));
    for (const name of names) {
      const found = find(name);
      if (found === undefined) continue;
      hosts.set(name, this.#encode(VIRTUAL_HOST_TYPE, name, found.host));
      for (const made of found.clusters) {
        const { cluster, endpoints: assignment } = made;
        if (clusters.has(cluster.name)) continue;
        clusters.set(cluster.name, this.#encode(CLUSTER_TYPE, cluster.name, cluster));
        if (assignment === undefined) continue;
        const { clusterName } = assignment;
        endpoints.set(clusterName, this.#encode(ENDPOINT_TYPE, clusterName, assignment));
      }
    }
    const types = new Map([
      ...snapshot.types, [CLUSTER_TYPE, clusters], [ENDPOINT_TYPE, endpoints], [VIRTUAL_HOST_TYPE, hosts],
    ]);
    return { types };
  }

  #collect<T extends object>(type: string, resources: readonly T[], nameOf: (resource: T) => string): ResourcesByName {
    const collected = new Map<string, SnapshotResource>();
    for (const resource of resources) collected.set(nameOf(resource), this.#encode(type, nameOf(resource), resource));
    return collected;
  }

  /** Whether there was anything to do. */
  #tryEncode(type: string, name: string, resource: object): boolean {
    if (this.#byObject.has(resource)) return false;
    try {
      this.#encode(type, name, resource);
    } catch {
      return false;
    }
    return true;
  }

  #encode(type: string, name: string, resource: object): SnapshotResource {
    const seen = this.#byObject.get(resource);
    if (seen !== undefined) return seen;
    const value = this.#bytesOf(type, resource);
    const hash = createHash('sha256').update(`${name}\u0000`).update(value).digest();
    const version = hash.toString('hex', 0, VERSION_BYTES);
    const key = `${type} ${version}`;
    let entry = this.#byVersion.get(key)?.deref();
    if (entry === undefined) {
      const mark = [hash.readInt32LE(VERSION_BYTES), hash.readInt32LE(VERSION_BYTES + 4)] as const;
      entry = { name, version, mark, resource, any: { '@type': type, value } };
      this.#byVersion.set(key, new WeakRef(entry));
      this.#cleanup.register(entry, key);
    }
    this.#byObject.set(resource, entry);
    return entry;
  }

  #bytesOf(type: string, resource: object): Uint8Array {
    if (type === ROUTE_TYPE) return this.#tables.encode(resource);
    return this.#wire.encodeAny({ '@type': type, ...resource }).value;
  }

  #forget(key: string): void {
    if (this.#byVersion.get(key)?.deref() === undefined) this.#byVersion.delete(key);
  }
}
