// The HTTP filters of every chain, in Istio's order: limits, logins, providers' authorization, tokens, authorization,
// browsers' gRPC, gRPC's figures, faults, cross-origin rules, APIs' descriptions, credentials, metrics, router.
import type { HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import {
  CORS_TYPE, FAULT_TYPE, GRPC_STATS_TYPE, GRPC_WEB_TYPE, ISTIO_ALPN_TYPE, ISTIO_STATS_TYPE, ON_DEMAND_TYPE,
  ROUTER_TYPE,
} from '../../proxy/config/type-url.ts';

/** Names by which routes configure them. */
export const FAULT_FILTER = 'envoy.filters.http.fault';
export const CORS_FILTER = 'envoy.filters.http.cors';
export const SESSION_FILTER = 'envoy.filters.http.stateful_session';

const ISTIO_ALPN: HttpFilter = {
  name: 'istio.alpn',
  typedConfig: {
    '@type': ISTIO_ALPN_TYPE,
    alpnOverride: [
      { upstreamProtocol: 'HTTP11', alpnOverride: ['istio-http/1.1', 'istio'] },
      { upstreamProtocol: 'HTTP2', alpnOverride: ['istio-h2', 'istio', 'h2'] },
    ],
  },
};

/** A plain Envoy has no such filter, but a name for what it does. */
const ALPN_IN_STATE = {
  name: 'envoy.filters.http.set_filter_state',
  typedConfig: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config',
    onRequestHeaders: [{
      objectKey: 'envoy.network.application_protocols',
      formatString: { textFormatSource: { inlineString: 'istio-http/1.1,istio' } }, sharedWithUpstream: 'ONCE',
    }],
  },
} as unknown as HttpFilter;

const ON_DEMAND: HttpFilter = { name: 'envoy.filters.http.on_demand', typedConfig: { '@type': ON_DEMAND_TYPE } };

export interface FilterParts {
  /** Waits for hosts of a lazy sidecar: whatever comes after it sees the route. */
  readonly onDemand?: boolean;
  /** At gateways; comes first, since it is the cheapest. */
  readonly limits?: readonly HttpFilter[];
  /** At gateways. */
  readonly login?: readonly HttpFilter[];
  /** Whoever CUSTOM policies ask. */
  readonly custom?: readonly HttpFilter[];
  /** Before those who judge what tokens say. */
  readonly tokens?: readonly HttpFilter[];
  readonly authorization: readonly HttpFilter[];
  /** After cross-origin rules: a preflight is in no description. */
  readonly apis?: readonly HttpFilter[];
  /** Attached on the way out. */
  readonly credentials?: readonly HttpFilter[];
  /** Where some route has them. */
  readonly sessions?: readonly HttpFilter[];
  /** The metrics filter is Istio's own: a plain Envoy does not know it. */
  readonly isWeft: boolean;
  readonly isGateway?: boolean;
  /** Browsers' calls become gRPC here. */
  readonly grpcWeb: boolean;
  /** Handshakes with other sidecars say that HTTP follows, in place of the ALPN that clusters have. */
  readonly saysHttp?: boolean;
}

export function httpFilters(parts: FilterParts): HttpFilter[] {
  const {
    limits = [], login = [], custom = [], tokens = [], apis = [], credentials = [], sessions = [], authorization,
    isWeft, isGateway = false, grpcWeb, saysHttp = false, onDemand = false,
  } = parts;
  const stats: HttpFilter = {
    name: 'istio.stats',
    typedConfig: { '@type': ISTIO_STATS_TYPE, ...(isGateway && { disableHostHeaderFallback: true }) },
  };
  return [
    ...(onDemand ? [ON_DEMAND] : []),
    ...limits,
    ...login,
    ...custom,
    ...tokens,
    ...authorization,
    ...(grpcWeb ? [{ name: 'envoy.filters.http.grpc_web', typedConfig: { '@type': GRPC_WEB_TYPE } } as const] : []),
    {
      name: 'envoy.filters.http.grpc_stats',
      typedConfig: { '@type': GRPC_STATS_TYPE, emitFilterState: true, statsForAllMethods: false },
    },
    { name: FAULT_FILTER, typedConfig: { '@type': FAULT_TYPE } },
    { name: CORS_FILTER, typedConfig: { '@type': CORS_TYPE } },
    ...apis,
    ...credentials,
    ...sessions,
    ...(isWeft ? [stats] : []),
    ...(saysHttp ? [isWeft ? ISTIO_ALPN : ALPN_IN_STATE] : []),
    { name: 'envoy.filters.http.router', typedConfig: { '@type': ROUTER_TYPE } },
  ];
}
