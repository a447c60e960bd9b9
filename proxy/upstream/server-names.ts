// What a server is told before all else, and asked to be by TLS: its name in the handshake, and the one that its
// certificate must have.
import type { ConnectionInfo } from '../telemetry/stream-info.ts';
import type { ServerNames } from '../tls/client-context.ts';
import type { ConnectionSettings } from './connection-settings.ts';
import { NO_NAMES } from './endpoint.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import type { SecuredTransport } from './proxied-transport.ts';

/** `authority` and `downstream` are the request's; undefined for connections that belong to none. */
export function namesFor(
  endpoint: UpstreamEndpoint, authority: string | undefined, settings: ConnectionSettings,
  downstream: ConnectionInfo | undefined,
): ServerNames {
  const names = saidNames(endpoint, authority, settings, downstream);
  const source = downstream?.upstreamSource;
  return source === undefined ? names : { ...names, source };
}

function saidNames(
  endpoint: UpstreamEndpoint, authority: string | undefined, settings: ConnectionSettings,
  downstream: ConnectionInfo | undefined,
): ServerNames {
  const { transport } = endpoint;
  if (transport === undefined) return NO_NAMES;
  const names = secureNames(transport, endpoint, authority, settings);
  return transport.headerFor === undefined ? names : { ...names, header: transport.headerFor(downstream) };
}

function secureNames(
  transport: SecuredTransport, endpoint: UpstreamEndpoint, authority: string | undefined,
  { autoSni, autoSanValidation }: ConnectionSettings,
): ServerNames {
  if (!autoSni && !autoSanValidation) return transport.namesFor(endpoint.hostname, undefined);
  const host = authority === undefined ? undefined : hostOf(authority);
  const names = transport.namesFor(endpoint.hostname, autoSni ? host : undefined);
  return autoSanValidation ? { sni: names.sni, required: host } : names;
}

/** The host of an authority, without port and brackets. */
function hostOf(authority: string): string {
  if (authority.startsWith('[')) return authority.slice(1, authority.indexOf(']'));
  const colon = authority.indexOf(':');
  return colon === -1 ? authority : authority.slice(0, colon);
}
