// Names in a bootstrap that must exist in it: a typo is found at start instead of as a 503 at the first request.
import { ConfigError } from '../base/error.ts';
import type { Bootstrap } from './bootstrap.ts';
import type { Cluster } from './cluster.ts';
import type { ApiConfigSource, ConfigSource } from './config-source.ts';
import { type Locate, pathText } from './decode-report.ts';
import { filterSecrets } from './filter-secrets.ts';
import type { HttpConnectionManager, HttpFilter } from './http-connection-manager.ts';
import type { JwtAuthentication } from './jwt-authn.ts';
import type { CredentialInjector } from './credential-injector.ts';
import type { FilterChain, Listener } from './listener.ts';
import { nearestName } from './nearest-name.ts';
import type { RouteConfiguration } from './route.ts';
import type { RouteAction } from './route-action.ts';
import type { CommonTlsContext, SdsSecretConfig } from './tls.ts';
import type { TracingProvider } from './tracing.ts';
import {
  CREDENTIAL_INJECTOR_TYPE, EXT_AUTHZ_TYPE, GLOBAL_RATE_LIMIT_TYPE, HTTP_CONNECTION_MANAGER_TYPE, JWT_AUTHN_TYPE,
  OAUTH2_CREDENTIAL_TYPE, RAW_BUFFER_TYPE,
} from './type-url.ts';
import { writtenPath } from './written-path.ts';
import { upstreamTls } from './upstream-tls.ts';

/** Cluster of the SDS source that this process answers itself (design.md section 7); it need not be declared. */
const OWN_SDS_CLUSTER = 'sds-grpc';

/** Errors about names that are missing or given twice. `input` is what the bootstrap was decoded from. */
export function checkReferences(bootstrap: Bootstrap, input: unknown, locate?: Locate): ConfigError[] {
  const checker = new ReferenceChecker(bootstrap, input, locate);
  checker.check();
  return checker.errors;
}

type Segments = readonly (string | number)[];

/** The cluster that a filter asks about requests. */
function serviceOf({ typedConfig }: HttpFilter): { readonly name: string; readonly at: Segments } | undefined {
  if (typedConfig['@type'] === GLOBAL_RATE_LIMIT_TYPE) {
    const { envoyGrpc } = typedConfig.rateLimitService.grpcService;
    const at = ['rateLimitService', 'grpcService', 'envoyGrpc', 'clusterName'];
    return envoyGrpc === undefined ? undefined : { name: envoyGrpc.clusterName, at };
  }
  if (typedConfig['@type'] !== EXT_AUTHZ_TYPE) return undefined;
  const { grpcService, httpService } = typedConfig;
  if (httpService !== undefined) {
    return { name: httpService.serverUri.cluster, at: ['httpService', 'serverUri', 'cluster'] };
  }
  const at = ['grpcService', 'envoyGrpc', 'clusterName'];
  return grpcService?.envoyGrpc === undefined ? undefined : { name: grpcService.envoyGrpc.clusterName, at };
}

class ReferenceChecker {
  readonly errors: ConfigError[] = [];
  readonly #bootstrap: Bootstrap;
  readonly #input: unknown;
  readonly #locate: Locate | undefined;
  readonly #clusters: ReadonlySet<string>;
  readonly #secrets: ReadonlySet<string>;
  /** With CDS a route may name a cluster that comes later. */
  readonly #hasCds: boolean;

  constructor(bootstrap: Bootstrap, input: unknown, locate: Locate | undefined) {
    const { clusters = [], secrets = [] } = bootstrap.staticResources ?? {};
    this.#bootstrap = bootstrap;
    this.#input = input;
    this.#locate = locate;
    this.#clusters = new Set(clusters.map(({ name }) => name));
    this.#secrets = new Set(secrets.map(({ name }) => name));
    this.#hasCds = bootstrap.dynamicResources?.cdsConfig !== undefined;
  }

  check(): void {
    const { staticResources: resources = {}, dynamicResources: dynamic = {}, tracing } = this.#bootstrap;
    const { listeners = [], clusters = [], secrets = [] } = resources;
    this.#once(listeners, ['staticResources', 'listeners']);
    this.#once(clusters, ['staticResources', 'clusters']);
    this.#once(secrets, ['staticResources', 'secrets']);
    listeners.forEach((listener, i) => this.#listener(listener, ['staticResources', 'listeners', i]));
    clusters.forEach((cluster, i) => this.#upstream(cluster, ['staticResources', 'clusters', i]));
    this.#source(dynamic.ldsConfig, ['dynamicResources', 'ldsConfig']);
    this.#source(dynamic.cdsConfig, ['dynamicResources', 'cdsConfig']);
    this.#apiSource(dynamic.adsConfig, ['dynamicResources', 'adsConfig']);
    this.#provider(tracing?.http, ['tracing', 'http']);
    const { localClusterName = '' } = this.#bootstrap.clusterManager ?? {};
    if (localClusterName !== '') this.#cluster(localClusterName, ['clusterManager', 'localClusterName']);
  }

  #once(resources: readonly { readonly name?: string }[], at: Segments): void {
    const seen = new Set<string>();
    resources.forEach(({ name }, index) => {
      if (name === undefined) return;
      if (seen.has(name)) this.#fail(`'${name}' is used twice`, [...at, index, 'name']);
      seen.add(name);
    });
  }

  #listener({ filterChains = [], defaultFilterChain }: Listener, at: Segments): void {
    filterChains.forEach((chain, i) => this.#chain(chain, [...at, 'filterChains', i]));
    if (defaultFilterChain !== undefined) this.#chain(defaultFilterChain, [...at, 'defaultFilterChain']);
  }

  #chain({ filters = [], transportSocket }: FilterChain, at: Segments): void {
    filters.forEach(({ typedConfig }, i) => {
      if (typedConfig['@type'] !== HTTP_CONNECTION_MANAGER_TYPE) return;
      this.#manager(typedConfig, [...at, 'filters', i, 'typedConfig']);
    });
    const tls = transportSocket?.typedConfig;
    if (tls === undefined || tls['@type'] === RAW_BUFFER_TYPE) return;
    this.#tls(tls.commonTlsContext, [...at, 'transportSocket', 'typedConfig', 'commonTlsContext']);
  }

  #manager(manager: HttpConnectionManager, at: Segments): void {
    const { routeConfig, rds, tracing, httpFilters } = manager;
    for (const [secret, path] of filterSecrets(manager)) this.#secret(secret, [...at, ...path]);
    httpFilters.forEach((filter, i) => {
      if (this.#hasCds) return;
      const { typedConfig } = filter;
      const service = serviceOf(filter);
      if (service !== undefined) this.#cluster(service.name, [...at, 'httpFilters', i, 'typedConfig', ...service.at]);
      else if (typedConfig['@type'] === JWT_AUTHN_TYPE) {
        this.#keySources(typedConfig, [...at, 'httpFilters', i, 'typedConfig']);
      }
      if (typedConfig['@type'] === CREDENTIAL_INJECTOR_TYPE) {
        this.#tokenSource(typedConfig, [...at, 'httpFilters', i, 'typedConfig', 'credential', 'typedConfig']);
      }
    });
    this.#source(rds?.configSource, [...at, 'rds', 'configSource']);
    this.#provider(tracing?.provider, [...at, 'tracing', 'provider']);
    if (routeConfig !== undefined && (routeConfig.validateClusters ?? !this.#hasCds)) {
      this.#routes(routeConfig, [...at, 'routeConfig']);
    }
  }

  #keySources({ providers = {} }: JwtAuthentication, at: Segments): void {
    for (const [name, { remoteJwks }] of Object.entries(providers)) {
      if (remoteJwks === undefined) continue;
      this.#cluster(remoteJwks.httpUri.cluster, [...at, 'providers', name, 'remoteJwks', 'httpUri', 'cluster']);
    }
  }

  #tokenSource({ credential: { typedConfig } }: CredentialInjector, at: Segments): void {
    if (typedConfig['@type'] !== OAUTH2_CREDENTIAL_TYPE) return;
    this.#cluster(typedConfig.tokenEndpoint.cluster, [...at, 'tokenEndpoint', 'cluster']);
  }

  #routes({ virtualHosts = [] }: RouteConfiguration, at: Segments): void {
    virtualHosts.forEach(({ routes = [] }, h) => {
      routes.forEach(({ route }, r) => {
        if (route !== undefined) this.#action(route, [...at, 'virtualHosts', h, 'routes', r, 'route']);
      });
    });
  }

  #action({ cluster, weightedClusters, requestMirrorPolicies: mirrors }: RouteAction, at: Segments): void {
    this.#cluster(cluster, [...at, 'cluster']);
    mirrors?.forEach((mirror, i) => this.#cluster(mirror.cluster, [...at, 'requestMirrorPolicies', i, 'cluster']));
    weightedClusters?.clusters.forEach(({ name }, i) => {
      this.#cluster(name, [...at, 'weightedClusters', 'clusters', i, 'name']);
    });
  }

  #upstream({ edsClusterConfig, transportSocket }: Cluster, at: Segments): void {
    this.#source(edsClusterConfig?.edsConfig, [...at, 'edsClusterConfig', 'edsConfig']);
    const found = upstreamTls(transportSocket);
    if (found !== undefined) {
      this.#tls(found.tls.commonTlsContext, [...at, 'transportSocket', ...found.path, 'commonTlsContext']);
    }
  }

  #tls(context: CommonTlsContext, at: Segments): void {
    const { tlsCertificateSdsSecretConfigs: certificates = [], validationContextSdsSecretConfig: roots } = context;
    certificates.forEach((config, i) => this.#secret(config, [...at, 'tlsCertificateSdsSecretConfigs', i]));
    this.#secret(roots, [...at, 'validationContextSdsSecretConfig']);
    this.#secret(context.combinedValidationContext?.validationContextSdsSecretConfig,
      [...at, 'combinedValidationContext', 'validationContextSdsSecretConfig']);
  }

  #secret(config: SdsSecretConfig | undefined, at: Segments): void {
    if (config === undefined) return;
    if (config.sdsConfig !== undefined) this.#source(config.sdsConfig, [...at, 'sdsConfig']);
    else this.#known('secret', config.name, this.#secrets, [...at, 'name']);
  }

  #source(source: ConfigSource | undefined, at: Segments): void {
    if (source?.ads !== undefined && this.#bootstrap.dynamicResources?.adsConfig === undefined) {
      this.#fail('needs dynamic_resources.ads_config', [...at, 'ads']);
    }
    this.#apiSource(source?.apiConfigSource, [...at, 'apiConfigSource']);
  }

  #apiSource(source: ApiConfigSource | undefined, at: Segments): void {
    source?.grpcServices.forEach(({ envoyGrpc }, i) => {
      if (envoyGrpc === undefined || envoyGrpc.clusterName === OWN_SDS_CLUSTER) return;
      this.#cluster(envoyGrpc.clusterName, [...at, 'grpcServices', i, 'envoyGrpc', 'clusterName']);
    });
  }

  #provider(provider: TracingProvider | undefined, at: Segments): void {
    this.#cluster(provider?.typedConfig.collectorCluster, [...at, 'typedConfig', 'collectorCluster']);
  }

  #cluster(name: string | undefined, at: Segments): void {
    if (name !== undefined) this.#known('cluster', name, this.#clusters, at);
  }

  #known(kind: string, name: string, names: ReadonlySet<string>, at: Segments): void {
    if (names.has(name)) return;
    this.#fail(`there is no ${kind} '${name}' in static_resources${nearestName(name, names)}`, at);
  }

  #fail(reason: string, at: Segments): void {
    const path = writtenPath(this.#input, at);
    this.errors.push(new ConfigError(pathText(path), reason, this.#locate?.(path)));
  }
}
