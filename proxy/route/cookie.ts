// Cookies of requests and for responses, as Envoy reads and writes them (RFC 6265).
import { wireText } from '../base/ascii.ts';
import type { RequestHead } from '../http/message.ts';

/** What follows a cookie's value: `; Max-Age=…; Path=…; …; HttpOnly`. `seconds` 0 lasts as long as its session. */
export function cookieAttributes(
  seconds: number, path: string, attributes: readonly { readonly name: string; readonly value?: string }[],
): string {
  const parts = [
    ...(seconds > 0 ? [`Max-Age=${seconds}`] : []), ...(path === '' ? [] : [`Path=${wireText(path)}`]),
    ...attributes.map(({ name, value = '' }) => wireText(value === '' ? name : `${name}=${value}`)), 'HttpOnly',
  ];
  return parts.map((part) => `; ${part}`).join('');
}

/** The first cookie of the name, without quotes around its value; '' when there is none. */
export function cookieValue({ headers }: RequestHead, name: string): string {
  for (let i = 0; i < headers.count; i++) {
    if (headers.nameAt(i) !== 'cookie') continue;
    for (const pair of headers.valueAt(i).split(';')) {
      const text = pair.trim();
      if (!text.startsWith(name) || text[name.length] !== '=') continue;
      const value = text.slice(name.length + 1);
      return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
  }
  return '';
}
