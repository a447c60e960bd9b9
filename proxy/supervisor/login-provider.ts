// Talks to OpenID providers for the workers: discovery, codes and refresh tokens for tokens that are verified.
import { createHash } from 'node:crypto';
import * as oidc from 'openid-client';
import { Agent, buildConnector, request } from 'undici';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/error.ts';
import type { ConfigStore } from './config-store.ts';
import { loginRoute } from './login-route.ts';
import type { LoginRoute } from './login-route.ts';
import type {
  LoginAnswer, LoginEndpoints, LoginFailure, LoginProvider, LoginQuestion, LoginTokens,
} from '../config/login-exchange.ts';

type Configuration = oidc.Configuration;

/** A provider, and how it is reached where a cluster says that. */
interface Reached extends LoginProvider {
  readonly route: LoginRoute | undefined;
}
type Code = Extract<LoginQuestion, { kind: 'code' }>;
type Refresh = Extract<LoginQuestion, { kind: 'refresh' }>;

/** Of any answer of a provider. */
const BODY_BYTES_MAX = 1 << 20;
const CONNECTIONS_MAX = 8;
/** What a provider says of itself is asked for again then. */
const CONFIGURATION_KEPT_MS = 600_000;
const CONFIGURATIONS_MAX = 64;
/** Requests of one page come with the same refresh token, which may be good for one use. */
const REFRESHED_KEPT_MS = 60_000;
const REFRESHED_MAX = 4096;
const REASON_LENGTH_MAX = 300;

type RefreshAnswer = Exclude<LoginAnswer, LoginTokens> | (LoginTokens & { readonly obtainedMs: number });

interface Known<T> {
  readonly value: Promise<T>;
  readonly timer: NodeJS.Timeout;
}

export class LoginProviders {
  readonly #configurations = new Map<string, Known<Configuration>>();
  readonly #refreshed = new Map<string, Known<RefreshAnswer>>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Never rejects. */
  async answer(named: LoginProvider, question: LoginQuestion, store: ConfigStore): Promise<LoginAnswer> {
    try {
      const provider = reached(named, store);
      switch (question.kind) {
        case 'endpoints': return { kind: 'endpoints', endpoints: endpointsOf(await this.#configuration(provider)) };
        case 'code': return await redeem(await this.#configuration(provider), question);
        case 'refresh': return await this.#refresh(provider, question);
      }
    } catch (cause) {
      return failureOf(cause);
    }
  }

  close(): void {
    for (const { timer } of [...this.#configurations.values(), ...this.#refreshed.values()]) clearTimeout(timer);
  }

  #configuration(provider: Reached): Promise<Configuration> {
    const key = hashOf(provider);
    return remembered(this.#configurations, key, CONFIGURATIONS_MAX, CONFIGURATION_KEPT_MS, () => configure(provider));
  }

  async #refresh(provider: Reached, question: Refresh): Promise<LoginAnswer> {
    const key = hashOf([provider.issuer, provider.clientId, question.subject, question.refreshToken]);
    const startMs = this.#clock.nowMs();
    const answer = await remembered(this.#refreshed, key, REFRESHED_MAX, REFRESHED_KEPT_MS, () => (
      this.#renew(provider, question)
    ));
    if (answer.kind !== 'tokens') return answer;
    // A refresh token that stays the same may be used again, and brings tokens that last longer.
    const isSpent = answer.refreshToken !== undefined && answer.refreshToken !== question.refreshToken;
    if (!isSpent) forget(this.#refreshed, key);
    const ageSec = Math.max(0, startMs - answer.obtainedMs) / 1000;
    if (answer.expiresInSec === undefined) return answer;
    return { ...answer, expiresInSec: Math.max(0, Math.floor(answer.expiresInSec - ageSec)) };
  }

  async #renew(provider: Reached, question: Refresh): Promise<RefreshAnswer> {
    const answer = await renew(await this.#configuration(provider), question);
    return answer.kind === 'tokens' ? { ...answer, obtainedMs: this.#clock.nowMs() } : answer;
  }
}

function forget<T>(known: Map<string, Known<T>>, key: string): void {
  clearTimeout(known.get(key)?.timer);
  known.delete(key);
}

/** One at a time for a key; failures are forgotten at once. The oldest makes room. */
function remembered<T>(
  known: Map<string, Known<T>>, key: string, max: number, keptMs: number, make: () => Promise<T>,
): Promise<T> {
  const before = known.get(key);
  if (before !== undefined) return before.value;
  if (known.size >= max) forget(known, known.keys().next().value!);
  const value = make();
  known.set(key, { value, timer: setTimeout(() => forget(known, key), keptMs).unref() });
  value.catch(() => forget(known, key));
  return value;
}

/** Keys are hashes: secrets are in what they stand for. */
function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}

/** Envoy goes by the cluster alone: whether by TLS, and where to; of the URI it takes the host's name and the path. */
function reached(provider: LoginProvider, store: ConfigStore): Reached {
  const { cluster, endpoints } = provider;
  if (cluster === undefined || endpoints === undefined) return { ...provider, route: undefined };
  const route = loginRoute(store, cluster);
  if (endpoints.token.startsWith('https:') && !route.secure) {
    throw new Error(`the token endpoint is https, and cluster ${cluster} has no TLS: the secret would go in clear`);
  }
  const rest = endpoints.token.replace(/^https?:\/\//, '');
  return { ...provider, route, endpoints: { ...endpoints, token: `http${route.secure ? 's' : ''}://${rest}` } };
}

async function configure(provider: Reached): Promise<Configuration> {
  const { issuer, clientId, timeoutMs, endpoints } = provider;
  const fetch = fetcher(provider);
  const insecure = (endpoints?.token ?? issuer).startsWith('http:');
  const execute = [oidc.enableNonRepudiationChecks, ...(insecure ? [oidc.allowInsecureRequests] : [])];
  if (endpoints === undefined) {
    const found = await oidc.discovery(new URL(issuer), clientId, undefined, authentication(provider), {
      [oidc.customFetch]: fetch, timeout: timeoutMs / 1000, execute,
    });
    endpointsOf(found);
    return found;
  }
  const server = {
    issuer: issuer === '' ? new URL(endpoints.authorization).origin : issuer,
    authorization_endpoint: endpoints.authorization, token_endpoint: endpoints.token,
  };
  const configuration = new oidc.Configuration(server, clientId, undefined, authentication(provider));
  configuration[oidc.customFetch] = fetch;
  configuration.timeout = timeoutMs / 1000;
  if (insecure) oidc.allowInsecureRequests(configuration);
  return configuration;
}

function authentication({ clientSecret, authentication: how }: LoginProvider): oidc.ClientAuth {
  if (clientSecret === undefined) return oidc.None();
  const [basic, post] = [oidc.ClientSecretBasic(clientSecret), oidc.ClientSecretPost(clientSecret)];
  if (how === 'CLIENT_SECRET_BASIC') return basic;
  if (how === 'CLIENT_SECRET_POST') return post;
  return (server, ...rest) => {
    const methods = server.token_endpoint_auth_methods_supported;
    const takesBasic = methods?.includes('client_secret_basic') ?? true;
    return (takesBasic ? basic : post)(server, ...rest);
  };
}

/** No redirects, so much of a body, and roots of the provider's own. */
function fetcher({ trustedCa, timeoutMs, issuer, route }: Reached): oidc.CustomFetch {
  const dispatcher = new Agent({
    connections: CONNECTIONS_MAX, headersTimeout: timeoutMs, bodyTimeout: timeoutMs,
    connect: connectorOf(route, trustedCa, timeoutMs),
  });
  return async (url, { method, headers, body, signal }) => {
    const answer = await request(url, {
      dispatcher, method: method as 'GET', headers, ...(signal !== undefined && { signal }),
      ...(body instanceof URLSearchParams && { body: body.toString() }), // The one form that token endpoints take.
    });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > BODY_BYTES_MAX) throw new Error(`${url} answers with more than ${BODY_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString('utf8');
    const fields = Object.entries(answer.headers).map(([name, value]) => [name, String(value)] as [string, string]);
    // Without an issuer there is nothing that an ID token could be held against.
    const known = issuer === '' ? withoutIdToken(text) : text;
    return new Response(known === '' ? null : known, { status: answer.statusCode, headers: fields });
  };
}

function connectorOf(
  route: LoginRoute | undefined, trustedCa: string | undefined, timeout: number,
): buildConnector.connector {
  const ca = route === undefined ? trustedCa : route.ca;
  const connect = buildConnector({ timeout, ...(ca !== undefined && { ca }) });
  if (route === undefined) return connect;
  return ({ servername = '', hostname, ...options }, done) => connect({
    ...options, hostname: route.host, port: String(route.port),
    servername: route.sni !== '' ? route.sni : servername === '' ? hostname : servername,
  }, done);
}

function withoutIdToken(text: string): string {
  try {
    const { id_token: _dropped, ...rest } = JSON.parse(text) as Record<string, unknown>;
    return JSON.stringify(rest);
  } catch {
    return text;
  }
}

function endpointsOf(configuration: Configuration): LoginEndpoints {
  const server = configuration.serverMetadata();
  const { authorization_endpoint: authorization, token_endpoint: token, end_session_endpoint: endSession } = server;
  if (authorization === undefined || token === undefined) {
    throw new Error(`the discovery document of ${server.issuer} names no authorization or token endpoint`);
  }
  return { authorization, token, endSession };
}

async function redeem(configuration: Configuration, question: Code): Promise<LoginAnswer> {
  const { callback, verifier, state, nonce, userInfo } = question;
  const isOpenId = configuration.serverMetadata().jwks_uri !== undefined;
  const tokens = await oidc.authorizationCodeGrant(configuration, new URL(callback), {
    pkceCodeVerifier: verifier, expectedState: state,
    ...(isOpenId && { expectedNonce: nonce, idTokenExpected: true }),
  });
  const own = tokens.claims();
  return answerOf(tokens, own === undefined ? {} : await withUserInfo(configuration, tokens, own, userInfo));
}

async function renew(configuration: Configuration, question: Refresh): Promise<LoginAnswer> {
  const { refreshToken, subject, userInfo } = question;
  const tokens = await oidc.refreshTokenGrant(configuration, refreshToken);
  const own = tokens.claims();
  if (own === undefined) return answerOf(tokens, undefined);
  if (own.sub !== subject) {
    return { kind: 'failed', unreachable: false, reason: 'the refreshed token is another user\'s' };
  }
  return answerOf(tokens, await withUserInfo(configuration, tokens, own, userInfo));
}

type Tokens = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers;

/** Userinfo adds claims, and replaces none of the signed token's. */
async function withUserInfo(
  configuration: Configuration, tokens: Tokens, own: oidc.IDToken, wanted: boolean,
): Promise<Record<string, unknown>> {
  if (!wanted || configuration.serverMetadata().userinfo_endpoint === undefined) return { ...own };
  return { ...await oidc.fetchUserInfo(configuration, tokens.access_token, own.sub), ...own };
}

function answerOf(tokens: Tokens, claims: Record<string, unknown> | undefined): LoginTokens {
  return {
    kind: 'tokens', claims, idToken: tokens.id_token, accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token, expiresInSec: tokens.expiresIn(),
  };
}

/** Refused by the provider or by what its answer says; all else may be better next time. */
function failureOf(cause: unknown): LoginFailure {
  const refused = cause instanceof oidc.AuthorizationResponseError
    || (cause instanceof oidc.ResponseBodyError && cause.status < 500 && cause.status !== 429)
    // Without a code of OAuth's it is the network's, or TLS's.
    || (cause instanceof oidc.ClientError && cause.code !== undefined && !UNREACHABLE.has(cause.code));
  const detail = cause instanceof oidc.ResponseBodyError || cause instanceof oidc.AuthorizationResponseError
    ? ` (${cause.error})` : '';
  const inner = cause instanceof Error && cause.cause instanceof Error ? `: ${cause.cause.message}` : '';
  return {
    kind: 'failed', unreachable: !refused, reason: `${messageOf(cause)}${detail}${inner}`.slice(0, REASON_LENGTH_MAX),
  };
}

const UNREACHABLE = new Set([
  'OAUTH_TIMEOUT', 'OAUTH_ABORT', 'OAUTH_RESPONSE_IS_NOT_CONFORM', 'OAUTH_RESPONSE_IS_NOT_JSON', 'OAUTH_PARSE_ERROR',
]);
