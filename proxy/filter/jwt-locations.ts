// Where requests carry tokens: headers, query parameters, cookies (from_headers, from_params, from_cookies).
import { percentDecoded } from '../base/percent-decoding.ts';
import type { JwtProvider } from '../config/jwt-authn.ts';
import type { RequestHead } from '../http/message.ts';

/** One place, and whose tokens may stand there. */
interface Location {
  readonly kind: 'header' | 'param' | 'cookie';
  readonly name: string;
  /** Of a header's value. */
  readonly prefix: string;
  /** Undefined: anybody's. */
  readonly issuers: ReadonlySet<string> | undefined;
}

/** A token as it was found. */
export interface FoundToken {
  readonly token: string;
  readonly location: Location;
}

const DEFAULT_HEADERS = [{ name: 'authorization', valuePrefix: 'Bearer ' }];
const DEFAULT_PARAMS = ['access_token'];

/** Of one provider, or of several together. Immutable. */
export class TokenLocations {
  readonly #locations: readonly Location[];
  readonly #ownHeaders: readonly string[];

  constructor(providers: readonly JwtProvider[]) {
    const found = new Map<string, Location>();
    for (const provider of providers) for (const location of locationsOf(provider)) addTo(found, location);
    // In Envoy's order, which decides which of several bad tokens a refusal is about.
    this.#locations = [...found.entries()].toSorted(([a], [b]) => (a < b ? 1 : -1)).map(([, location]) => location);
    this.#ownHeaders = providers.flatMap(({ forwardPayloadHeader, claimToHeaders = [] }) => [
      ...(forwardPayloadHeader ? [forwardPayloadHeader.toLowerCase()] : []),
      ...claimToHeaders.map(({ headerName }) => headerName.toLowerCase()),
    ]);
  }

  /** Removes what only a verified token may say. */
  sanitize({ headers }: RequestHead): void {
    for (const name of this.#ownHeaders) headers.remove(name);
  }

  /** Every token of the request, also where a name comes twice: who reads another one than we did is not deceived. */
  extract(head: RequestHead): FoundToken[] {
    const found: FoundToken[] = [];
    for (const location of this.#locations) {
      if (location.kind === 'header') fromHeader(head, location, found);
      else if (location.kind === 'param') fromParam(head, location, found);
      else fromCookie(head, location, found);
    }
    return found;
  }
}

/** Takes the token off the request; cookies stay, as in Envoy. */
export function removeToken(head: RequestHead, { location: { kind, name } }: FoundToken): void {
  if (kind === 'header') head.headers.remove(name);
  else if (kind === 'param') head.path = withoutParam(head.path, name);
}

function locationsOf({ issuer = '', fromHeaders = [], fromParams = [], fromCookies = [] }: JwtProvider): Location[] {
  const issuers = issuer === '' ? undefined : new Set([issuer]);
  const isDefault = fromHeaders.length + fromParams.length + fromCookies.length === 0;
  const headers = isDefault ? DEFAULT_HEADERS : fromHeaders;
  return [
    ...headers.map(({ name, valuePrefix = '' }): Location =>
      ({ kind: 'header', name: name.toLowerCase(), prefix: valuePrefix, issuers })),
    ...(isDefault ? DEFAULT_PARAMS : fromParams).map((name): Location => ({ kind: 'param', name, prefix: '',
      issuers })),
    ...fromCookies.map((name): Location => ({ kind: 'cookie', name, prefix: '', issuers })),
  ];
}

const ORDER = { header: 0, param: 1, cookie: 2 } as const;

function addTo(found: Map<string, Location>, location: Location): void {
  const key = `${ORDER[location.kind]}${location.name}${location.prefix}`;
  const before = found.get(key);
  if (before === undefined) {
    found.set(key, location);
    return;
  }
  const issuers = before.issuers === undefined || location.issuers === undefined ? undefined
    : before.issuers.union(location.issuers);
  found.set(key, { ...before, issuers });
}

function fromHeader({ headers }: RequestHead, location: Location, found: FoundToken[]): void {
  for (let i = headers.count - 1; i >= 0; i--) {
    if (headers.nameAt(i) !== location.name) continue;
    const token = afterPrefix(headers.valueAt(i), location.prefix);
    if (token !== undefined) found.push({ token, location });
  }
}

/** As Envoy: the prefix may stand anywhere, and what can be no part of a token is skipped behind it. */
function afterPrefix(value: string, prefix: string): string | undefined {
  if (prefix === '') return value;
  const at = value.indexOf(prefix);
  if (at === -1) return undefined;
  for (let i = at + prefix.length; i < value.length; i++) if (isTokenCode(value.charCodeAt(i))) return value.slice(i);
  return value;
}

function isTokenCode(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39)
    || code === 0x2d || code === 0x2e || code === 0x5f;
}

function fromParam({ path }: RequestHead, location: Location, found: FoundToken[]): void {
  const query = path.indexOf('?');
  if (query === -1) return;
  const pairs = path.slice(query + 1).split('&');
  for (const pair of pairs.toReversed()) {
    const { name, value } = splitParam(pair);
    if (name === location.name) found.push({ token: value, location });
  }
}

function splitParam(pair: string): { name: string; value: string } {
  const equals = pair.indexOf('=');
  if (equals === -1) return { name: percentDecoded(pair), value: '' };
  return { name: percentDecoded(pair.slice(0, equals)), value: percentDecoded(pair.slice(equals + 1)) };
}

function withoutParam(path: string, name: string): string {
  const query = path.indexOf('?');
  if (query === -1) return path;
  const kept = path.slice(query + 1).split('&').filter((pair) => splitParam(pair).name !== name);
  return kept.length === 0 ? path.slice(0, query) : `${path.slice(0, query)}?${kept.join('&')}`;
}

function fromCookie({ headers }: RequestHead, location: Location, found: FoundToken[]): void {
  for (let i = 0; i < headers.count; i++) {
    if (headers.nameAt(i) !== 'cookie') continue;
    for (const pair of headers.valueAt(i).split(';')) {
      const equals = pair.indexOf('=');
      if (equals === -1 || pair.slice(0, equals).trim() !== location.name) continue;
      const value = pair.slice(equals + 1).trim();
      const quoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
      found.push({ token: quoted ? value.slice(1, -1) : value, location });
    }
  }
}
