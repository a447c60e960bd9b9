// Trailer fields: what may come after a body, and what never may (RFC 9110 section 6.5.1, S08).
import { asciiLower } from '../base/ascii.ts';
import { FieldRole, nameOf, roleOf } from './header-names.ts';
import { Headers } from './headers.ts';
import type { UnderscoreAction } from './http1-head-fields.ts';
import type { HeadScanner } from './http1-head-scanner.ts';

/** Fields that route, authorise, or say how to read the message: too late here, and believed by somebody perhaps. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'age', 'authorization', 'cache-control', 'content-encoding', 'content-range', 'content-type', 'cookie', 'date',
  'expires', 'forwarded', 'if-match', 'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since',
  'location', 'max-forwards', 'pragma', 'proxy-authenticate', 'proxy-authorization', 'range', 'retry-after',
  'set-cookie', 'vary', 'warning', 'www-authenticate', 'x-real-ip', 'x-request-id',
]);

function isForbidden(name: string): boolean {
  return FORBIDDEN.has(name) || name.startsWith('x-forwarded-') || name.startsWith('x-envoy-');
}

/** The fields that may stand there; others are dropped. undefined when one has a name that must be refused (S16). */
export function collectTrailers(
  scanner: HeadScanner, buffer: Buffer, underscores: UnderscoreAction,
): Headers | undefined {
  const headers = new Headers();
  const text = buffer.toString('latin1', 0, scanner.length);
  for (let i = 0; i < scanner.count; i++) {
    const slot = scanner.slotAt(i);
    if (slot !== -1 && roleOf(slot) !== FieldRole.END_TO_END) continue;
    const name = slot === -1 ? asciiLower(text.substring(scanner.nameStart(i), scanner.nameEnd(i))) : nameOf(slot);
    if (underscores !== 'allow' && name.includes('_')) {
      if (underscores === 'reject') return undefined;
      continue;
    }
    if (!isForbidden(name)) headers.fields.push(name, text.substring(scanner.valueStart(i), scanner.valueEnd(i)));
  }
  headers.verified = true;
  return headers;
}
