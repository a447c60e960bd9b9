// The login filter: browsers without a session are sent to their provider, those with one go on as their user.
import { randomBytes } from 'node:crypto';
import type { LoginAnswer, LoginFailure, LoginTokens } from '../config/login-exchange.ts';
import type { ResponseHead } from '../http/message.ts';
import type { AccessDecisions } from '../telemetry/decision-sink.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import { addMetadata } from '../telemetry/dynamic-metadata.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import { LoginClient } from './login-client.ts';
import type { LoginKeys } from './login-client.ts';
import { LoginCookieJar } from './login-cookies.ts';
import type { LoginCookies } from './login-cookies.ts';
import { LoginCounters } from './login-counters.ts';
import type { LoginService } from './login-link.ts';
import { deny, redirect, wantsPage } from './login-reply.ts';
import { sessionOf } from './login-session.ts';
import type { Session } from './login-session.ts';
import { claimText } from './login-settings.ts';
import type { LoginSettings } from './login-settings.ts';
import { LOGIN_SECONDS, authorizationUrl, beginLogin, endSessionUrl, resumeLogin } from './login-state.ts';

export interface OidcLoginDeps {
  readonly secrets: SecretStore;
  readonly logins: LoginService;
  readonly stats: Stats;
  readonly decisions: AccessDecisions;
  readonly scope: StatScope;
}

const CLAIMS_NAMESPACE = 'envoy.filters.http.jwt_authn';
const BINDING = /^[A-Za-z0-9_-]{43}$/;
const BINDING_BYTES = 32;
/** A token that is about to end is refreshed before an upstream gets it. */
const REFRESH_EARLY_SEC = 5;

/** One request on its way through the login. */
interface Visit {
  readonly stream: FilterStream;
  readonly keys: LoginKeys;
  readonly cookies: LoginCookies;
  readonly secure: boolean;
  /** `https://shop.example`, as the browser has it. */
  readonly origin: string;
  readonly nowMs: number;
}

export class OidcLoginFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #settings: LoginSettings;
  readonly #client: LoginClient;
  readonly #jar: LoginCookieJar;
  readonly #counters: LoginCounters;
  readonly #decisions: AccessDecisions;

  constructor(name: string, settings: LoginSettings, deps: OidcLoginDeps) {
    this.name = name;
    this.#settings = settings;
    this.#client = new LoginClient(this.#settings.client, deps.secrets, deps.logins);
    this.#decisions = deps.decisions;
    this.#jar = new LoginCookieJar(this.#settings.cookieName);
    this.#counters = new LoginCounters(deps.stats, deps.scope, settings.statPrefix);
  }

  onRequestHead(stream: FilterStream): Verdict {
    const { request, info } = stream;
    const { passThrough, claimHeaders, stripsAuthorization } = this.#settings;
    for (const { header } of claimHeaders) request.headers.remove(header);
    const scheme = request.headers.get('x-forwarded-proto') ?? request.scheme;
    const secure = scheme === 'https';
    const cookies = this.#jar.take(request.headers, secure);
    for (const match of passThrough) if (match.matches(request)) return this.#pass();
    if (stripsAuthorization) request.headers.remove('authorization');
    // Who is sent to https logs in there: the provider knows that address, and no cookie goes in clear.
    if (!secure && stream.route?.action.kind === 'redirect') return 'continue';
    const { keys } = this.#client;
    if (keys === undefined) return this.#unavailable(stream, 'oidc_secret_missing');
    const origin = `${secure ? 'https' : 'http'}://${request.authority}`;
    const visit = { stream, keys, cookies, secure, origin, nowMs: info.startWallMs };
    if (this.#settings.isCallback(request.path)) return this.#callback(visit);
    if (this.#settings.isLogout(request.path)) return this.#logout(visit);
    return this.#enter(visit);
  }

  onResponseHead(stream: FilterStream, { headers }: ResponseHead): void {
    const fields = stream.getState(this.index) as readonly string[] | undefined;
    if (fields !== undefined) for (const field of fields) headers.append('set-cookie', field);
  }

  #pass(): Verdict {
    this.#counters.passed.inc();
    return 'continue';
  }

  #enter(visit: Visit): Verdict {
    const session = visit.keys.sessions.open(visit.cookies.session);
    const now = Math.floor(visit.nowMs / 1000);
    if (session === undefined || now >= session.ends) return this.#login(visit);
    const refreshable = session.refreshToken !== undefined && session.expires < session.ends;
    if (now < session.expires - (refreshable ? REFRESH_EARLY_SEC : 0)) return this.#admit(visit, session);
    return refreshable ? this.#refresh(visit, session) : this.#login(visit);
  }

  #admit(visit: Visit, session: Session): Verdict {
    const { stream } = visit;
    const { headers } = stream.request;
    this.#counters.succeeded.inc();
    const { claimHeaders, forwardsAccessToken } = this.#settings;
    for (const { claim, header } of claimHeaders) {
      const text = claimText(session.claims, claim);
      if (text !== undefined) headers.set(header, text);
    }
    if (forwardsAccessToken && session.accessToken !== undefined) {
      headers.set('authorization', `Bearer ${session.accessToken}`);
    }
    // Policies and routes find the user's claims where they find those of a token.
    addMetadata(stream.info, CLAIMS_NAMESPACE, { payload: session.claims });
    stream.clearRouteCache();
    if (session.aged) this.#tell(visit, session);
    return 'continue';
  }

  /** The session goes out with the response; false where it does not fit. */
  #tell(visit: Visit, session: Session): boolean {
    const fields = this.#fields(visit, session);
    if (fields !== undefined) visit.stream.setState(this.index, fields);
    return fields !== undefined;
  }

  #fields({ keys, secure, nowMs }: Visit, session: Session): string[] | undefined {
    const sealed = keys.sessions.seal(session);
    const end = session.refreshToken === undefined ? session.expires : session.ends;
    return sealed === undefined ? undefined
      : this.#jar.session(sealed, secure, Math.max(1, end - Math.floor(nowMs / 1000)));
  }

  // --- in

  #login(visit: Visit): Verdict {
    const { stream, nowMs, keys } = visit;
    const forgotten = this.#jar.forget(visit.cookies.names.filter((name) => !name.endsWith('.login')), visit.secure);
    const { denyRedirect } = this.#settings;
    if (!wantsPage(stream.request) || denyRedirect.some((match) => match.matches(stream.request))) {
      this.#counters.unauthorized.inc();
      this.#decisions.deny(this.name, 'oidc_login_required', stream.info);
      return deny(stream, 401, 'Login required.\n', 'oidc_login_required', forgotten);
    }
    const endpoints = this.#client.endpoints(nowMs);
    if (endpoints !== undefined) return this.#send(visit, endpoints.authorization, forgotten);
    const asked = this.#client.ask(keys, { kind: 'endpoints' }, (answer) => {
      if (answer.kind !== 'endpoints') {
        this.#fail(visit, answer);
        return;
      }
      this.#client.learn(answer.endpoints, nowMs);
      this.#send(visit, answer.endpoints.authorization, forgotten);
    });
    return asked ? 'pause' : this.#overflow(stream);
  }

  #send({ stream, keys, cookies, secure, origin, nowMs }: Visit, endpoint: string, forgotten: string[]): Verdict {
    const { scope, resources } = this.#settings;
    this.#counters.unauthorized.inc();
    const { binding: known } = cookies;
    const binding = BINDING.test(known) ? known : randomBytes(BINDING_BYTES).toString('base64url');
    const login = beginLogin(keys.seal, binding, stream.request.path, nowMs);
    const url = authorizationUrl(endpoint, login, {
      clientId: keys.provider.clientId, redirectUri: this.#settings.redirectUri(origin, stream.info), scope, resources,
    });
    const own = this.#jar.binding(binding, secure, LOGIN_SECONDS);
    return redirect(stream, url, 'oidc_login', [...forgotten, own]);
  }

  #callback(visit: Visit): Verdict {
    const { stream, keys, cookies, origin, nowMs } = visit;
    const { userInfo } = this.#settings;
    const { path } = stream.request;
    const query = path.includes('?') ? path.slice(path.indexOf('?')) : '';
    const state = new URLSearchParams(query).getAll('state');
    const login = state.length === 1 && BINDING.test(cookies.binding)
      ? resumeLogin(keys.seal, cookies.binding, state[0]!, nowMs) : undefined;
    if (login === undefined) return this.#refuse(stream, 'oidc_state_mismatch');
    const question = {
      kind: 'code', callback: `${this.#settings.redirectUri(origin, stream.info)}${query}`,
      verifier: login.verifier, state: login.state, nonce: login.nonce, userInfo,
    } as const;
    const asked = this.#client.ask(keys, question, (answer) => {
      if (answer.kind === 'tokens') this.#arrive(visit, answer, login.path);
      else this.#fail(visit, answer);
    });
    return asked ? 'pause' : this.#overflow(stream);
  }

  /** The host is the one that the browser has asked: a path of the login cannot lead elsewhere (S49). */
  #arrive(visit: Visit, tokens: LoginTokens, path: string): void {
    const { stream, origin, nowMs, secure, cookies } = visit;
    const session = sessionOf(tokens, this.#settings.session, Math.floor(nowMs / 1000));
    const fields = session === undefined ? undefined : this.#fields(visit, session);
    if (fields === undefined) {
      this.#refuse(stream, session === undefined ? 'oidc_no_identity' : 'oidc_session_too_large');
      return;
    }
    this.#counters.succeeded.inc();
    const done = this.#jar.forget(cookies.names.filter((name) => name.endsWith('.login')), secure);
    redirect(stream, `${origin}${path}`, 'oidc_logged_in', [...fields, ...done]);
  }

  #refresh(visit: Visit, session: Session): Verdict {
    const question = {
      kind: 'refresh', refreshToken: session.refreshToken!, subject: String(session.claims['sub']),
      userInfo: this.#settings.userInfo,
    } as const;
    const asked = this.#client.ask(visit.keys, question, (answer) => this.#refreshed(visit, session, answer));
    return asked ? 'pause' : this.#overflow(visit.stream);
  }

  #refreshed(visit: Visit, before: Session, answer: LoginAnswer): void {
    const next = answer.kind === 'tokens'
      ? sessionOf(answer, this.#settings.session, Math.floor(visit.nowMs / 1000), before) : undefined;
    if (next !== undefined && this.#tell(visit, next)) {
      this.#counters.refreshed.inc();
      this.#admit(visit, next);
      visit.stream.resumeRequest();
      return;
    }
    this.#counters.refreshFailed.inc();
    // The provider has ended it: the user may begin another. One that does not answer ends nothing.
    if (answer.kind === 'failed' && answer.unreachable) this.#fail(visit, answer);
    else this.#login(visit);
  }

  // --- out

  #logout(visit: Visit): Verdict {
    const { stream, keys, nowMs } = visit;
    const known = this.#client.endpoints(nowMs);
    if (known !== undefined) return this.#leave(visit, known.endSession);
    const asked = this.#client.ask(keys, { kind: 'endpoints' }, (answer) => {
      if (answer.kind === 'endpoints') this.#client.learn(answer.endpoints, nowMs);
      this.#leave(visit, answer.kind === 'endpoints' ? answer.endpoints.endSession : undefined);
    });
    return asked ? 'pause' : this.#overflow(stream);
  }

  /** The session here ends in any case. */
  #leave({ stream, keys, cookies, secure, origin }: Visit, endSession: string | undefined): Verdict {
    const session = keys.sessions.open(cookies.session);
    const back = `${origin}${this.#settings.postLogoutPath}`;
    const url = endSession === undefined ? back
      : endSessionUrl(endSession, keys.provider.clientId, session?.idToken, back);
    return redirect(stream, url, 'oidc_logged_out', this.#jar.forget(cookies.names, secure));
  }

  // --- refusals

  #fail({ stream }: Visit, answer: LoginFailure | LoginAnswer): void {
    if (answer.kind === 'failed' && !answer.unreachable) this.#refuse(stream, 'oidc_login_refused');
    else this.#unavailable(stream, 'oidc_provider_unreachable');
  }

  #refuse(stream: FilterStream, detail: string): Verdict {
    this.#counters.failed.inc();
    this.#decisions.deny(this.name, detail, stream.info);
    return deny(stream, 401, 'Login failed. Open the page again to try once more.\n', detail);
  }

  #unavailable(stream: FilterStream, detail: string): Verdict {
    this.#counters.failed.inc();
    return deny(stream, 503, 'Login is not possible at the moment.\n', detail);
  }

  #overflow(stream: FilterStream): Verdict {
    this.#counters.overflow.inc();
    return deny(stream, 503, 'Login is not possible at the moment.\n', 'oidc_overflow');
  }
}
