// Who may change something by the admin interface: whoever is on this host, and who shows the token (threats.md S99).
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../base/cidr.ts';
import { ConfigError, messageOf } from '../base/error.ts';
import { isSameToken, readToken, shownToken } from '../base/shown-token.ts';
import { nearestName } from '../config/nearest-name.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import type { AdminResponse } from './admin-response.ts';
import { text } from './admin-response.ts';

const PATH = 'node.metadata.WEFT_ADMIN';

/** The file of the token that callers from elsewhere show, or undefined. Throws a ConfigError with the field. */
export function adminTokenFile(metadata: Readonly<Record<string, unknown>>): string | undefined {
  const value = metadata['WEFT_ADMIN'];
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(PATH, 'expected an object with token_file');
  }
  const { token_file: file, ...others } = value as Record<string, unknown>;
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new ConfigError(`${PATH}.${other}`, `unknown field${nearestName(other, ['token_file'])}`);
  }
  if (typeof file === 'string' && file !== '') return file;
  throw new ConfigError(`${PATH}.token_file`, 'expected a file');
}

/** Why this request may not change anything, or undefined. The token is read each time: it may be a new one. */
export async function changeRefusal(
  { socket, headers }: IncomingMessage, tokenFile: string | undefined, log: ComponentLog,
): Promise<AdminResponse | undefined> {
  // Whoever connects to a loopback address of this host is on it, wherever else the server listens; a pipe has none.
  const { localAddress } = socket;
  if (localAddress === undefined || isLoopback(localAddress.replace(/^::ffff:/, ''))) return undefined;
  if (tokenFile === undefined) {
    return text('changes are made on a loopback address or a unix socket, or by the token of WEFT_ADMIN\n', 403);
  }
  const shown = shownToken(headers.authorization);
  try {
    if (shown !== undefined && isSameToken(shown, await readToken(tokenFile))) return undefined;
  } catch (cause) {
    log.warning(`${PATH}.token_file: ${messageOf(cause)}`);
  }
  return text('changes take the token of WEFT_ADMIN: authorization: Bearer TOKEN\n', 401);
}
