// A login under way: all that must come back with the browser is in the state, sealed for the browser that began it.
import { randomBytes } from 'node:crypto';
import { createHash } from 'node:crypto';
import type { CookieSeal } from './cookie-seal.ts';

/** How long a user may take at the provider. */
export const LOGIN_SECONDS = 600;
/** A longer path would not fit into URLs; the user begins at / then. */
const PATH_LENGTH_MAX = 1024;
const ID_BYTES = 16;

export interface BegunLogin {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

export interface ResumedLogin extends BegunLogin {
  /** Where the user wanted to go: begins with /. */
  readonly path: string;
}

/** Nonce and verifier follow from browser and state, so that nothing is kept for logins that never end. */
export function beginLogin(seal: CookieSeal, binding: string, path: string, nowMs: number): BegunLogin {
  const id = randomBytes(ID_BYTES).toString('base64url');
  const wanted = path.startsWith('/') && path.length <= PATH_LENGTH_MAX ? path : '/';
  const expires = Math.floor(nowMs / 1000) + LOGIN_SECONDS;
  const state = seal.seal(JSON.stringify([id, expires, wanted]), purposeOf(binding));
  return { state, ...proofs(seal, binding, id) };
}

/** Undefined for a state that was not made here, for another browser, or too long ago. */
export function resumeLogin(
  seal: CookieSeal, binding: string, state: string, nowMs: number,
): ResumedLogin | undefined {
  const opened = seal.open(state, purposeOf(binding));
  if (opened === undefined) return undefined;
  const [id, expires, path] = JSON.parse(opened.text) as [string, number, string];
  if (nowMs / 1000 >= expires) return undefined;
  return { state, path, ...proofs(seal, binding, id, opened.key) };
}

function purposeOf(binding: string): string {
  return `state ${binding}`;
}

function proofs(seal: CookieSeal, binding: string, id: string, key = 0): { nonce: string; verifier: string } {
  const of = `${binding} ${id}`;
  return { nonce: seal.derive('nonce', of, key), verifier: seal.derive('verifier', of, key) };
}

export interface AuthorizationRequest {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scope: string;
  readonly resources: readonly string[];
}

/** RFC 6749 section 4.1.1, RFC 7636 section 4.3. */
export function authorizationUrl(endpoint: string, login: BegunLogin, request: AuthorizationRequest): string {
  const parameters = new URLSearchParams({
    client_id: request.clientId, response_type: 'code', redirect_uri: request.redirectUri, scope: request.scope,
    state: login.state, nonce: login.nonce, code_challenge_method: 'S256',
    code_challenge: createHash('sha256').update(login.verifier).digest('base64url'),
  });
  for (const resource of request.resources) parameters.append('resource', resource);
  return withQuery(endpoint, parameters);
}

/** OpenID Connect RP-Initiated Logout 1.0, section 2. */
export function endSessionUrl(endpoint: string, clientId: string, idToken: string | undefined, back: string): string {
  return withQuery(endpoint, new URLSearchParams({
    ...(idToken !== undefined && { id_token_hint: idToken }), client_id: clientId, post_logout_redirect_uri: back,
  }));
}

function withQuery(endpoint: string, parameters: URLSearchParams): string {
  return `${endpoint}${endpoint.includes('?') ? '&' : '?'}${parameters.toString()}`;
}
