// /config_dump: the configuration in force in Envoy's shape and spelling, private keys left out.
import { Bootstrap } from '../config/bootstrap.ts';
import { Cluster } from '../config/cluster.ts';
import { encodeSnake } from '../config/encode.ts';
import { ClusterLoadAssignment } from '../config/endpoint.ts';
import { Listener } from '../config/listener.ts';
import { RouteConfiguration } from '../config/route.ts';
import type { Schema } from '../config/schema.ts';
import { Secret } from '../config/tls.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from '../config/type-url.ts';
import type { AdminResponse } from './admin-response.ts';
import { flag, json, text } from './admin-response.ts';
import type { ConfigSnapshot, DumpResource } from './admin-source.ts';
import type { NameFilter } from './name-filter.ts';
import { matchFilter } from './name-filter.ts';

const ADMIN = 'type.googleapis.com/envoy.admin.v3.';

type Json = Readonly<Record<string, unknown>>;

/** A list in a section (`static_clusters`), and the type of its items when they are asked for alone. */
interface DumpList {
  readonly field: string;
  readonly type: string;
  readonly items: readonly Json[];
}

interface Section {
  readonly type: string;
  readonly fields: Json;
  readonly lists: readonly DumpList[];
}

const iso = (wallMs: number): string => new Date(wallMs).toISOString();

/** Answers with ?resource, ?mask, ?name_regex and ?include_eds. Throws ConfigError for a bad pattern. */
export function configDumpResponse(config: ConfigSnapshot, query: URLSearchParams): AdminResponse {
  const wanted = query.get('resource');
  const named = matchFilter(query.get('name_regex'));
  const all = sections(config, named, flag(query, 'include_eds') || wanted?.includes('endpoint') === true);
  const paths = query.get('mask')?.split(',').filter((path) => path !== '') ?? [];
  if (wanted === null) return json({ configs: all.map((section) => mask(whole(section), paths)) });
  const list = all.flatMap(({ lists }) => lists).find(({ field }) => field === wanted);
  if (list === undefined) return text(`${wanted} not found in config dump\n`, 404);
  return json({ configs: list.items.map((item) => mask({ '@type': ADMIN + list.type, ...item }, paths)) });
}

/** Empty lists are left out, as in Envoy. */
function whole({ type, fields, lists }: Section): Json {
  const filled = lists.filter(({ items }) => items.length > 0);
  return { '@type': ADMIN + type, ...fields, ...Object.fromEntries(filled.map(({ field, items }) => [field, items])) };
}

function sections(config: ConfigSnapshot, named: NameFilter, withEndpoints: boolean): Section[] {
  const bootstrap = { bootstrap: encodeSnake(Bootstrap, config.bootstrap), last_updated: iso(config.bootstrapWallMs) };
  const all: Section[] = [
    { type: 'BootstrapConfigDump', fields: bootstrap, lists: [] },
    clusterSection(config.clusters.filter(({ name }) => named(name))),
  ];
  if (withEndpoints) all.push(endpointSection(config.endpoints.filter(({ name }) => named(name))));
  all.push(
    listenerSection(config.listeners.filter(({ name }) => named(name))),
    routeSection([...config.routes, ...inlineRoutes(config.listeners)].filter(({ name }) => named(name))),
    secretSection(config.secrets.filter(({ name }) => named(name))),
  );
  return all;
}

function encoded<T>(schema: Schema<T>, type: string, { resource }: DumpResource): Json {
  return { '@type': type, ...(encodeSnake(schema, resource as T) as Json) };
}

const only = (resources: readonly DumpResource[], origin: DumpResource['origin']): readonly DumpResource[] =>
  resources.filter((resource) => resource.origin === origin);

/** The version of a type: the last one that anything of it came with. */
function versionInfo(resources: readonly DumpResource[]): Json {
  const last = resources.toSorted((a, b) => b.updatedWallMs - a.updatedWallMs).find(({ version }) => version !== '');
  return last === undefined ? {} : { version_info: last.version };
}

/** Sections whose items hold one resource under a key, plainly when static and with a version when dynamic. */
function plainLists<T>(
  resources: readonly DumpResource[], schema: Schema<T>, type: string, key: string,
  [staticList, dynamicList]: readonly [readonly [string, string], readonly [string, string]],
): DumpList[] {
  const item = (resource: DumpResource): Json =>
    ({ [key]: encoded(schema, type, resource), last_updated: iso(resource.updatedWallMs) });
  return [
    { field: staticList[0], type: staticList[1], items: only(resources, 'static').map(item) },
    {
      field: dynamicList[0], type: dynamicList[1],
      items: only(resources, 'dynamic').map((resource) => ({ version_info: resource.version, ...item(resource) })),
    },
  ];
}

function clusterSection(resources: readonly DumpResource[]): Section {
  return {
    type: 'ClustersConfigDump',
    fields: versionInfo(resources),
    lists: plainLists(resources, Cluster, CLUSTER_TYPE, 'cluster', [
      ['static_clusters', 'ClustersConfigDump.StaticCluster'],
      ['dynamic_active_clusters', 'ClustersConfigDump.DynamicCluster'],
    ]),
  };
}

function endpointSection(resources: readonly DumpResource[]): Section {
  return {
    type: 'EndpointsConfigDump',
    fields: {},
    lists: plainLists(resources, ClusterLoadAssignment, ENDPOINT_TYPE, 'endpoint_config', [
      ['static_endpoint_configs', 'EndpointsConfigDump.StaticEndpointConfig'],
      ['dynamic_endpoint_configs', 'EndpointsConfigDump.DynamicEndpointConfig'],
    ]),
  };
}

/** Tables that stand in their connection manager are static, whoever sent the listener. */
function inlineRoutes(listeners: readonly DumpResource[]): DumpResource[] {
  return listeners.flatMap(({ resource, updatedWallMs }) => {
    const { filterChains = [], defaultFilterChain } = resource as Listener;
    const chains = defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
    const tables = chains.flatMap(({ filters = [] }) => filters.flatMap(({ typedConfig }) => {
      return 'routeConfig' in typedConfig && typedConfig.routeConfig !== undefined ? [typedConfig.routeConfig] : [];
    }));
    return tables.map((table): DumpResource =>
      ({ name: table.name ?? '', resource: table, origin: 'static', version: '', updatedWallMs }));
  });
}

function routeSection(resources: readonly DumpResource[]): Section {
  return {
    type: 'RoutesConfigDump',
    fields: {},
    lists: plainLists(resources, RouteConfiguration, ROUTE_TYPE, 'route_config', [
      ['static_route_configs', 'RoutesConfigDump.StaticRouteConfig'],
      ['dynamic_route_configs', 'RoutesConfigDump.DynamicRouteConfig'],
    ]),
  };
}

function listenerSection(resources: readonly DumpResource[]): Section {
  const item = (resource: DumpResource): Json =>
    ({ listener: encoded(Listener, LISTENER_TYPE, resource), last_updated: iso(resource.updatedWallMs) });
  const dynamic = only(resources, 'dynamic').map((resource) =>
    ({ name: resource.name, active_state: { version_info: resource.version, ...item(resource) } }));
  const fixed = only(resources, 'static').map(item);
  return {
    type: 'ListenersConfigDump',
    fields: versionInfo(resources),
    lists: [
      { field: 'static_listeners', type: 'ListenersConfigDump.StaticListener', items: fixed },
      { field: 'dynamic_listeners', type: 'ListenersConfigDump.DynamicListener', items: dynamic },
    ],
  };
}

function secretSection(resources: readonly DumpResource[]): Section {
  const item = (resource: DumpResource): Json => ({
    name: resource.name,
    ...(resource.version !== '' && { version_info: resource.version }),
    last_updated: iso(resource.updatedWallMs),
    secret: encoded(Secret, SECRET_TYPE, resource),
  });
  return {
    type: 'SecretsConfigDump',
    fields: {},
    lists: [
      { field: 'static_secrets', type: 'SecretsConfigDump.StaticSecret', items: only(resources, 'static').map(item) },
      {
        field: 'dynamic_active_secrets', type: 'SecretsConfigDump.DynamicSecret',
        items: only(resources, 'dynamic').map(item),
      },
    ],
  };
}

/** Keeps what the paths name (`cluster.name`), and '@type'; no path keeps everything. */
function mask(item: Json, paths: readonly string[]): Json {
  if (paths.length === 0) return item;
  const below = new Map<string, string[]>();
  for (const path of paths) {
    const dot = path.indexOf('.');
    const key = dot === -1 ? path : path.slice(0, dot);
    below.set(key, [...(below.get(key) ?? []), ...(dot === -1 ? [] : [path.slice(dot + 1)])]);
  }
  const kept = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(item)) {
    const rest = below.get(key);
    if (rest !== undefined) kept[key] = maskBelow(value, rest);
    else if (key === '@type') kept[key] = value;
  }
  return kept;
}

function maskBelow(value: unknown, paths: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => maskBelow(item, paths));
  return typeof value === 'object' && value !== null ? mask(value as Json, paths) : value;
}
