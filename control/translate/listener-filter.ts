// What listeners look at before a filter chain is chosen, and how chains are chosen by server name.
import type { FilterChain, FilterChainMatch, Listener, ListenerFilter } from '../../proxy/config/listener.ts';
import {
  HTTP_INSPECTOR_TYPE, ORIGINAL_DST_TYPE, ORIGINAL_SRC_TYPE, PROXY_PROTOCOL_FILTER, PROXY_PROTOCOL_TYPE,
  TLS_INSPECTOR_TYPE,
} from '../../proxy/config/type-url.ts';
import { TPROXY_MARK } from '../inject/redirect-rules.ts';
import { meshConfig } from './mesh-trust.ts';
import type { MeshView, Scope } from './mesh-view.ts';

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

/** By the mark the answers of the application come back to its sidecar. */
export const ORIGINAL_SRC: ListenerFilter = {
  name: 'envoy.filters.listener.original_src',
  typedConfig: { '@type': ORIGINAL_SRC_TYPE, mark: TPROXY_MARK },
};

const HTTP_INSPECTOR: ListenerFilter = {
  name: 'envoy.filters.listener.http_inspector',
  typedConfig: { '@type': HTTP_INSPECTOR_TYPE },
};

/** Istio's former protocolDetectionTimeout: what is silent for so long is carried as it is. */
const DETECTION_TIMEOUT = '0.1s';
/** Weft asks the server meanwhile, so that its clients may take their time. */
const WEFT_DETECTION_TIMEOUT = '60s';

/** How ports of unknown protocol are told apart. A server that speaks first is called by clients that wait. */
export function detection(
  view: MeshView, { isWeft }: Pick<Scope, 'isWeft'>, before: readonly ListenerFilter[] = [],
): Pick<Listener, 'listenerFilters' | 'listenerFiltersTimeout' | 'continueOnListenerFiltersTimeout'> {
  const asked = meshConfig(view).protocolDetectionTimeout;
  return {
    listenerFilters: [...before, TLS_INSPECTOR, HTTP_INSPECTOR],
    listenerFiltersTimeout: asked ?? (isWeft ? WEFT_DETECTION_TIMEOUT : DETECTION_TIMEOUT),
    continueOnListenerFiltersTimeout: true,
  };
}

/** By the first line of a connection. */
export const PLAIN_HTTP: FilterChainMatch = {
  transportProtocol: 'raw_buffer', applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'],
};
/** By what other sidecars say of their connections in the handshake, as Istio's do. */
export const MESH_HTTP: FilterChainMatch = {
  transportProtocol: 'tls', applicationProtocols: ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'],
};
export const MESH_TCP: FilterChainMatch = {
  transportProtocol: 'tls', applicationProtocols: ['istio-peer-exchange', 'istio'],
};

/** Any name where `*` is among them. */
export function sniMatch(names: readonly string[]): Pick<FilterChain, 'filterChainMatch'> {
  return names.includes('*') ? {} : { filterChainMatch: { serverNames: [...names] } };
}
