// The clients of all configuration sources: one for ADS, and one for each other source and type, files among them.
import { existsSync } from 'node:fs';
import { ConfigError } from '../base/error.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { Bootstrap } from '../config/bootstrap.ts';
import type { ApiConfigSource, ConfigSource, PathConfigSource } from '../config/config-source.ts';
import { ADS_DELTA_PATH, ADS_SOTW_PATH, discoveryPath } from '../config/discovery.ts';
import type { DiscoveryNode } from '../config/discovery.ts';
import { SECRET_TYPE, VIRTUAL_HOST_TYPE } from '../config/type-url.ts';
import type { Wire } from '../config/wire.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import type { Stats } from '../telemetry/stats.ts';
import { DeltaVariant } from './delta-variant.ts';
import { FileClient } from './file-client.ts';
import type { DecodeFile } from './file-client.ts';
import { ManagementServer } from './management-server.ts';
import type { GetServerTls } from './management-server.ts';
import type { Reference } from './references.ts';
import type { DecodeResponse } from './resource-decode.ts';
import { nameOfType } from './resource-type.ts';
import { SotwVariant } from './sotw-variant.ts';
import { XdsClient } from './xds-client.ts';
import type { ResourceBatch, ResourceClient, ResourceOwner } from './resource-client.ts';
import { XdsStats } from './xds-stats.ts';

export interface SourcesOptions {
  readonly bootstrap: Bootstrap;
  /** Who this proxy says it is (discoveryNode in node.ts). */
  readonly node: DiscoveryNode;
  readonly tls: GetServerTls;
  /** Secrets that the agent in this process answers for the source `sds-grpc`; none where there is no agent. */
  readonly ownSecrets: ReadonlySet<string>;
  /** For the protocol's own messages; resources go to `decode`. */
  readonly wire: Wire;
  readonly decode: DecodeResponse;
  readonly decodeFile: DecodeFile;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly stats: Stats;
  readonly log: ComponentLog;
}

/** Cluster of the SDS source that the agent in this process answers (design.md section 7). */
const OWN_SDS_CLUSTER = 'sds-grpc';

/** Where a reference leads: a stream or a file by its key, or `own` for what this process answers itself. */
type Place = { readonly key: string; readonly api: ApiConfigSource; readonly isAds: boolean }
  | { readonly key: string; readonly file: PathConfigSource } | 'own';

/** Names wanted of one client and type. */
interface Wanted {
  readonly client: ResourceClient;
  readonly type: ResourceType;
  readonly names: Set<string>;
}

export class Sources {
  readonly #options: SourcesOptions;
  readonly #owner: ResourceOwner;
  readonly #clients = new Map<string, ResourceClient>();
  #wanted: ReadonlyMap<string, Wanted> = new Map<string, Wanted>();
  #started = false;

  constructor(options: SourcesOptions, owner: ResourceOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  get clients(): Iterable<ResourceClient> {
    return this.#clients.values();
  }

  /** By key: `ads`, `<service> <cluster>` or `<service> <file>`. */
  get byKey(): ReadonlyMap<string, ResourceClient> {
    return this.#clients;
  }

  start(): void {
    this.#started = true;
    for (const client of this.#clients.values()) client.start();
  }

  /** Why nothing can be fetched from where a reference says, or undefined. */
  problem(reference: Reference): string | undefined {
    try {
      const place = this.#place(reference);
      if (place === 'own') return undefined;
      if ('file' in place) return fileProblem(reference, place.file);
      this.#server(place.api);
      if (reference.type !== VIRTUAL_HOST_TYPE || place.api.apiType === 'DELTA_GRPC') return undefined;
      return 'vhds: virtual hosts come over delta xDS; use DELTA_GRPC';
    } catch (cause) {
      if (cause instanceof ConfigError) return cause.message;
      throw cause;
    }
  }

  /** Who fetches it; undefined for what this process answers itself. Throws a ConfigError where problem() has one. */
  client(reference: Reference): ResourceClient | undefined {
    const place = this.#place(reference);
    if (place === 'own') return undefined;
    let client = this.#clients.get(place.key);
    if (client === undefined) {
      client = 'file' in place ? this.#makeFileClient(reference.type, place.file)
        : this.#makeClient(place.api, place.isAds ? undefined : reference.type);
      this.#clients.set(place.key, client);
      if (this.#started) client.start();
    }
    return client;
  }

  /** Asks for exactly these; what was wanted before and is no more, by type. */
  subscribe(references: readonly Reference[]): ResourceBatch[] {
    const wanted = this.#group(references);
    const dropped: ResourceBatch[] = [];
    for (const [key, { client, type, names }] of this.#wanted) {
      const now = wanted.get(key)?.names ?? new Set<string>();
      const removed = [...names.difference(now)];
      if (removed.length > 0) dropped.push({ type, updated: [], removed });
      if (!wanted.has(key)) client.subscribe(type, now);
    }
    for (const { client, type, names } of wanted.values()) client.subscribe(type, names);
    this.#wanted = wanted;
    return dropped;
  }

  #group(references: readonly Reference[]): Map<string, Wanted> {
    const wanted = new Map<string, Wanted>();
    for (const reference of references) {
      const place = this.#place(reference);
      const client = this.client(reference);
      if (place === 'own' || client === undefined) continue;
      const { type, name } = reference;
      const key = `${place.key} ${type}`;
      const group = wanted.get(key) ?? { client, type, names: new Set<string>() };
      wanted.set(key, group);
      group.names.add(name);
    }
    return wanted;
  }

  #place({ type, name, source }: Reference): Place {
    const { ads, apiConfigSource: api } = source;
    if (ads !== undefined) {
      const { adsConfig } = this.#options.bootstrap.dynamicResources ?? {};
      if (adsConfig !== undefined) return { key: 'ads', api: adsConfig, isAds: true };
      throw new ConfigError('', `${nameOfType(type).singular} '${name}' is to come over ADS; there is no ads_config`);
    }
    const file = fileOf(source);
    if (file !== undefined) {
      const key = `${nameOfType(type).service} ${file.path}${file.watchedDirectory === undefined ? '' : ' watched in '
        + file.watchedDirectory.path}`;
      return { key, file };
    }
    if (api === undefined) throw new ConfigError('', `${nameOfType(type).singular} '${name}' has no source`);
    const cluster = clusterOf(api);
    if (type === SECRET_TYPE && cluster === OWN_SDS_CLUSTER && this.#options.ownSecrets.has(name)) return 'own';
    return { key: `${nameOfType(type).service} ${cluster} ${api.apiType}`, api, isAds: false };
  }

  #server(api: ApiConfigSource): ManagementServer {
    const { bootstrap, tls } = this.#options;
    const name = clusterOf(api);
    const cluster = bootstrap.staticResources?.clusters?.find((each) => each.name === name);
    if (cluster !== undefined) return new ManagementServer(cluster, api.grpcServices[0]?.envoyGrpc?.authority, tls);
    if (name !== OWN_SDS_CLUSTER) throw new ConfigError('', `its source '${name}' is no cluster of static_resources`);
    const own = [...this.#options.ownSecrets].join(', ') || 'nothing, because WEFT_CA is not set';
    throw new ConfigError('', `of ${OWN_SDS_CLUSTER} this proxy answers ${own}`);
  }

  #makeFileClient(type: ResourceType, source: PathConfigSource): FileClient {
    const stats = new XdsStats(this.#options.stats, undefined, true);
    return new FileClient({ ...this.#options, type, source, stats }, this.#owner);
  }

  /** `type` is undefined for the aggregated service. */
  #makeClient(api: ApiConfigSource, type: ResourceType | undefined): XdsClient {
    const { wire, stats } = this.#options;
    const server = this.#server(api);
    const isDelta = api.apiType === 'DELTA_GRPC';
    const aggregated = isDelta ? ADS_DELTA_PATH : ADS_SOTW_PATH;
    const headers = api.grpcServices[0]?.initialMetadata ?? [];
    return new XdsClient({
      ...this.#options,
      server,
      path: type === undefined ? aggregated : discoveryPath(type, isDelta ? 'delta' : 'sotw'),
      metadata: headers.map(({ key, value = '' }) => [key, value] as const),
      makeVariant: () => (isDelta ? new DeltaVariant(wire) : new SotwVariant(wire)),
      stats: new XdsStats(stats, type === undefined ? undefined : server.name),
    }, this.#owner);
  }
}

function clusterOf(api: ApiConfigSource): string {
  return api.grpcServices[0]?.envoyGrpc?.clusterName ?? '';
}

function fileOf({ path, pathConfigSource }: ConfigSource): PathConfigSource | undefined {
  return pathConfigSource ?? (path === undefined ? undefined : { path });
}

/** As in Envoy the file is there from the beginning; what is missing later is waited for. */
function fileProblem({ type }: Reference, { path, watchedDirectory }: PathConfigSource): string | undefined {
  if (type === VIRTUAL_HOST_TYPE) return 'vhds: virtual hosts come over delta xDS; use DELTA_GRPC';
  const missing = [path, ...(watchedDirectory === undefined ? [] : [watchedDirectory.path])]
    .find((each) => !existsSync(each));
  return missing === undefined ? undefined : `path_config_source: there is no ${missing}`;
}
