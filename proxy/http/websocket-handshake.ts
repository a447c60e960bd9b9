// WebSocket's handshake on HTTP/1.1 (RFC 6455 section 4), for peers of HTTP/2, whose own has no keys (RFC 8441 section
// 5): a proxy between the two shakes hands in their place.
import { createHash, randomBytes } from 'node:crypto';
import type { RequestHead, ResponseHead } from './message.ts';

const KEY_BYTES = 16;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A nonce for a request that came by HTTP/2 without one; undefined where there is nothing to add. */
export function missingKey({ upgrade, protocol, headers }: RequestHead): string | undefined {
  if (upgrade !== 'websocket' || protocol !== 'HTTP/2' || headers.has('sec-websocket-key')) return undefined;
  return randomBytes(KEY_BYTES).toString('base64');
}

export function keyLine(key: string): string {
  return `sec-websocket-key: ${key}\r\n`;
}

/** Whether a server has read the key that was sent in its client's place; the client never sees the proof. */
export function takeAccept(head: ResponseHead, key: string): boolean {
  const accept = head.headers.get('sec-websocket-accept');
  head.headers.remove('sec-websocket-accept');
  return accept === acceptFor(key);
}

/** The line that a client waits for whose server was spoken to by HTTP/2; '' where there is nothing to add. */
export function acceptLine(request: RequestHead, response: ResponseHead): string {
  if (request.upgrade !== 'websocket' || response.protocol !== 'HTTP/2') return '';
  const key = request.headers.get('sec-websocket-key');
  if (key === undefined || response.headers.has('sec-websocket-accept')) return '';
  return `sec-websocket-accept: ${acceptFor(key)}\r\n`;
}

function acceptFor(key: string): string {
  return createHash('sha1').update(key + GUID).digest('base64');
}
