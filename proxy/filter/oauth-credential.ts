// Tokens of the client credentials grant: fetched over a cluster, one fetch at a time, kept until they end.
import type { Clock } from '../base/clock.ts';
import { ProxyError } from '../base/error.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { OAuth2Credential } from '../config/credential-injector.ts';
import { msOr } from '../config/duration.ts';
import { RequestHead } from '../http/message.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import { HttpCall } from './http-call.ts';
import type { HttpAnswer, HttpCallSink } from './http-call.ts';
import type { CredentialWaiter, InjectedCredential } from './injected-credential.ts';
import { readToken } from './token-answer.ts';

const RETRY_MS = 2000;
/** Requests that wait for one fetch. */
export const TOKEN_WAITING_MAX = 1024;

export interface OAuthDeps {
  readonly clusters: ClusterSet;
  readonly secrets: SecretStore;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly stats: Stats;
  readonly scope: StatScope;
}

/**
 * `#call` is there while one is fetched. After half of a token's life a request has the next one fetched, and goes on
 * with this one; without one that holds requests wait for the fetch, or fail until the next one is due.
 */
export class OAuthCredential implements InjectedCredential, HttpCallSink {
  readonly header = 'authorization';
  readonly #config: OAuth2Credential;
  readonly #deps: OAuthDeps;
  readonly #counters: TokenCounters;
  readonly #retryMs: number;
  readonly #waiting = new Set<CredentialWaiter>();
  #value: string | undefined = undefined;
  #endsMs = -Infinity;
  #renewMs = -Infinity;
  #nextFetchMs = -Infinity;
  #call: HttpCall | undefined = undefined;

  constructor(config: OAuth2Credential, deps: OAuthDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#counters = new TokenCounters(deps.stats, deps.scope);
    this.#retryMs = msOr(config.tokenFetchRetryInterval, RETRY_MS);
  }

  value(): string | undefined {
    const nowMs = this.#deps.clock.nowMs();
    if (nowMs >= this.#renewMs) this.#fetch(nowMs);
    return nowMs < this.#endsMs ? this.#value : undefined;
  }

  waits(waiter: CredentialWaiter): boolean {
    if (this.#call === undefined) return false;
    if (this.#waiting.size >= TOKEN_WAITING_MAX) {
      this.#counters.waitingOverflow.inc();
      return false;
    }
    this.#waiting.add(waiter);
    return true;
  }

  forget(waiter: CredentialWaiter): void {
    this.#waiting.delete(waiter);
  }

  onCallDone(answer: HttpAnswer | ProxyError): void {
    const { clock } = this.#deps;
    const nowMs = clock.nowMs();
    this.#call = undefined;
    const failure = this.#take(answer, nowMs);
    if (failure === undefined) this.#counters.fetched.inc();
    else this.#fail(failure, nowMs);
    this.#wake();
  }

  #fetch(nowMs: number): void {
    if (this.#call !== undefined || nowMs < this.#nextFetchMs) return;
    const { tokenEndpoint, clientCredentials } = this.#config;
    const { clusters, secrets, timers } = this.#deps;
    const secret = secrets.get(clientCredentials.clientSecret.name)?.generic;
    const cluster = clusters.get(tokenEndpoint.cluster);
    if (secret === undefined || secret === '') {
      this.#fail(this.#counters.noSecret, nowMs);
      return;
    }
    if (cluster === undefined) {
      this.#fail(this.#counters.noCluster, nowMs);
      return;
    }
    this.#counters.requested.inc();
    const { head, body } = tokenRequest(this.#config, secret);
    this.#call = new HttpCall(cluster, msOr(tokenEndpoint.timeout, 0), timers, this);
    this.#call.start(head, body);
  }

  /** Which counter says why not. */
  #take(answer: HttpAnswer | ProxyError, nowMs: number): Counter | undefined {
    if (answer instanceof ProxyError) return this.#counters.reset;
    if (answer.head.status !== 200) return this.#counters.badStatus;
    const read = readToken(answer.body);
    if (read === undefined) return this.#counters.badToken;
    this.#value = `Bearer ${read.token}`;
    this.#endsMs = nowMs + read.lifeMs;
    this.#renewMs = nowMs + read.lifeMs / 2;
    return undefined;
  }

  #fail(counter: Counter, nowMs: number): void {
    counter.inc();
    this.#nextFetchMs = nowMs + this.#retryMs;
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const waiter of waiting) waiter.onCredential();
  }
}

/** Names and secrets are form-encoded before they are joined (RFC 6749 section 2.3.1). */
function tokenRequest(config: OAuth2Credential, secret: string): { head: RequestHead; body: Buffer } {
  const { tokenEndpoint, clientCredentials: { clientId, authType }, scopes = [], endpointParams = [] } = config;
  const [, authority = '', path = ''] = /^https?:\/\/([^/?]+)(.*)$/.exec(tokenEndpoint.uri) ?? [];
  const form = new URLSearchParams({ grant_type: 'client_credentials' });
  const head = new RequestHead('POST', authority.toLowerCase(), path.startsWith('/') ? path : `/${path}`);
  if (authType === 'URL_ENCODED_BODY') {
    form.set('client_id', clientId);
    form.set('client_secret', secret);
  } else {
    const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`;
    head.headers.append('authorization', `Basic ${Buffer.from(pair).toString('base64')}`);
  }
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  for (const { name, value = '' } of endpointParams) form.append(name, value);
  const body = Buffer.from(form.toString());
  head.headers.append('content-type', 'application/x-www-form-urlencoded');
  head.headers.append('accept', 'application/json');
  head.contentLength = body.length;
  return { head, body };
}

/** `http.<connection manager>.credential_injector.oauth2.*`; the last one is weft's. */
class TokenCounters {
  readonly requested: Counter;
  readonly fetched: Counter;
  readonly noSecret: Counter;
  readonly noCluster: Counter;
  readonly reset: Counter;
  readonly badStatus: Counter;
  readonly badToken: Counter;
  readonly waitingOverflow: Counter;

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, `credential_injector.oauth2.${name}`));
    [this.requested, this.fetched] = [counter('token_requested'), counter('token_fetched')];
    this.noSecret = counter('token_fetch_failed_on_client_secret');
    this.noCluster = counter('token_fetch_failed_on_cluster_not_found');
    this.reset = counter('token_fetch_failed_on_stream_reset');
    this.badStatus = counter('token_fetch_failed_on_bad_response_code');
    this.badToken = counter('token_fetch_failed_on_bad_token');
    this.waitingOverflow = counter('token_waiting_overflow');
  }
}
