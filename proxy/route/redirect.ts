// Redirect routes: where to, built from the request (envoy.config.route.v3.RedirectAction).
import { wireText } from '../base/ascii.ts';
import type { RedirectAction as RedirectConfig } from '../config/route-action.ts';
import type { RequestHead } from '../http/message.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { PathMatch } from './path-match.ts';
import { compilePathRewrite } from './path-rewrite.ts';
import type { PathRewrite } from './path-rewrite.ts';
import type { RedirectAction } from './route-entry.ts';

const STATUS: Readonly<Record<NonNullable<RedirectConfig['responseCode']>, number>> = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

const DEFAULT_PORTS: ReadonlyMap<string, string> = new Map([['http', ':80'], ['https', ':443']]);

/** Compiles a redirect of a route that matches by `match`. Throws ConfigError below `path`. */
export function compileRedirect(config: RedirectConfig, match: PathMatch, path: string): RedirectAction {
  return new Redirect(config, compilePathRewrite(config, match, path, true));
}

class Redirect implements RedirectAction {
  readonly kind = 'redirect';
  readonly status: number;
  readonly #scheme: string;
  readonly #host: string;
  readonly #port: string;
  readonly #path: string;
  readonly #rewrite: PathRewrite | undefined;
  /** The rewrite is a format string. */
  readonly #formats: boolean;
  readonly #stripQuery: boolean;

  constructor(config: RedirectConfig, rewrite: PathRewrite | undefined) {
    this.status = STATUS[config.responseCode ?? 'MOVED_PERMANENTLY'];
    this.#scheme = config.schemeRedirect || (config.httpsRedirect === true ? 'https' : '');
    this.#host = wireText(config.hostRedirect ?? '');
    this.#port = config.portRedirect ? `:${config.portRedirect}` : '';
    this.#path = wireText(config.pathRedirect ?? '');
    this.#rewrite = rewrite;
    this.#formats = rewrite !== undefined && config.pathRewrite !== undefined;
    this.#stripQuery = config.stripQuery === true;
  }

  locationFor(request: RequestHead, info: StreamInfo): string {
    const scheme = this.#scheme || request.scheme;
    const host = this.#host || this.#hostOf(request, scheme);
    return `${scheme}://${host}${this.#port}${this.#pathFor(request.path, info)}`;
  }

  rewrittenPath(path: string, info: StreamInfo): string | undefined {
    return this.#rewrite?.(path, info) || undefined;
  }

  /** The request's own authority; without its port when that is replaced, or was the default of the old scheme. */
  #hostOf(request: RequestHead, scheme: string): string {
    const { authority } = request;
    const colon = authority[0] === '[' ? authority.lastIndexOf(']:') + 1 : authority.lastIndexOf(':');
    if (colon <= 0) return authority;
    const before = request.headers.joined('x-forwarded-proto') ?? request.scheme;
    const port = authority.slice(colon);
    const wasDefault = scheme !== before && port === DEFAULT_PORTS.get(before);
    return this.#port !== '' || wasDefault ? authority.slice(0, colon) : authority;
  }

  /** A query in `path_redirect` stands instead of the request's. */
  #pathFor(path: string, info: StreamInfo): string {
    if (this.#path !== '') {
      const keepsQuery = !this.#stripQuery && !this.#path.includes('?');
      return keepsQuery ? this.#path + queryOf(path) : this.#path;
    }
    // A format's own query stays.
    const bare = path.slice(0, path.length - queryOf(path).length);
    if (this.#formats && this.#stripQuery) return this.#rewrite!(bare, info) || bare;
    const rewritten = this.#rewrite?.(path, info) || path;
    return this.#stripQuery ? rewritten.slice(0, rewritten.length - queryOf(rewritten).length) : rewritten;
  }
}

function queryOf(path: string): string {
  const query = path.indexOf('?');
  return query === -1 ? '' : path.slice(query);
}
