// Why a port could not be opened, in words that say what to do.
import { ConfigError, messageOf } from '../proxy/base/error.ts';

/** Of Node's servers and of gRPC's, whose errors carry the code in their text. */
export function listenFault(cause: unknown, address: string): ConfigError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const text = `${code} ${messageOf(cause)}`;
  if (text.includes('EADDRINUSE')) return fault('another process has this port', address);
  if (text.includes('EACCES')) return fault('ports under 1024 need rights', address);
  if (text.includes('EADDRNOTAVAIL')) return fault('this machine does not have the address', address);
  return fault(messageOf(cause), address);
}

function fault(reason: string, address: string): ConfigError {
  return new ConfigError('', `cannot listen here: ${reason}`, address);
}
