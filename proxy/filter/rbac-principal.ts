// Who may do it: envoy.config.rbac.v3.Principal, compiled.
import { compileCidr } from '../base/cidr.ts';
import { ConfigError } from '../base/error.ts';
import type { StringMatch } from '../base/string-match.ts';
import { compileStringMatch } from '../base/string-match.ts';
import type { Principal } from '../config/rbac.ts';
import type { RequestHead } from '../http/message.ts';
import { HeaderMatch } from '../route/header-match.ts';
import type { StreamInfo, TlsInfo } from '../telemetry/stream-info.ts';
import {
  ANYTHING, AddressRule, AllOf, HeaderRule, Not, OneOf, PathRule, compileMetadataRule, negated,
} from './access-rule.ts';
import type { AccessRule, Reading } from './access-rule.ts';

/** Throws ConfigError below `path`. */
export function compilePrincipal(principal: Principal, reading: Reading, path: string): AccessRule {
  const { andIds, orIds, notId, authenticated, header, urlPath } = principal;
  const set = (ids: readonly Principal[], at: string): AccessRule[] =>
    ids.map((id, i) => compilePrincipal(id, reading, `${path}.${at}.ids[${i}]`));
  if (principal.any === true) return ANYTHING;
  if (andIds !== undefined) return new AllOf(set(andIds.ids, 'andIds'));
  if (orIds !== undefined) return new OneOf(set(orIds.ids, 'orIds'));
  if (notId !== undefined) return new Not(compilePrincipal(notId, negated(reading), `${path}.notId`));
  if (authenticated !== undefined) {
    const { principalName: name } = authenticated;
    const match = name === undefined ? undefined : compileStringMatch(name, `${path}.authenticated.principalName`);
    return new PeerRule(match, reading);
  }
  if (header !== undefined) return new HeaderRule(new HeaderMatch(header, `${path}.header`), reading);
  if (urlPath !== undefined) return new PathRule(compileStringMatch(urlPath.path, `${path}.urlPath.path`), reading);
  return compileMetadataRule(principal, path) ?? compileAddressRule(principal, path);
}

/** `remote_ip` believes a trusted x-forwarded-for; it and `source_ip` believe the PROXY protocol. */
function compileAddressRule({ sourceIp, directRemoteIp, remoteIp }: Principal, path: string): AccessRule {
  if (sourceIp !== undefined) return new AddressRule('source', compileCidr(sourceIp, `${path}.sourceIp`), sourceIpOf);
  if (directRemoteIp !== undefined) {
    return new AddressRule('source', compileCidr(directRemoteIp, `${path}.directRemoteIp`), directIpOf);
  }
  if (remoteIp !== undefined) return new AddressRule('client', compileCidr(remoteIp, `${path}.remoteIp`), clientIpOf);
  throw new ConfigError(path, 'is not a principal that is known');
}

function sourceIpOf(info: StreamInfo): string {
  return info.connection.remoteIp;
}

function directIpOf(info: StreamInfo): string {
  return info.connection.directRemote?.ip ?? info.connection.remoteIp;
}

function clientIpOf(info: StreamInfo): string {
  return info.forwardedIp || info.connection.remoteIp;
}

/** A peer with a verified certificate, by name or at all. */
class PeerRule implements AccessRule {
  readonly #match: StringMatch | undefined;
  readonly #reading: Reading;

  constructor(match: StringMatch | undefined, reading: Reading) {
    this.#match = match;
    this.#reading = reading;
  }

  holds(_head: RequestHead, info: StreamInfo): boolean {
    const { tls } = info.connection;
    if (tls === undefined || !isVerified(tls)) return false;
    const match = this.#match;
    if (match === undefined) return true;
    if (tls.peerUriSan !== undefined && match.matches(tls.peerUriSan)) return true;
    for (const name of tls.peerDnsSans) if (match.matches(name)) return true;
    // A subject is free text: where alternative names say who the peer is, it permits nothing.
    const named = tls.peerUriSan !== undefined || tls.peerDnsSans.length > 0;
    if (named && this.#reading === 'every') return false;
    return tls.peerSubject !== undefined && match.matches(tls.peerSubject);
  }

  toString(): string {
    return this.#match === undefined ? 'any verified peer' : `peer ${String(this.#match)}`;
  }
}

/** Without a verified certificate none of these is known. */
function isVerified(tls: TlsInfo): boolean {
  return tls.peerUriSan !== undefined || tls.peerDnsSans.length > 0 || tls.peerSubject !== undefined;
}
