// The login filter's own answers: to the provider and back, or a refusal in plain words.
import type { RequestHead } from '../http/message.ts';
import type { FilterStream, Verdict } from './filter.ts';

const NEVER_KEPT = ['cache-control', 'no-store'] as const;

export function redirect(stream: FilterStream, location: string, detail: string, cookies: readonly string[]): Verdict {
  stream.sendLocalReply({
    status: 302, body: '', detail, flags: 0, headers: [['location', location], NEVER_KEPT, ...cookies.map(asField)],
  });
  return 'replied';
}

export function deny(
  stream: FilterStream, status: number, body: string, detail: string, cookies: readonly string[] = [],
): Verdict {
  stream.sendLocalReply({ status, body, detail, flags: 0, headers: [NEVER_KEPT, ...cookies.map(asField)] });
  return 'replied';
}

function asField(cookie: string): readonly [string, string] {
  return ['set-cookie', cookie];
}

/** A browser that opens a page can be sent elsewhere; a script, a form or a client of an API cannot. */
export function wantsPage({ method, headers, upgrade }: RequestHead): boolean {
  if ((method !== 'GET' && method !== 'HEAD') || upgrade !== undefined) return false;
  const mode = headers.get('sec-fetch-mode');
  if (mode !== undefined) return mode === 'navigate';
  if (headers.get('x-requested-with') !== undefined) return false;
  const accept = headers.get('accept');
  return accept === undefined || accept.includes('text/html') || accept.includes('*/*');
}
