// What listeners look at before a filter chain is chosen, and how chains are chosen by server name.
import type { FilterChain, ListenerFilter } from '../../proxy/config/listener.ts';
import {
  ORIGINAL_DST_TYPE, PROXY_PROTOCOL_FILTER, PROXY_PROTOCOL_TYPE, TLS_INSPECTOR_TYPE,
} from '../../proxy/config/type-url.ts';

export const TLS_INSPECTOR: ListenerFilter = {
  name: 'envoy.filters.listener.tls_inspector',
  typedConfig: { '@type': TLS_INSPECTOR_TYPE },
};

export const PROXY_PROTOCOL: ListenerFilter = {
  name: PROXY_PROTOCOL_FILTER,
  typedConfig: { '@type': PROXY_PROTOCOL_TYPE },
};

export const ORIGINAL_DST: ListenerFilter = {
  name: 'envoy.filters.listener.original_dst',
  typedConfig: { '@type': ORIGINAL_DST_TYPE },
};

/** Any name where `*` is among them. */
export function sniMatch(names: readonly string[]): Pick<FilterChain, 'filterChainMatch'> {
  return names.includes('*') ? {} : { filterChainMatch: { serverNames: [...names] } };
}
