// Which fields may come after a body, and which never may (RFC 9110 section 6.5.1, S08).

/** Fields that route, authorise, or say how to read the message: too late here, and believed by somebody perhaps. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'age', 'authorization', 'cache-control', 'content-encoding', 'content-range', 'content-type', 'cookie', 'date',
  'expires', 'forwarded', 'if-match', 'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since',
  'location', 'max-forwards', 'pragma', 'proxy-authenticate', 'proxy-authorization', 'range', 'retry-after',
  'set-cookie', 'vary', 'warning', 'www-authenticate', 'x-real-ip', 'x-request-id',
]);

/** Framing and hop-by-hop fields are none of these: codecs know them by their role. */
export function mayTrail(name: string): boolean {
  return !FORBIDDEN.has(name) && !name.startsWith('x-forwarded-') && !name.startsWith('x-envoy-');
}
