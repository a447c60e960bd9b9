// Which fields a sidecar's encoder puts into the dynamic table: a judgement by name, and the static table's part of it.
import { STATIC_TABLE } from './hpack-static-table.ts';

export const Indexing = {
  /** Indexed when the same value is met again: it repeats on this connection. */
  REPEATED: 0,
  /** As `REPEATED`, unless there is a query: those seldom repeat, and hold what users type. */
  PATH: 1,
  /** Literal each time: the value is new each time. */
  NEVER_REPEATS: 2,
  /** Literal, and no hop may index it (RFC 7541 section 7.1.3): who sees sizes could guess it piece by piece. */
  SECRET: 3,
  /** Secret when short, so that it can be guessed; else as `REPEATED`. */
  SECRET_IF_SHORT: 4,
} as const;

/** Ids of requests, traces and versions, times that run down, lengths, places. */
const NEVER_REPEATS = `age b3 content-length content-location content-md5 content-range digest etag expires
grpc-timeout if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location
ot-tracer-spanid ot-tracer-traceid range sec-websocket-accept sec-websocket-key server-timing set-cookie sw8
traceparent tracestate uber-trace-id x-amz-request-id x-amzn-trace-id x-b3-parentspanid x-b3-spanid x-b3-traceid
x-client-trace-id x-cloud-trace-context x-correlation-id x-datadog-parent-id x-datadog-trace-id
x-envoy-original-path x-envoy-upstream-service-time x-ot-span-context x-request-id x-response-time x-runtime
x-trace-id`;

const SECRET = `authorization proxy-authorization x-amz-security-token x-api-key x-auth-token x-csrf-token
x-jwt-assertion x-vault-token x-xsrf-token`;

/** What is known of a name before any connection. */
export class NameRule {
  readonly indexing: number;
  /** Its first index in the static table; 0 when it isn't there. */
  readonly staticIndex: number;
  /** The static table's values of the name, from that index on. */
  readonly staticValues: readonly string[];
  /** Where the fingerprint of a field begins. */
  readonly seed: number;

  constructor(indexing: number, staticIndex: number, staticValues: readonly string[], seed: number) {
    this.indexing = indexing;
    this.staticIndex = staticIndex;
    this.staticValues = staticValues;
    this.seed = seed;
  }
}

export const UNKNOWN_NAME: NameRule = new NameRule(Indexing.REPEATED, 0, [], 0);
export const NAME_RULES: ReadonlyMap<string, NameRule> = buildRules();

function buildRules(): Map<string, NameRule> {
  const indexing = new Map<string, number>([[':path', Indexing.PATH], ['cookie', Indexing.SECRET_IF_SHORT]]);
  for (const name of NEVER_REPEATS.split(/\s+/)) indexing.set(name, Indexing.NEVER_REPEATS);
  for (const name of SECRET.split(/\s+/)) indexing.set(name, Indexing.SECRET);
  const names = new Set([...STATIC_TABLE.slice(1).map((entry) => entry.name), ...indexing.keys()]);
  const rules = new Map<string, NameRule>();
  for (const name of names) {
    const values = STATIC_TABLE.filter((entry) => entry.name === name).map((entry) => entry.value);
    const first = STATIC_TABLE.findIndex((entry) => entry.name === name);
    const rule = new NameRule(indexing.get(name) ?? Indexing.REPEATED, Math.max(first, 0), values, 31 * rules.size + 7);
    rules.set(name, rule);
  }
  return rules;
}
