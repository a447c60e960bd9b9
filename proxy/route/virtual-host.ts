// One virtual host: its routes in the order in which they are tried (envoy.config.route.v3.VirtualHost).
import type { VirtualHost as VirtualHostConfig } from '../config/route.ts';
import type { RequestHead } from '../http/message.ts';
import type { MetadataHolder } from '../telemetry/dynamic-metadata.ts';
import { NO_FILTER_CONFIGS } from './filter-config.ts';
import { replayLimits } from './forward-action.ts';
import { pathEnd } from './path-match.ts';
import { compileRateLimits } from './rate-limit-rule.ts';
import { compileRetryPolicy } from './retry-policy-compile.ts';
import type { CompiledRoute, HostLevel, Level, TableSettings } from './route-entry-compile.ts';
import { compileLevel, compileRoute } from './route-entry-compile.ts';
import type { RouteEntry } from './route-entry.ts';
import { indexRoutes } from './route-index.ts';
import type { RouteIndex } from './route-index.ts';

/** require_tls: what requests without TLS are answered; `external` spares internal ones. */
interface TlsRequirement {
  readonly entry: RouteEntry;
  readonly external: boolean;
}

export class VirtualHost {
  readonly name: string;
  readonly routes: readonly CompiledRoute[];
  readonly #tls: TlsRequirement | undefined;
  readonly #index: RouteIndex | undefined;

  constructor(name: string, routes: readonly CompiledRoute[], tls?: TlsRequirement) {
    this.#tls = tls;
    this.name = name;
    this.routes = routes;
    this.#index = indexRoutes(routes);
  }

  /** The first route whose conditions all hold; there is no falling back to another virtual host. */
  match(head: RequestHead, random: number, info?: MetadataHolder): RouteEntry | undefined {
    if (this.#tls !== undefined && needsTls(head, this.#tls.external)) return this.#tls.entry;
    const end = pathEnd(head.path);
    if (this.#index !== undefined) return this.routes[this.#index.find(head, end, random, info)]?.entry;
    for (const route of this.routes) if (route.match.matches(head, end, random, info)) return route.entry;
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
    hedge: config.hedgePolicy,
    limits: replayLimits(config),
    rateLimits: compileRateLimits(config.rateLimits, undefined, `${path}.rateLimits`),
    attemptCountRequest: config.includeRequestAttemptCount === true,
    attemptCountResponse: config.includeAttemptCountInResponse === true,
  };
  const routes = (config.routes ?? []).map((route, i) => compileRoute(route, host, settings, `${path}.routes[${i}]`));
  return new VirtualHost(host.name, routes, compileTls(config.requireTls));
}

/** How the client came is what the connection manager, or a proxy that it trusts, says of it. */
function needsTls({ headers }: RequestHead, external: boolean): boolean {
  if (headers.joined('x-forwarded-proto') === 'https') return false;
  return !external || headers.get('x-envoy-internal') !== 'true';
}

function compileTls(required: VirtualHostConfig['requireTls']): TlsRequirement | undefined {
  if (required === undefined || required === 'NONE') return undefined;
  return { entry: TLS_REDIRECT, external: required === 'EXTERNAL_ONLY' };
}

/** It has nothing of its virtual host's, as in Envoy. */
const TLS_REDIRECT: RouteEntry = {
  name: '',
  virtualHostName: '',
  action: {
    kind: 'redirect', status: 301, locationFor: ({ authority, path }) => `https://${authority}${path}`,
    rewrittenPath: () => undefined,
  },
  operation: undefined,
  propagateOperation: true,
  requestHeaders: [],
  responseHeaders: [],
  perFilterConfig: NO_FILTER_CONFIGS,
  origin: undefined,
  attemptCountRequest: false,
  attemptCountResponse: false,
};
