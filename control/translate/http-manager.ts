// The HTTP connection manager as Istio configures it: no timeouts of its own, paths normalised, header names kept.
import type { HttpConnectionManager, HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import type { NetworkFilter } from '../../proxy/config/listener.ts';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import { HTTP_CONNECTION_MANAGER_TYPE } from '../../proxy/config/type-url.ts';
import { KEEP_HEADER_CASE } from './upstream-protocol.ts';

/** `outbound` is the explicit proxy of an application, `gateway` the edge, `inbound` the way to the application. */
export type ManagerRole = 'inbound' | 'outbound' | 'gateway';

type Optional = 'tracing' | 'accessLog' | 'xffNumTrustedHops' | 'maxRequestHeadersKb';

export interface ManagerParts extends Pick<HttpConnectionManager, Optional> {
  readonly role: ManagerRole;
  readonly statPrefix: string;
  readonly filters: HttpFilter[];
  /** A table of its own, or the name of one that RDS brings. */
  readonly routes: RouteConfiguration | string;
}

export function httpManager(parts: ManagerParts): NetworkFilter {
  const { role, statPrefix, filters, routes, ...optional } = parts;
  const manager: HttpConnectionManager = {
    statPrefix,
    ...(typeof routes === 'string' ? { rds: rds(routes) } : { routeConfig: routes }),
    httpFilters: filters,
    ...optional,
    httpProtocolOptions: { acceptHttp10: true, headerKeyFormat: KEEP_HEADER_CASE },
    serverName: 'istio-envoy',
    streamIdleTimeout: '0s',
    normalizePath: true,
    pathWithEscapedSlashesAction: 'KEEP_UNCHANGED',
    ...CLIENT_IDENTITY[role],
    upgradeConfigs: [{ upgradeType: 'websocket' }, ...(role === 'outbound' ? [{ upgradeType: 'CONNECT' }] : [])],
  };
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typedConfig: { '@type': HTTP_CONNECTION_MANAGER_TYPE, ...manager },
  };
}

/** Who is believed about the client: the edge nobody, a sidecar the other sidecar that it has verified. */
const CLIENT_IDENTITY: Readonly<Record<ManagerRole, Partial<HttpConnectionManager>>> = {
  outbound: { useRemoteAddress: false },
  inbound: {
    useRemoteAddress: false,
    forwardClientCertDetails: 'APPEND_FORWARD',
    setCurrentClientCertDetails: { subject: true, dns: true, uri: true },
  },
  gateway: {
    useRemoteAddress: true,
    forwardClientCertDetails: 'SANITIZE_SET',
    setCurrentClientCertDetails: { subject: true, dns: true, uri: true },
  },
};

function rds(routeConfigName: string): NonNullable<HttpConnectionManager['rds']> {
  return { configSource: { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' }, routeConfigName };
}
