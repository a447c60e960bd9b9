// Rewriting of the authority of a forwarded request (RouteAction.host_rewrite_specifier).
import { wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';
import { compileSubstitution } from '../base/regex.ts';
import type { RouteAction } from '../config/route-action.ts';
import type { RequestHead } from '../http/message.ts';
import { compileFormat } from '../telemetry/formatter.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { readHeader } from './header-reader.ts';
import { pathEnd } from './path-match.ts';
import type { ForwardAction } from './route-entry.ts';

/** The new authority; '' or undefined leaves the request's. */
type NewAuthority = (request: RequestHead, info: StreamInfo) => string | undefined;

/** Undefined when the authority stays, or is the endpoint's name. Throws ConfigError below `path`. */
export function compileHostRewrite(config: RouteAction, path: string): ForwardAction['rewrite'] {
  const authority = compileAuthority(config, path);
  if (authority === undefined) return undefined;
  const append = config.appendXForwardedHost === true;
  return (request, quiet, info) => replaceAuthority(request, authority(request, info), append, quiet);
}

/** `auto_host_rewrite`; undefined where the route has another authority. */
export function compileEndpointHost(config: RouteAction): ForwardAction['rewriteToEndpoint'] {
  if (config.autoHostRewrite !== true) return undefined;
  const append = config.appendXForwardedHost === true;
  return (request, hostname, quiet) => replaceAuthority(request, hostname, append, quiet);
}

function replaceAuthority(request: RequestHead, next: string | undefined, append: boolean, quiet: boolean): void {
  if (next === undefined || next === '' || !isAuthority(next)) return;
  if (append) appendForwardedHost(request);
  if (!quiet) request.headers.set('x-envoy-original-host', request.authority);
  request.authority = next;
}

function compileAuthority(config: RouteAction, path: string): NewAuthority | undefined {
  const { hostRewriteLiteral, hostRewriteHeader, hostRewritePathRegex } = config;
  if (hostRewriteLiteral !== undefined && hostRewriteLiteral !== '') {
    const literal = literalAuthority(hostRewriteLiteral, `${path}.hostRewriteLiteral`);
    return () => literal;
  }
  if (hostRewriteHeader !== undefined && hostRewriteHeader !== '') {
    const name = hostRewriteHeader.toLowerCase();
    return (request) => readHeader(request, name);
  }
  if (hostRewritePathRegex !== undefined) {
    const { pattern, substitution } = hostRewritePathRegex;
    const rule = compileSubstitution(pattern.regex, wireText(substitution ?? ''), `${path}.hostRewritePathRegex`);
    return (request) => rule.replaceAll(request.path.slice(0, pathEnd(request.path)));
  }
  if (config.hostRewrite === undefined || config.hostRewrite === '') return undefined;
  const format = compileFormat(config.hostRewrite, { path: `${path}.hostRewrite` });
  return (_request, info) => format.format(info);
}

/** Throws ConfigError at `path` for what is no authority. */
export function literalAuthority(text: string, path: string): string {
  const literal = wireText(text);
  if (!isAuthority(literal)) throw new ConfigError(path, `'${literal}' is not a host`);
  return literal;
}

/** A header or path may hold anything: only the characters of RFC 3986 section 3.2, no userinfo, make an authority. */
function isAuthority(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || '"#,/<>?@\\^`{|}'.includes(text[i]!)) return false;
  }
  return true;
}

/** The authority that is replaced joins x-forwarded-host unless it is what was put there last. */
function appendForwardedHost(request: RequestHead): void {
  if (request.authority === '') return;
  const before = request.headers.joined('x-forwarded-host');
  if (before === undefined || before === '') {
    request.headers.set('x-forwarded-host', request.authority);
    return;
  }
  const last = before.slice(before.lastIndexOf(',') + 1);
  if (last !== request.authority) request.headers.set('x-forwarded-host', `${before},${request.authority}`);
}
