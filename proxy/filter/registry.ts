// One table from a filter's type to how it is compiled. Filters that routes do not need are loaded with their chain.
import type { Clock } from '../base/clock.ts';
import { ConfigError } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { NamedCounts } from '../base/named-counts.ts';
import type { SharedBuckets } from '../base/shared-buckets.ts';
import type { HttpConnectionManager, HttpFilter as HttpFilterConfig } from '../config/http-connection-manager.ts';
import {
  BUFFER_TYPE, CORS_TYPE, CREDENTIAL_INJECTOR_TYPE, EXT_AUTHZ_TYPE, FAULT_TYPE, GLOBAL_RATE_LIMIT_TYPE, GRPC_STATS_TYPE,
  GRPC_WEB_TYPE, ISTIO_ALPN_TYPE, ISTIO_STATS_TYPE, JWT_AUTHN_TYPE, LOCAL_RATE_LIMIT_TYPE, OAUTH2_TYPE,
  OIDC_LOGIN_TYPE, ON_DEMAND_TYPE, OPENAPI_TYPE, PEER_METADATA_TYPE, RBAC_TYPE, ROUTER_TYPE, STATEFUL_SESSION_TYPE,
} from '../config/type-url.ts';
import type { FilterConfigCompiler } from '../route/filter-config.ts';
import type { RouteTableRef } from '../route/route-tables.ts';
import type { AccessDecisions } from '../telemetry/decision-sink.ts';
import { httpScope } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { NodeFacts } from '../telemetry/workload.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import type { HttpFilter } from './filter.ts';
import { RbacFilter } from './rbac.ts';
import type { HostService } from './host-link.ts';
import type { LoginService } from './login-link.ts';
import { compileRouteFilterConfig } from './route-filter-config.ts';
import { RedirectFollower } from './internal-redirect.ts';
import { RouterFilter } from './router.ts';

export interface HttpFilterDeps {
  readonly clusters: ClusterSet;
  readonly random: Random;
  readonly stats: Stats;
  readonly node: NodeFacts;
  readonly buckets: SharedBuckets;
  readonly counts: NamedCounts;
  readonly decisions: AccessDecisions;
  readonly secrets: SecretStore;
  readonly logins: LoginService;
  readonly hosts: HostService;
  readonly clock: Clock;
  readonly timers: TimerWheel;
}

/** What a filter is compiled with: the worker's parts, and its chain's. */
interface Context extends HttpFilterDeps {
  readonly scope: StatScope;
  readonly outbound: boolean;
  /** Where it comes by RDS. */
  readonly table: RouteTableRef | undefined;
  /** Names the chain among all. */
  readonly owner: string;
  /** What filters keep from one configuration to the next, by names of theirs. */
  readonly kept: Map<string, unknown>;
  /** Listed as disabled, and not without all effect: routes turn it on. */
  readonly isDisabled: boolean;
}

type TypedConfig = HttpFilterConfig['typedConfig'];
type ConfigOf<T extends string> = Extract<TypedConfig, { readonly '@type': T }>;

/** `path` is the typedConfig's. */
type Compile<T extends string> =
  (name: string, config: ConfigOf<T>, context: Context, path: string) => HttpFilter | Promise<HttpFilter>;

/** A type without a row does not compile. */
const FILTERS: { readonly [T in TypedConfig['@type']]: Compile<T> } = {
  [ROUTER_TYPE]: (name, config, { clusters, stats, scope }) => new RouterFilter(name, clusters,
    new RedirectFollower(stats, scope), { suppressEnvoyHeaders: config.suppressEnvoyHeaders ?? false }),
  [RBAC_TYPE]: (name, config, context, path) => new RbacFilter(name, config, context, path),
  [FAULT_TYPE]: async (name, config, context, path) => {
    const { FaultFilter } = await import('./fault.ts');
    return new FaultFilter(name, config, context, path);
  },
  [CORS_TYPE]: async (name, _config, context) => {
    const { CorsFilter } = await import('./cors.ts');
    return new CorsFilter(name, context);
  },
  [LOCAL_RATE_LIMIT_TYPE]: async (name, config, context, path) => {
    const { LocalRateLimitFilter } = await import('./local-rate-limit.ts');
    return new LocalRateLimitFilter(name, config, context, context.owner, path);
  },
  [GLOBAL_RATE_LIMIT_TYPE]: async (name, config, context, path) => {
    const { GlobalRateLimitFilter } = await import('./global-rate-limit.ts');
    return new GlobalRateLimitFilter(name, config, context, path);
  },
  [EXT_AUTHZ_TYPE]: async (name, config, context, path) => {
    const { ExtAuthzFilter } = await import('./ext-authz.ts');
    return new ExtAuthzFilter(name, config, context, path);
  },
  [STATEFUL_SESSION_TYPE]: async (name, config, context) => {
    const { StatefulSessionFilter } = await import('./stateful-session.ts');
    return new StatefulSessionFilter(name, config, context);
  },
  [BUFFER_TYPE]: async (name, config) => {
    const { BufferFilter } = await import('./buffer.ts');
    return new BufferFilter(name, config);
  },
  [OPENAPI_TYPE]: async (name, config, context, path) => {
    const { OpenApiFilter } = await import('./openapi.ts');
    return new OpenApiFilter(name, config, context, path);
  },
  [OIDC_LOGIN_TYPE]: async (name, config, context, path) => {
    const [{ OidcLoginFilter }, { loginSettings }] = await Promise.all([
      import('./oidc-login.ts'), import('./login-settings.ts'),
    ]);
    return new OidcLoginFilter(name, loginSettings(config, path), context);
  },
  [OAUTH2_TYPE]: async (name, { config }, context, path) => {
    const [{ OidcLoginFilter }, { oauth2Settings }] = await Promise.all([
      import('./oidc-login.ts'), import('./oauth2-settings.ts'),
    ]);
    return new OidcLoginFilter(name, oauth2Settings(config, `${path}.config`), context);
  },
  [ON_DEMAND_TYPE]: async (name, _config, context) => {
    const { OnDemandFilter } = await import('./on-demand.ts');
    return new OnDemandFilter(name, context);
  },
  [JWT_AUTHN_TYPE]: async (name, config, context, path) => {
    const { JwtAuthnFilter } = await import('./jwt-authn.ts');
    return new JwtAuthnFilter(name, config, context, path);
  },
  [CREDENTIAL_INJECTOR_TYPE]: async (name, config, context) => {
    const { CredentialInjectorFilter } = await import('./credential-injector.ts');
    return new CredentialInjectorFilter(name, config, context);
  },
  [GRPC_WEB_TYPE]: async (name, _config, context) => {
    const { GrpcWebFilter } = await import('./grpc-web.ts');
    return new GrpcWebFilter(name, context);
  },
  [GRPC_STATS_TYPE]: async (name, config, context) => {
    const { GrpcStatsFilter } = await import('./grpc-stats.ts');
    return new GrpcStatsFilter(name, config, context);
  },
  [ISTIO_ALPN_TYPE]: async (name, config) => {
    const { IstioAlpnFilter } = await import('./istio-alpn.ts');
    return new IstioAlpnFilter(name, config);
  },
  [PEER_METADATA_TYPE]: async (name, config, { node }) => {
    const { PeerMetadataFilter } = await import('./peer-metadata.ts');
    return new PeerMetadataFilter(name, config, node);
  },
  [ISTIO_STATS_TYPE]: async (_name, config, context, path) => {
    const { compileIstioStats } = await import('./istio-stats.ts');
    return compileIstioStats(config, context, path);
  },
};

/** Makes the filters of every HTTP connection manager of a worker, and what routes hold for them. */
export class HttpFilters {
  readonly compileFilterConfig: FilterConfigCompiler;
  readonly #deps: HttpFilterDeps;
  readonly #kept = new Map<string, unknown>();

  constructor(deps: HttpFilterDeps) {
    this.#deps = deps;
    this.compileFilterConfig = (...level) => compileRouteFilterConfig(deps, ...level);
  }

  /** Rejects with a ConfigError below `httpFilters`. `trafficDirection` is the listener's; `owner` names the chain. */
  async compile(
    config: HttpConnectionManager['httpFilters'],
    statPrefix: string,
    trafficDirection: string | undefined,
    owner = '',
    table?: RouteTableRef,
  ): Promise<readonly HttpFilter[]> {
    const context = { ...this.#deps, scope: httpScope(statPrefix), outbound: trafficDirection === 'OUTBOUND', owner,
      kept: this.#kept, table };
    const filters: HttpFilter[] = [];
    for (const [i, filter] of config.entries()) {
      const at = `httpFilters[${i}]`;
      const used = filter.disabled === true ? withoutOwnRules(filter, at) : filter;
      // Another of the same name has buckets of its own.
      const before = config.slice(0, i).filter(({ name }) => name === filter.name).length;
      const own = {
        ...context, isDisabled: filter.disabled === true, owner: before === 0 ? owner : `${owner}#${before}`,
      };
      if (used !== undefined) filters.push(await compileFilter(used, own, `${at}.typedConfig`));
    }
    return filters;
  }
}

function compileFilter(
  { name, typedConfig }: HttpFilterConfig,
  context: Context,
  path: string,
): HttpFilter | Promise<HttpFilter> {
  const type = typedConfig['@type'];
  const compile = Object.hasOwn(FILTERS, type) ? (FILTERS[type] as Compile<string>) : undefined;
  if (compile === undefined) throw new ConfigError(path, `'${type}' is no HTTP filter that is known here`);
  return compile(name, typedConfig as never, context, path);
}

/** A disabled filter does what routes say and nothing of its own; undefined when routes have nothing to say to it. */
function withoutOwnRules(filter: HttpFilterConfig, path: string): HttpFilterConfig | undefined {
  const { typedConfig } = filter;
  switch (typedConfig['@type']) {
    case RBAC_TYPE: return { ...filter, typedConfig: bareRbac(typedConfig) };
    case FAULT_TYPE: return { ...filter, typedConfig: { '@type': FAULT_TYPE } };
    case CORS_TYPE: return filter;
    case JWT_AUTHN_TYPE: return { ...filter, typedConfig: { ...typedConfig, rules: [] } };
    case STATEFUL_SESSION_TYPE: return { ...filter, typedConfig: { '@type': STATEFUL_SESSION_TYPE } };
    case LOCAL_RATE_LIMIT_TYPE: {
      const { statPrefix } = typedConfig;
      return { ...filter, typedConfig: { '@type': LOCAL_RATE_LIMIT_TYPE, statPrefix } };
    }
    case CREDENTIAL_INJECTOR_TYPE: return filter;
    case BUFFER_TYPE: return { ...filter, typedConfig: { ...typedConfig, maxRequestBytes: 0 } };
    case OAUTH2_TYPE:
    case OPENAPI_TYPE:
    case OIDC_LOGIN_TYPE: throw new ConfigError(`${path}.disabled`, 'routes cannot turn it on: leave it out');
    case EXT_AUTHZ_TYPE:
    case GLOBAL_RATE_LIMIT_TYPE:
      throw new ConfigError(`${path}.disabled`, 'routes cannot turn it on: use filter_enabled');
    case GRPC_WEB_TYPE:
    case GRPC_STATS_TYPE:
    case ISTIO_ALPN_TYPE:
    case PEER_METADATA_TYPE:
    case ISTIO_STATS_TYPE: return undefined;
    default: throw new ConfigError(`${path}.disabled`, 'the router cannot be off: nothing would answer');
  }
}

/** Its stats keep their names. */
function bareRbac({ rulesStatPrefix, shadowRulesStatPrefix }: ConfigOf<typeof RBAC_TYPE>): ConfigOf<typeof RBAC_TYPE> {
  return {
    '@type': RBAC_TYPE, ...(rulesStatPrefix !== undefined && { rulesStatPrefix }),
    ...(shadowRulesStatPrefix !== undefined && { shadowRulesStatPrefix }),
  };
}
