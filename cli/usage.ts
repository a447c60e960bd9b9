// How commands refuse what stands on their command line, and the options that several of them read alike.
import { messageOf } from '../proxy/base/error.ts';
import type { HostPort } from '../proxy/base/host-port.ts';
import { readToken } from '../proxy/base/shown-token.ts';

/** Shown with the command's name before it and its help after it; exit status 2. */
export class UsageError extends Error {}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/\s[\]]+)):(\d{1,5})$/;

/** `127.0.0.1:80`, `[::1]:80`, `name:80`; port 0 is a port. Throws a UsageError that names the option. */
export function addressOption(option: string, text: string): HostPort {
  const [, ipv6, host = ipv6, port] = ADDRESS.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535) throw new UsageError(`--${option} takes HOST:PORT, not "${text}"`);
  return { host, port: Number(port) };
}

/** Headers that show what a file holds; none without a file. Rejects with a UsageError. */
export async function tokenHeader(file: string | undefined): Promise<Record<string, string>> {
  if (file === undefined) return {};
  try {
    return { authorization: `Bearer ${await readToken(file)}` };
  } catch (cause) {
    throw new UsageError(`--token-file: ${messageOf(cause)}`);
  }
}
