// From typed_per_filter_config to what the filters ask routes for: one table by type, without waiting for modules.
import { ConfigError } from '../base/error.ts';
import type { BufferPerRoute } from '../config/buffer.ts';
import type { CorsPolicy } from '../config/cors.ts';
import type { ExtAuthzPerRoute } from '../config/external-authorization.ts';
import type { HTTPFault } from '../config/fault.ts';
import type { RateLimitPerRoute } from '../config/global-rate-limit.ts';
import type { PerRouteConfig as JwtPerRoute } from '../config/jwt-authn.ts';
import type { LocalRateLimit } from '../config/local-rate-limit.ts';
import type { RBACPerRoute } from '../config/rbac.ts';
import type { StatefulSessionPerRoute } from '../config/stateful-session.ts';
import {
  BUFFER_PER_ROUTE_TYPE, CORS_POLICY_TYPE, EXT_AUTHZ_PER_ROUTE_TYPE, FAULT_TYPE, FILTER_CONFIG_TYPE,
  JWT_PER_ROUTE_TYPE, LOCAL_RATE_LIMIT_TYPE, RATE_LIMIT_PER_ROUTE_TYPE, RBAC_PER_ROUTE_TYPE, SESSION_PER_ROUTE_TYPE,
} from '../config/type-url.ts';
import type { FilterConfigFields } from '../route/filter-config.ts';
import { BufferRouteSettings } from './buffer-per-route.ts';
import { CorsRules } from './cors-policy.ts';
import { ExtAuthzRouteSettings } from './ext-authz-per-route.ts';
import { FaultSettings } from './fault-settings.ts';
import { JwtRouteSettings } from './jwt-per-route.ts';
import { LocalRateLimitSettings } from './local-rate-limit-settings.ts';
import type { LocalRateLimitDeps } from './local-rate-limit-settings.ts';
import { RateLimitRouteSettings } from './rate-limit-per-route.ts';
import { compileRbacPerRoute } from './rbac.ts';
import { SessionRouteRules } from './session-rules.ts';

/** Implements FilterConfigCompiler. Levels replace each other; only CORS policies are filled up from the outer one. */
export function compileRouteFilterConfig(
  deps: LocalRateLimitDeps,
  filterName: string,
  config: FilterConfigFields,
  path: string,
  outer: unknown,
  owner = '',
): unknown {
  switch (config['@type']) {
    case RBAC_PER_ROUTE_TYPE: return compileRbacPerRoute(config as RBACPerRoute & FilterConfigFields, path);
    case BUFFER_PER_ROUTE_TYPE: return new BufferRouteSettings(config as BufferPerRoute & FilterConfigFields);
    case FILTER_CONFIG_TYPE: return filterSwitch(filterName, path);
    case FAULT_TYPE: return new FaultSettings(config as HTTPFault & FilterConfigFields, path);
    case CORS_POLICY_TYPE: {
      const inherited = outer instanceof CorsRules ? outer : undefined;
      return new CorsRules(config as CorsPolicy & FilterConfigFields, inherited, path);
    }
    case EXT_AUTHZ_PER_ROUTE_TYPE: {
      const inherited = outer instanceof ExtAuthzRouteSettings ? outer : undefined;
      return new ExtAuthzRouteSettings(config as ExtAuthzPerRoute & FilterConfigFields, inherited);
    }
    case RATE_LIMIT_PER_ROUTE_TYPE:
      return new RateLimitRouteSettings(config as RateLimitPerRoute & FilterConfigFields, path);
    case JWT_PER_ROUTE_TYPE: return new JwtRouteSettings(config as JwtPerRoute & FilterConfigFields);
    case SESSION_PER_ROUTE_TYPE: return new SessionRouteRules(config as StatefulSessionPerRoute & FilterConfigFields);
    case LOCAL_RATE_LIMIT_TYPE: {
      const limits = config as LocalRateLimit & FilterConfigFields;
      if (limits.tokenBucket === undefined) throw new ConfigError(`${path}.tokenBucket`, 'must be given per route');
      return new LocalRateLimitSettings(limits, deps, `${owner}|${path}|${filterName}`, path);
    }
    default: throw new ConfigError(path, `no filter takes '${config['@type']}' per route`);
  }
}

/** What a route holds for a filter that it turns on. */
export const FILTER_ON = 'on';

/** Which filter a name is of is not known here: others must not seem to be turned on. */
function filterSwitch(filterName: string, path: string): typeof FILTER_ON {
  if (filterName.startsWith(SWITCHED)) return FILTER_ON;
  throw new ConfigError(path, `turns on filters whose names begin with ${SWITCHED}, and no others`);
}

const SWITCHED = 'envoy.filters.http.credential_injector';
