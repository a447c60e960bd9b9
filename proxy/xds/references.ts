// Which resources of other types a listener or cluster names, and where each is to be fetched.
import type { Cluster } from '../config/cluster.ts';
import type { ConfigSource } from '../config/config-source.ts';
import { filterSecrets } from '../config/filter-secrets.ts';
import type { FilterChain, Listener } from '../config/listener.ts';
import type { RouteConfiguration } from '../config/route.ts';
import type { CommonTlsContext, SdsSecretConfig } from '../config/tls.ts';
import type { ResourceType } from '../config/any-registry.ts';
import { upstreamTls } from '../config/upstream-tls.ts';
import { ENDPOINT_TYPE, HTTP_CONNECTION_MANAGER_TYPE, RAW_BUFFER_TYPE, ROUTE_TYPE, SECRET_TYPE, VIRTUAL_HOST_TYPE }
  from '../config/type-url.ts';

/** One name, with the place in the configuration that says where it comes from. */
export interface Reference {
  readonly type: ResourceType;
  readonly name: string;
  readonly source: ConfigSource;
}

/** Endpoints of an EDS cluster, secrets of its transport sockets. */
export function clusterReferences(cluster: Cluster): Reference[] {
  const { edsClusterConfig: eds, name } = cluster;
  const references: Reference[] = [];
  if (eds !== undefined) {
    references.push({ type: ENDPOINT_TYPE, name: eds.serviceName ?? name, source: eds.edsConfig });
  }
  const { transportSocket, transportSocketMatches = [] } = cluster;
  for (const socket of [transportSocket, ...transportSocketMatches.map((match) => match.transportSocket)]) {
    const found = upstreamTls(socket);
    if (found !== undefined) references.push(...secretReferences(found.tls.commonTlsContext));
  }
  return references;
}

/** Where more of its virtual hosts come from. */
export function tableReferences({ name = '', vhds }: RouteConfiguration): Reference[] {
  return vhds === undefined ? [] : [{ type: VIRTUAL_HOST_TYPE, name, source: vhds.configSource }];
}

/** Route tables of its connection managers, secrets of its transport sockets. */
export function listenerReferences({ filterChains = [], defaultFilterChain }: Listener): Reference[] {
  const chains = defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
  return chains.flatMap(chainReferences);
}

function chainReferences({ filters = [], transportSocket }: FilterChain): Reference[] {
  const references: Reference[] = [];
  for (const { typedConfig } of filters) {
    if (typedConfig['@type'] !== HTTP_CONNECTION_MANAGER_TYPE) continue;
    references.push(...filterSecrets(typedConfig).flatMap(([secret]) => secretReference(secret)));
    if (typedConfig.rds === undefined) continue;
    const { routeConfigName: name, configSource: source } = typedConfig.rds;
    references.push({ type: ROUTE_TYPE, name, source });
  }
  const tls = transportSocket?.typedConfig;
  if (tls !== undefined && tls['@type'] !== RAW_BUFFER_TYPE) references.push(...secretReferences(tls.commonTlsContext));
  return references;
}

function secretReferences(context: CommonTlsContext): Reference[] {
  const { tlsCertificateSdsSecretConfigs: certificates = [], combinedValidationContext: combined } = context;
  const roots = context.validationContextSdsSecretConfig ?? combined?.validationContextSdsSecretConfig;
  return [...certificates, ...(roots === undefined ? [] : [roots])].flatMap(secretReference);
}

/** A secret without a source is a static one. */
function secretReference({ name, sdsConfig: source }: SdsSecretConfig): Reference[] {
  return source === undefined ? [] : [{ type: SECRET_TYPE, name, source }];
}
