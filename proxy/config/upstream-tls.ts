// The TLS of a cluster's transport socket, which may stand behind the PROXY protocol.
import type { UpstreamTlsContext } from './tls.ts';
import { UPSTREAM_PROXY_PROTOCOL_TYPE, UPSTREAM_TLS_TYPE } from './type-url.ts';

/** A transport socket of either end, as cluster.ts has it. */
interface SocketParts {
  readonly typedConfig: { readonly '@type': string };
}

/** Undefined for plaintext. `path` leads to it below the socket. */
export function upstreamTls(
  socket: SocketParts | undefined,
): { readonly tls: UpstreamTlsContext; readonly path: readonly string[] } | undefined {
  const config = socket?.typedConfig;
  switch (config?.['@type']) {
    case UPSTREAM_TLS_TYPE: return { tls: config as unknown as UpstreamTlsContext, path: ['typedConfig'] };
    case UPSTREAM_PROXY_PROTOCOL_TYPE: {
      const inner = upstreamTls((config as unknown as { readonly transportSocket: SocketParts }).transportSocket);
      return inner && { tls: inner.tls, path: ['typedConfig', 'transportSocket', ...inner.path] };
    }
    default: return undefined;
  }
}
