// One virtual host: its routes in the order in which they are tried (envoy.config.route.v3.VirtualHost).
import type { VirtualHost as VirtualHostConfig } from '../config/route.ts';
import type { RequestHead } from '../http/message.ts';
import { pathEnd } from './path-match.ts';
import { compileRateLimits } from './rate-limit-rule.ts';
import { compileRetryPolicy } from './retry-policy-compile.ts';
import type { CompiledRoute, HostLevel, Level, TableSettings } from './route-entry-compile.ts';
import { compileLevel, compileRoute } from './route-entry-compile.ts';
import type { RouteEntry } from './route-entry.ts';
import { indexRoutes } from './route-index.ts';
import type { RouteIndex } from './route-index.ts';

export class VirtualHost {
  readonly name: string;
  readonly routes: readonly CompiledRoute[];
  readonly #index: RouteIndex | undefined;

  constructor(name: string, routes: readonly CompiledRoute[]) {
    this.name = name;
    this.routes = routes;
    this.#index = indexRoutes(routes);
  }

  /** The first route whose conditions all hold; there is no falling back to another virtual host. */
  match(head: RequestHead, random: number): RouteEntry | undefined {
    const end = pathEnd(head.path);
    if (this.#index !== undefined) return this.routes[this.#index.find(head, end, random)]?.entry;
    for (const route of this.routes) if (route.match.matches(head, end, random)) return route.entry;
    return undefined;
  }
}

/** Throws ConfigError below `path`. */
export function compileVirtualHost(
  config: VirtualHostConfig,
  table: Level,
  settings: TableSettings,
  path: string,
): VirtualHost {
  const host: HostLevel = {
    ...compileLevel(config, table, settings, path),
    name: config.name,
    retry: compileRetryPolicy(config.retryPolicy, `${path}.retryPolicy`),
    rateLimits: compileRateLimits(config.rateLimits, undefined, `${path}.rateLimits`),
    attemptCountRequest: config.includeRequestAttemptCount === true,
    attemptCountResponse: config.includeAttemptCountInResponse === true,
  };
  const routes = (config.routes ?? []).map((route, i) => compileRoute(route, host, settings, `${path}.routes[${i}]`));
  return new VirtualHost(host.name, routes);
}
