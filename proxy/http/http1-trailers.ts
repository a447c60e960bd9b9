// The trailer section of an HTTP/1.1 message, from its scanned lines (RFC 9112 section 7.1.2).
import { asciiLower } from '../base/ascii.ts';
import { FieldRole, nameOf, roleOf } from './header-names.ts';
import { Headers } from './headers.ts';
import type { UnderscoreAction } from './http1-head-fields.ts';
import type { HeadScanner } from './http1-head-scanner.ts';
import { mayTrail } from './trailer-fields.ts';

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
    if (mayTrail(name)) headers.fields.push(name, text.substring(scanner.valueStart(i), scanner.valueEnd(i)));
  }
  headers.verified = true;
  return headers;
}
