// Compiles one route: its conditions, its action, and what its enclosing levels add (envoy.config.route.v3.Route).
import { ConfigError } from '../base/error.ts';
import type { HedgePolicy } from '../config/hedge-policy.ts';
import type { RequestMirrorPolicy } from '../config/request-mirror.ts';
import type { Route } from '../config/route.ts';
import { compileDirectResponse } from './direct-response.ts';
import type { FilterConfigCompiler, FilterConfigs } from './filter-config.ts';
import { compileFilterConfigs } from './filter-config.ts';
import { compileForward, replayLimits } from './forward-action.ts';
import type { ReplayLimits } from './forward-action.ts';
import type { HeaderChangeFields } from './header-operations.ts';
import { compileRequestHeaders, compileResponseHeaders } from './header-operations.ts';
import type { PathMatch } from './path-match.ts';
import { compileRedirect } from './redirect.ts';
import type { RateLimitRule } from './rate-limit-rule.ts';
import { compileMirrors } from './request-mirror.ts';
import type { RequestMirror } from './request-mirror.ts';
import { RequestMatch } from './request-match.ts';
import type { CompiledRetryPolicy } from './retry-policy-compile.ts';
import type { HeaderOperations, RouteAction, RouteEntry } from './route-entry.ts';

/** What holds for a whole table while it is compiled. */
export interface TableSettings {
  readonly compileFilterConfig: FilterConfigCompiler;
  readonly directBodyBytesMax: number;
  readonly mostSpecificWins: boolean;
  /** Collects the clusters that routes name. */
  readonly clusters: Set<string>;
}

/** Header changes and filter configurations of a table or a virtual host, with those of the levels around it. */
export interface Level {
  readonly requestHeaders: readonly HeaderOperations[];
  readonly responseHeaders: readonly HeaderOperations[];
  readonly filterConfigs: FilterConfigs;
  /** For routes that have none of their own. */
  readonly mirrors: readonly RequestMirror[];
}

/** What routes get from their virtual host. */
export interface HostLevel extends Level {
  readonly name: string;
  readonly retry: CompiledRetryPolicy | undefined;
  readonly hedge: HedgePolicy | undefined;
  readonly limits: ReplayLimits;
  readonly rateLimits: readonly RateLimitRule[];
  readonly attemptCountRequest: boolean;
  readonly attemptCountResponse: boolean;
}

export interface CompiledRoute {
  readonly match: RequestMatch;
  readonly entry: RouteEntry;
}

/** The fields that tables, virtual hosts and routes have in common. */
interface LevelFields extends HeaderChangeFields {
  readonly typedPerFilterConfig?: Parameters<typeof compileFilterConfigs>[0];
  readonly requestMirrorPolicies?: readonly RequestMirrorPolicy[];
}

/** A level inside `outer`. Throws ConfigError below `path`. */
export function compileLevel(fields: LevelFields, outer: Level, settings: TableSettings, path: string): Level {
  const { compileFilterConfig } = settings;
  const at = path === '' ? '' : `${path}.`;
  const { requestMirrorPolicies: mirrors } = fields;
  return {
    requestHeaders: within(compileRequestHeaders(fields, path), outer.requestHeaders, settings),
    responseHeaders: within(compileResponseHeaders(fields, path), outer.responseHeaders, settings),
    filterConfigs: compileFilterConfigs(fields.typedPerFilterConfig, outer.filterConfigs, compileFilterConfig,
      `${at}typedPerFilterConfig`),
    mirrors: compileMirrors(mirrors, outer.mirrors, settings.clusters, `${at}requestMirrorPolicies`),
  };
}

/** The last one that is applied wins. */
function within(
  own: HeaderOperations | undefined,
  outer: readonly HeaderOperations[],
  { mostSpecificWins }: TableSettings,
): readonly HeaderOperations[] {
  if (own === undefined) return outer;
  return mostSpecificWins ? [...outer, own] : [own, ...outer];
}

/** Throws ConfigError below `path`. */
export function compileRoute(route: Route, host: HostLevel, settings: TableSettings, path: string): CompiledRoute {
  const match = new RequestMatch(route.match, `${path}.match`);
  const { requestHeaders, responseHeaders, filterConfigs } = compileLevel(route, host, settings, path);
  const entry: RouteEntry = {
    name: route.name ?? '',
    virtualHostName: host.name,
    action: compileAction(route, match.path, { ...host, filterConfigs }, settings, path),
    operation: route.decorator?.operation,
    propagateOperation: route.decorator?.propagate ?? true,
    requestHeaders,
    responseHeaders,
    perFilterConfig: filterConfigs,
    origin: originOf(route),
    attemptCountRequest: host.attemptCountRequest,
    attemptCountResponse: host.attemptCountResponse,
  };
  return { match, entry };
}

function compileAction(
  route: Route,
  match: PathMatch,
  host: HostLevel,
  settings: TableSettings,
  path: string,
): RouteAction {
  if (route.route !== undefined) {
    const limits = { ...host.limits, ...replayLimits(route) };
    const outer = { ...host, limits, metadata: route.metadata, compileFilterConfig: settings.compileFilterConfig };
    return compileForward(route.route, match, outer, settings.clusters, `${path}.route`);
  }
  if (route.redirect !== undefined) return compileRedirect(route.redirect, match, `${path}.redirect`);
  if (route.directResponse !== undefined) {
    return compileDirectResponse(route.directResponse, settings.directBodyBytesMax, `${path}.directResponse`);
  }
  throw new ConfigError(path, 'needs one of route, redirect and directResponse');
}

/** Istio's metadata: where in the user's configuration the rule was written. */
function originOf(route: Route): string | undefined {
  const istio: unknown = Object.entries(route.metadata?.filterMetadata ?? {}).find(([name]) => name === 'istio')?.[1];
  if (typeof istio !== 'object' || istio === null) return undefined;
  const config: unknown = Object.entries(istio).find(([name]) => name === 'config')?.[1];
  return typeof config === 'string' ? config : undefined;
}
