// The hash of a request by its route's hash_policy, bit for bit as Envoy's; and the cookie that keeps a client's hash.
import { wireText } from '../base/ascii.ts';
import { compileSubstitution } from '../base/regex.ts';
import { hexOf, rotatedOnce, xxHash64 } from '../base/xx-hash.ts';
import type { Hash64 } from '../base/xx-hash.ts';
import { msOr } from '../config/duration.ts';
import type { HashCookie, HashPolicy } from '../config/hash-policy.ts';
import type { RequestHead } from '../http/message.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { cookieAttributes, cookieValue } from './cookie.ts';
import { compileHeaderReader } from './header-reader.ts';
import { queryValue } from './query-match.ts';

/** What a request is balanced by. */
export interface RequestHash {
  /** Undefined where it has nothing that is hashed. */
  readonly hash: Hash64 | undefined;
  /** A set-cookie value for its response, where it came without the cookie. */
  readonly setCookie: string | undefined;
}

export type HashRequest = (request: RequestHead, info: StreamInfo) => RequestHash;

/** Undefined where nothing is hashed. Throws ConfigError below `path`. */
export function compileHashPolicy(config: readonly HashPolicy[] | undefined, path: string): HashRequest | undefined {
  if (config === undefined || config.length === 0) return undefined;
  const parts = config.map((policy, i) => compilePart(policy, `${path}[${i}]`));
  return (request, info) => {
    const draft: Draft = { request, info, setCookie: undefined };
    let hash: Hash64 | undefined;
    for (const { hashOf, terminal } of parts) {
      const own = hashOf(draft);
      if (own !== undefined) hash = hash === undefined ? own : combined(hash, own);
      if (terminal && hash !== undefined) break;
    }
    return { hash, setCookie: draft.setCookie };
  };
}

interface Draft {
  readonly request: RequestHead;
  readonly info: StreamInfo;
  setCookie: string | undefined;
}

type HashOf = (draft: Draft) => Hash64 | undefined;

interface Part {
  readonly hashOf: HashOf;
  readonly terminal: boolean;
}

/** The earlier hash is turned, so that the same text twice is not nothing. */
function combined(before: Hash64, own: Hash64): Hash64 {
  const turned = rotatedOnce(before);
  return { hi: (turned.hi ^ own.hi) >>> 0, lo: (turned.lo ^ own.lo) >>> 0 };
}

function compilePart(policy: HashPolicy, path: string): Part {
  const { header, cookie, queryParameter, connectionProperties, terminal = false } = policy;
  const part = (hashOf: HashOf): Part => ({ hashOf, terminal });
  if (header !== undefined) return part(byHeader(header, `${path}.header`));
  if (cookie !== undefined) return part(byCookie(cookie));
  if (queryParameter !== undefined) {
    const name = wireText(queryParameter.name);
    return part(({ request }) => hashOfText(queryValue(request.path, name)));
  }
  if (connectionProperties?.sourceIp !== true) return part(() => undefined);
  return part(({ info }) => hashOfText(info.forwardedIp || info.connection.remoteIp));
}

function hashOfText(text: string | undefined): Hash64 | undefined {
  return text === undefined ? undefined : xxHash64(text);
}

/** Several values are hashed one after the other, in order of their text. */
function byHeader({ headerName, regexRewrite }: NonNullable<HashPolicy['header']>, path: string): HashOf {
  const name = headerName.toLowerCase();
  const rewrite = regexRewrite === undefined ? undefined : compileSubstitution(
    regexRewrite.pattern.regex, wireText(regexRewrite.substitution ?? ''), `${path}.regexRewrite`);
  return ({ request }) => {
    const values = valuesOf(request, name);
    if (values.length === 0) return undefined;
    const texts = rewrite === undefined ? values : values.map((value) => rewrite.replaceAll(value));
    let hash: Hash64 | undefined;
    for (const text of texts.sort()) hash = xxHash64(text, hash);
    return hash;
  };
}

function valuesOf(request: RequestHead, name: string): string[] {
  const read = compileHeaderReader(name);
  if (read !== undefined) {
    const value = read(request);
    return value === undefined ? [] : [value];
  }
  const { headers } = request;
  const values: string[] = [];
  for (let i = 0; i < headers.count; i++) if (headers.nameAt(i) === name) values.push(headers.valueAt(i));
  return values;
}

function byCookie(config: HashCookie): HashOf {
  const name = wireText(config.name);
  const attributes = attributesOf(config);
  return (draft) => {
    const value = cookieValue(draft.request, name);
    if (value !== '') return xxHash64(value);
    if (attributes === undefined) return undefined;
    // The same for all requests of a connection, so that those that race get the same cookie.
    const { remoteAddress, localAddress } = draft.info.connection;
    const given = hexOf(xxHash64(remoteAddress + localAddress)).padStart(16, '0');
    draft.setCookie = `${name}="${given}"${attributes}`;
    return xxHash64(given);
  };
}

/** Undefined where no cookie is given to clients. */
function attributesOf({ ttl, path = '', attributes = [] }: HashCookie): string | undefined {
  if (ttl === undefined) return undefined;
  return cookieAttributes(Math.floor(msOr(ttl, 0) / 1000), path, attributes);
}
