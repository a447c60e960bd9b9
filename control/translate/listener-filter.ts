// What listeners look at before a filter chain is chosen, and how chains are chosen by server name.
import type { FilterChain, ListenerFilter } from '../../proxy/config/listener.ts';

export const TLS_INSPECTOR: ListenerFilter = {
  name: 'envoy.filters.listener.tls_inspector',
  typedConfig: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector' },
};

/** Any name where `*` is among them. */
export function sniMatch(names: readonly string[]): Pick<FilterChain, 'filterChainMatch'> {
  return names.includes('*') ? {} : { filterChainMatch: { serverNames: [...names] } };
}
