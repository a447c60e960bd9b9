// What a client is told whose token is not good (RFC 6750 section 3), as Envoy says it.
import type { RequestHead } from '../http/message.ts';
import type { LocalReply } from './filter.ts';
import { JwtFailure } from './jwt-failure.ts';

/** Longer paths are cut in the realm. */
const REALM_PATH_MAX = 256;

/** `path` is the request's as it came; a token that was good is no more in it. */
export function refusal(failure: JwtFailure, request: RequestHead, path: string, bare: boolean): LocalReply {
  const status = statusOf(failure);
  const reply = { status, detail: `jwt_authn_access_denied{${failure.replaceAll(' ', '_')}}`, flags: 0 };
  if (bare) return { ...reply, body: '' };
  const error = failure === JwtFailure.missing ? '' : ', error="invalid_token"';
  const headers: [string, string][] = [['www-authenticate', `Bearer realm="${realmOf(request, path)}"${error}`]];
  return { ...reply, body: failure, headers };
}

/** Of a route's requirement_name that the filter does not have. */
export function unknownRequirement(name: string, known: readonly string[]): string {
  return `Wrong requirement_name: ${name}. It should be one of [${known.join(',')}]`;
}

function statusOf(failure: JwtFailure): number {
  if (failure === JwtFailure.audience) return 403;
  return failure === JwtFailure.overload ? 503 : 401;
}

function realmOf({ headers, authority, scheme }: RequestHead, path: string): string {
  const original = headers.get('x-envoy-original-path') ?? path;
  return `${headers.get('x-forwarded-proto') ?? scheme}://${authority}${original.slice(0, REALM_PATH_MAX)}`;
}
