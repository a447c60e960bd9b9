// A login configuration, compiled: which paths are its own, which requests need no login, what upstreams are told.
import { ConfigError } from '../base/error.ts';
import { wireText } from '../base/ascii.ts';
import { msOr } from '../config/duration.ts';
import type { OidcLogin } from '../config/oidc-login.ts';
import { compileHeaderMatches } from '../route/header-match.ts';
import type { HeaderMatch } from '../route/header-match.ts';
import { FRAMING } from '../route/header-operations.ts';
import { readDataSource } from '../tls/data-source.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { LoginClientConfig } from './login-client.ts';
import type { SessionRules } from './login-session.ts';

const SESSION_MS = 8 * 3600 * 1000;
const TIMEOUT_MS = 5000;
const TOKEN_SEC = 3600;

export interface ClaimHeader {
  /** From the outermost name to the innermost. */
  readonly claim: readonly string[];
  readonly header: string;
}

export interface LoginSettings {
  readonly client: LoginClientConfig;
  readonly cookieName: string;
  /** `origin` is the browser's. */
  redirectUri(origin: string, info: StreamInfo): string;
  /** Of a path with its query. */
  isCallback(path: string): boolean;
  isLogout(path: string): boolean;
  readonly postLogoutPath: string;
  readonly scope: string;
  readonly resources: readonly string[];
  readonly userInfo: boolean;
  readonly session: SessionRules;
  readonly forwardsAccessToken: boolean;
  /** What clients send as Authorization is nobody's word. */
  readonly stripsAuthorization: boolean;
  readonly claimHeaders: readonly ClaimHeader[];
  readonly passThrough: readonly HeaderMatch[];
  readonly denyRedirect: readonly HeaderMatch[];
  readonly statPrefix: string;
}

/** Throws ConfigError below `path`. */
export function loginSettings(config: OidcLogin, path: string): LoginSettings {
  const { claims, claimToHeaders = [], forwardAccessToken = false, scopes = [] } = config;
  const redirectPath = pathOf(config.redirectPath ?? '/oauth2/callback', `${path}.redirectPath`);
  const logoutPath = pathOf(config.logoutPath ?? '/oauth2/logout', `${path}.logoutPath`);
  return {
    client: clientConfig(config, path),
    cookieName: cookieName(config.cookieName ?? 'weft-session', `${path}.cookieName`),
    redirectUri: (origin) => `${origin}${redirectPath}`,
    isCallback: (text) => isAt(text, redirectPath), isLogout: (text) => isAt(text, logoutPath),
    postLogoutPath: pathOf(config.postLogoutPath ?? '/', `${path}.postLogoutPath`),
    scope: [...new Set(['openid', ...scopes])].join(' '),
    resources: config.resources ?? [],
    userInfo: config.withoutUserInfo !== true,
    session: {
      durationSec: Math.max(1, Math.floor(msOr(config.sessionDuration, SESSION_MS) / 1000)),
      tokenSec: TOKEN_SEC, keepsAccessToken: forwardAccessToken, keepsRefreshToken: config.withoutRefresh !== true,
      claims: claims && new Set([...claims, ...claimToHeaders.map(({ claim }) => rootOf(claim))]),
    },
    forwardsAccessToken: forwardAccessToken, stripsAuthorization: false,
    claimHeaders: claimToHeaders.map(({ claim, header }, i) => ({
      claim: claim.split('.'), header: headerOf(header, `${path}.claimToHeaders[${i}].header`),
    })),
    passThrough: compileHeaderMatches(config.passThroughMatcher, `${path}.passThroughMatcher`),
    denyRedirect: compileHeaderMatches(config.denyRedirectMatcher, `${path}.denyRedirectMatcher`),
    statPrefix: config.statPrefix ?? '',
  };
}

function clientConfig(config: OidcLogin, path: string): LoginClientConfig {
  const { issuer, clientId, clientAuthentication = 'AUTO', trustedCa } = config;
  checkIssuer(issuer, `${path}.issuer`);
  return {
    provider: {
      issuer, clientId, authentication: clientAuthentication, timeoutMs: msOr(config.timeout, TIMEOUT_MS),
      endpoints: undefined, cluster: undefined,
      trustedCa: trustedCa && readDataSource(trustedCa, `${path}.trustedCa`).toString('latin1'),
    },
    clientSecret: config.clientSecret?.name, cookieSecret: config.cookieSecret?.name,
  };
}

/** Tokens go there: in clear only where nobody can listen. */
function checkIssuer(issuer: string, path: string): void {
  const parsed = URL.parse(issuer);
  if (parsed === null || parsed.search !== '' || parsed.hash !== '') throw new ConfigError(path, 'is no issuer\'s URL');
  const isLoopback = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(parsed.hostname);
  if (parsed.protocol === 'https:' || (parsed.protocol === 'http:' && isLoopback)) return;
  throw new ConfigError(path, 'must be https: secrets and tokens go there');
}

function isAt(path: string, own: string): boolean {
  return path.startsWith(own) && (path.length === own.length || path[own.length] === '?');
}

function cookieName(name: string, path: string): string {
  if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) && !name.startsWith('__')) return name;
  throw new ConfigError(path, 'is not a cookie name (__Host- stands before it by itself)');
}

function pathOf(text: string, path: string): string {
  if (text.startsWith('/') && !text.startsWith('//') && !/[?#\\\s]/.test(text)) return wireText(text);
  throw new ConfigError(path, 'must be a path that begins with one /, without query');
}

const NOT_FOR_CLAIMS = new Set(['host', 'cookie', 'authorization', 'x-forwarded-for', 'x-forwarded-proto']);

function headerOf(name: string, path: string): string {
  const lower = name.toLowerCase();
  if (lower.startsWith(':') || FRAMING.has(lower) || NOT_FOR_CLAIMS.has(lower)) {
    throw new ConfigError(path, `'${name}' means something else`);
  }
  return lower;
}

function rootOf(claim: string): string {
  return claim.split('.')[0]!;
}

/** Undefined where the user has no such claim. */
export function claimText(claims: Readonly<Record<string, unknown>>, path: readonly string[]): string | undefined {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    if (!Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  // A comma in an element would make two of it, and a user a member of what is behind it.
  if (Array.isArray(value)) return value.map((each) => headerText(scalarText(each)).replaceAll(',', '%2C')).join(',');
  return headerText(scalarText(value));
}

function scalarText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value) ?? '';
}

/** What may not stand in a header is left out (S49). */
function headerText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  return wireText(text).replaceAll(/[\0-\x1f\x7f]/g, '').trim();
}
