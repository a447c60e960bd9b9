// Envoy's OAuth2 configuration as settings of the login filter: explicit endpoints, no issuer, no claims.
import { ConfigError } from '../base/error.ts';
import { compileStringMatch } from '../base/string-match.ts';
import { msOr } from '../config/duration.ts';
import type { PathMatcher } from '../config/matcher.ts';
import type { OAuth2Config } from '../config/oauth2.ts';
import { compileHeaderMatches } from '../route/header-match.ts';
import { pathEnd } from '../route/path-match.ts';
import { compileFormat } from '../telemetry/formatter.ts';
import type { LoginSettings } from './login-settings.ts';

const SESSION_MS = 7 * 24 * 3600 * 1000;
const TOKEN_MS = 3600 * 1000;
/** Where the configuration says for ever. */
const TIMEOUT_MS = 30_000;

/** Throws ConfigError below `path`. */
export function oauth2Settings(config: OAuth2Config, path: string): LoginSettings {
  const { credentials, tokenEndpoint, authScopes = [], forwardBearerToken = false } = config;
  if (/[?#]/.test(config.redirectUri.replaceAll(/%[^%]*%/g, ''))) {
    throw new ConfigError(`${path}.redirectUri`, 'must not have a query');
  }
  const redirectUri = compileFormat(config.redirectUri, { path: `${path}.redirectUri` });
  return {
    client: {
      provider: {
        issuer: '', clientId: credentials.clientId, trustedCa: undefined,
        authentication: config.authType === 'BASIC_AUTH' ? 'CLIENT_SECRET_BASIC' : 'CLIENT_SECRET_POST',
        timeoutMs: msOr(tokenEndpoint.timeout, 0) || TIMEOUT_MS, cluster: tokenEndpoint.cluster,
        endpoints: {
          authorization: config.authorizationEndpoint, token: tokenEndpoint.uri,
          endSession: config.endSessionEndpoint === '' ? undefined : config.endSessionEndpoint,
        },
      },
      clientSecret: credentials.tokenSecret.name, cookieSecret: credentials.hmacSecret.name,
    },
    cookieName: 'weft-session',
    redirectUri: (_origin, info) => redirectUri.format(info),
    isCallback: pathTest(config.redirectPathMatcher, `${path}.redirectPathMatcher`),
    isLogout: pathTest(config.signoutPath, `${path}.signoutPath`),
    postLogoutPath: '/',
    scope: authScopes.length === 0 ? 'user' : authScopes.join(' '),
    resources: config.resources ?? [],
    userInfo: false,
    session: {
      durationSec: Math.max(1, Math.floor(msOr(config.defaultRefreshTokenExpiresIn, SESSION_MS) / 1000)),
      tokenSec: Math.floor(msOr(config.defaultExpiresIn, TOKEN_MS) / 1000),
      keepsAccessToken: forwardBearerToken, keepsRefreshToken: config.useRefreshToken ?? true, claims: undefined,
    },
    forwardsAccessToken: forwardBearerToken,
    stripsAuthorization: config.preserveAuthorizationHeader !== true,
    claimHeaders: [],
    passThrough: compileHeaderMatches(config.passThroughMatcher, `${path}.passThroughMatcher`),
    denyRedirect: compileHeaderMatches(config.denyRedirectMatcher, `${path}.denyRedirectMatcher`),
    statPrefix: config.statPrefix ?? '',
  };
}

function pathTest(matcher: PathMatcher, path: string): (text: string) => boolean {
  const match = compileStringMatch(matcher.path as Parameters<typeof compileStringMatch>[0], `${path}.path`);
  return (text) => match.matches(text.slice(0, pathEnd(text)));
}
