// Well-known field names: recognised by their bytes, so that no string is made, with what a codec does with each.
import { TOKEN_LOWER } from './char-class.ts';

/** What a field is to the HTTP/1.1 codec. All but `END_TO_END` are hop-by-hop or framing and never enter Headers. */
export const FieldRole = {
  END_TO_END: 0,
  HOST: 1,
  CONTENT_LENGTH: 2,
  TRANSFER_ENCODING: 3,
  CONNECTION: 4,
  KEEP_ALIVE: 5,
  TE: 6,
  UPGRADE: 7,
  EXPECT: 8,
  /** Dropped: it concerns one hop only, and the codec makes its own decision. */
  DROPPED: 9,
} as const;

const ROLES: readonly (readonly [string, number])[] = [
  ['host', FieldRole.HOST],
  ['content-length', FieldRole.CONTENT_LENGTH],
  ['transfer-encoding', FieldRole.TRANSFER_ENCODING],
  ['connection', FieldRole.CONNECTION],
  ['keep-alive', FieldRole.KEEP_ALIVE],
  ['te', FieldRole.TE],
  ['upgrade', FieldRole.UPGRADE],
  ['expect', FieldRole.EXPECT],
  ['trailer', FieldRole.DROPPED],
  ['proxy-connection', FieldRole.DROPPED],
  ['http2-settings', FieldRole.DROPPED],
];

const COMMON = `accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-credentials
access-control-allow-headers access-control-allow-methods access-control-allow-origin access-control-expose-headers
access-control-max-age access-control-request-headers access-control-request-method age allow alt-svc authorization
baggage b3 cache-control client-ip content-disposition content-encoding content-language content-location content-md5
content-range content-security-policy content-type cookie cross-origin-embedder-policy cross-origin-opener-policy
cross-origin-resource-policy date dnt end-user etag expires forwarded from grpc-accept-encoding grpc-encoding
grpc-message grpc-status grpc-timeout if-match if-modified-since if-none-match if-range if-unmodified-since
last-modified link location max-forwards nel ot-tracer-sampled ot-tracer-spanid ot-tracer-traceid origin
permissions-policy pragma priority proxy-authenticate proxy-authorization range referer referrer-policy refresh
report-to retry-after save-data sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode
sec-fetch-site sec-fetch-user sec-gpc sec-websocket-accept sec-websocket-extensions sec-websocket-key
sec-websocket-protocol sec-websocket-version server server-timing set-cookie strict-transport-security
timing-allow-origin traceparent tracestate upgrade-insecure-requests user-agent vary via warning www-authenticate
x-amzn-trace-id x-api-key x-b3-flags x-b3-parentspanid x-b3-sampled x-b3-spanid x-b3-traceid x-client-trace-id
x-cloud-trace-context x-content-type-options x-correlation-id x-csrf-token x-datadog-parent-id
x-datadog-sampling-priority x-datadog-trace-id x-envoy-attempt-count x-envoy-decorator-operation
x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-internal x-envoy-max-retries x-envoy-original-path
x-envoy-overloaded x-envoy-peer-metadata x-envoy-peer-metadata-id x-envoy-retriable-status-codes x-envoy-retry-on
x-envoy-upstream-rq-per-try-timeout-ms x-envoy-upstream-rq-timeout-ms x-envoy-upstream-service-time
x-forwarded-client-cert x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-frame-options
x-jwt-assertion x-ot-span-context x-powered-by x-real-ip x-request-id x-requested-with x-runtime x-served-by
x-trace-id x-user-agent x-xss-protection`;

const SLOTS = 1024;
const MASK = SLOTS - 1;

const names: string[] = new Array<string>(SLOTS).fill('');
const roles = new Uint8Array(SLOTS);
/** Where each slot's name begins in `bytes`. */
const starts = new Uint16Array(SLOTS);
const bytes = buildTable();

/** Hash of no bytes; a scanner goes on with `hashByte` for each lower-cased byte of the name. */
export const HASH_START = 7;

export function hashByte(hash: number, lower: number): number {
  return (Math.imul(hash, 31) + lower) | 0;
}

function buildTable(): Uint8Array {
  const entries = [...ROLES, ...COMMON.split(/\s+/).map((name) => [name, FieldRole.END_TO_END] as const)];
  const all = Buffer.from(entries.map(([name]) => name).join(''), 'latin1');
  let start = 0;
  for (const [name, role] of entries) {
    let hash = 7;
    for (let i = 0; i < name.length; i++) hash = hashByte(hash, name.charCodeAt(i));
    let slot = hash & MASK;
    while (names[slot] !== '') slot = (slot + 1) & MASK;
    names[slot] = name;
    roles[slot] = role;
    starts[slot] = start;
    start += name.length;
  }
  return new Uint8Array(all);
}

/** The slot of the name that stands in `buffer` from `from` to `to`, in either case; -1 when it isn't well-known. */
export function findName(buffer: Uint8Array, from: number, to: number, hash: number): number {
  for (let slot = hash & MASK; ; slot = (slot + 1) & MASK) {
    const name = names[slot]!;
    if (name === '') return -1;
    if (name.length === to - from && sameBytes(buffer, from, to, starts[slot]!)) return slot;
  }
}

/** The hash alone proves nothing: names with the same one are easily made. */
function sameBytes(buffer: Uint8Array, from: number, to: number, start: number): boolean {
  for (let i = from, k = start; i < to; i++, k++) if (TOKEN_LOWER[buffer[i]!] !== bytes[k]) return false;
  return true;
}

export function nameOf(slot: number): string {
  return names[slot]!;
}

export function roleOf(slot: number): number {
  return roles[slot]!;
}

const ROLE_BY_NAME: ReadonlyMap<string, number> = new Map(ROLES);

/** For names that are not met in a head, such as those a Connection field lists. */
export function roleOfName(name: string): number {
  return ROLE_BY_NAME.get(name) ?? FieldRole.END_TO_END;
}
