// Spans as sidecars send them (Zipkin v2 JSON), taken from untrusted bytes into bounded values.

/** One side of a call, as a span names it; '' and 0 for what the sender left out. */
export interface SpanEndpoint {
  readonly serviceName: string;
  readonly ip: string;
  readonly port: number;
}

export type SpanKind = 'CLIENT' | 'SERVER' | 'PRODUCER' | 'CONSUMER' | 'LOCAL';

/** A Zipkin v2 span. Ids are lower-case hex; times are microseconds, 0 when absent. Tags' keys are foreign: a Map. */
export interface Span {
  readonly traceId: string;
  readonly id: string;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  /** Since the Unix epoch. */
  readonly timestampUs: number;
  readonly durationUs: number;
  readonly local: SpanEndpoint;
  readonly remote: SpanEndpoint;
  readonly tags: ReadonlyMap<string, string>;
  /** True when the server side of a call reports under the client's span id. */
  readonly shared: boolean;
}

/** What a body held: the spans that are well formed, and how many were not. */
export interface SpanBatch {
  readonly spans: readonly Span[];
  readonly rejected: number;
}

/** Bounds of one span, so that the store's bound by count is a bound by bytes too. */
export const SPAN_LIMITS = { tags: 64, textChars: 1024, spansPerBody: 5000 } as const;

const KINDS: ReadonlySet<string> = new Set(['CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER']);

/** Reads a JSON body; undefined when it is not a JSON array. */
export function parseSpans(body: string): SpanBatch | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const spans: Span[] = [];
  for (const entry of parsed.slice(0, SPAN_LIMITS.spansPerBody)) {
    const span = spanOf(entry);
    if (span !== undefined) spans.push(span);
  }
  return { spans, rejected: parsed.length - spans.length };
}

function spanOf(value: unknown): Span | undefined {
  if (!isRecord(value)) return undefined;
  const traceId = hexId(value['traceId'], 32);
  const id = hexId(value['id'], 16);
  if (traceId === undefined || id === undefined) return undefined;
  return {
    traceId,
    id,
    parentId: hexId(value['parentId'], 16),
    name: text(value['name']),
    kind: kindOf(value['kind']),
    timestampUs: micros(value['timestamp']),
    durationUs: micros(value['duration']),
    local: endpointOf(value['localEndpoint']),
    remote: endpointOf(value['remoteEndpoint']),
    tags: tagsOf(value['tags']),
    shared: value['shared'] === true,
  };
}

function kindOf(value: unknown): SpanKind {
  return typeof value === 'string' && KINDS.has(value) ? (value as SpanKind) : 'LOCAL';
}

function endpointOf(value: unknown): SpanEndpoint {
  if (!isRecord(value)) return { serviceName: '', ip: '', port: 0 };
  const ip = text(value['ipv4'] ?? value['ipv6']);
  return { serviceName: text(value['serviceName']), ip, port: micros(value['port']) };
}

/** The span in Zipkin's JSON, as its own API answers it. */
export function zipkinSpan(span: Span): Record<string, unknown> {
  const { traceId, id, parentId, name, kind, timestampUs, durationUs, shared } = span;
  return {
    traceId, id,
    ...(parentId !== undefined && { parentId }),
    name,
    ...(kind !== 'LOCAL' && { kind }),
    ...(timestampUs > 0 && { timestamp: timestampUs }),
    ...(durationUs > 0 && { duration: durationUs }),
    localEndpoint: zipkinEndpoint(span.local),
    remoteEndpoint: zipkinEndpoint(span.remote),
    tags: Object.fromEntries(span.tags),
    ...(shared && { shared }),
  };
}

function zipkinEndpoint({ serviceName, ip, port }: SpanEndpoint): Record<string, unknown> {
  return {
    ...(serviceName !== '' && { serviceName }),
    ...(ip !== '' && { [ip.includes(':') ? 'ipv6' : 'ipv4']: ip }),
    ...(port !== 0 && { port }),
  };
}

/** The form in which a trace id is kept: lower case, padded to 16 or 32 digits; '' for what is none. */
export function traceIdOf(text: string): string {
  return hexId(text, 32) ?? '';
}

function tagsOf(value: unknown): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  if (!isRecord(value)) return tags;
  for (const [key, tag] of Object.entries(value)) {
    if (tags.size === SPAN_LIMITS.tags) break;
    tags.set(text(key), text(tag));
  }
  return tags;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, SPAN_LIMITS.textChars) : '';
}

function micros(value: unknown): number {
  return typeof value === 'number' && value > 0 && value <= Number.MAX_SAFE_INTEGER ? Math.floor(value) : 0;
}

/** Trace ids may be 64 or 128 bits; a shorter id is padded as Zipkin does. */
function hexId(value: unknown, charsMax: number): string | undefined {
  if (typeof value !== 'string' || value.length === 0 || value.length > charsMax) return undefined;
  for (let at = 0; at < value.length; at++) if (!isHex(value.charCodeAt(at))) return undefined;
  const padTo = value.length > 16 ? 32 : 16;
  return value.toLowerCase().padStart(padTo, '0');
}

function isHex(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70);
}
