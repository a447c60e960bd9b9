// Which requests may reach the admin interface: those that no foreign web page can have sent (threats.md S99).
import { isIP } from 'node:net';

/** The host of `name[:port]`, without port and brackets, in lower case. */
function hostOf(authority: string): string {
  const bracket = authority.indexOf(']');
  if (authority.startsWith('[') && bracket !== -1) return authority.slice(1, bracket).toLowerCase();
  const colon = authority.lastIndexOf(':');
  return (colon === -1 ? authority : authority.slice(0, colon)).toLowerCase();
}

/**
 * A page that rebinds its own name to a loopback address sends that name as Host: names are refused but for localhost,
 * addresses are not, because they cannot be rebound.
 */
export function isTrustedHost(authority: string | undefined): boolean {
  if (authority === undefined) return false;
  const host = hostOf(authority);
  return isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost');
}

/** Whether a request that changes something comes from a page of another origin. */
export function isForeignOrigin(origin: string | undefined, authority: string | undefined): boolean {
  if (origin === undefined) return false;
  const scheme = origin.indexOf('://');
  return scheme === -1 || origin.slice(scheme + 3).toLowerCase() !== authority?.toLowerCase();
}
