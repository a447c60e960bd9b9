// What a DestinationRule says about connections to a service: balancing, limits, ejection, TLS (networking.istio.io).
import { Cluster } from '../../proxy/config/cluster.ts';
import { RouteAction } from '../../proxy/config/route-action.ts';
import { bool, double, enumeration, headerName, headerValue, string, uint32 } from '../../proxy/config/scalar.ts';
import {
  atMostOne, exactlyOne, list, map, message, optional, Refusal, required, type Fields, type Static,
} from '../../proxy/config/schema.ts';
import { honours } from './data-plane.ts';
import { PortSelector } from './destination.ts';
import { goDuration } from './scalar.ts';

const HASHES = honours(Cluster, 'ring_hash_lb_config') && honours(RouteAction, 'hash_policy');
const SHARES = honours(Cluster, 'common_lb_config', 'locality_weighted_lb_config');
const WARMS = honours(Cluster, 'least_request_lb_config', 'slow_start_config')
  && honours(Cluster, 'round_robin_lb_config', 'slow_start_config');

const cookie = message('istio.networking.v1.LoadBalancerSettings.ConsistentHashLB.HTTPCookie', {
  name: required(string({ minLength: 1 }), 'Name.'),
  path: optional(string(), 'Path of a cookie that is made.'),
  ttl: optional(goDuration(), 'Life of a cookie that is made for clients without one; 0s is until the browser closes. '
    + 'None is made when absent.'),
  attributes: optional(list(message('istio.networking.v1.LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute', {
    name: required(headerValue(), 'Such as SameSite.'),
    value: optional(headerValue(), 'Absent: the name alone.'),
  })), 'Further attributes of a cookie that is made.'),
});

export const ConsistentHash = message('istio.networking.v1.LoadBalancerSettings.ConsistentHashLB', {
  httpHeaderName: optional(headerName(), 'Requests with one value of this header go to one endpoint.'),
  httpCookie: optional(cookie, 'The same by a cookie.'),
  useSourceIp: optional(bool(), "The same by the client's address."),
  httpQueryParameterName: optional(string({ minLength: 1 }), 'The same by a query parameter.'),
  ringHash: optional(message('istio.networking.v1.LoadBalancerSettings.ConsistentHashLB.RingHash', {
    minimumRingSize: optional(uint32({ minimum: 1, maximum: 8_388_608 }), 'Places on the ring. Default 1024.'),
  }), 'A ring; the default.'),
  maglev: optional(message('istio.networking.v1.LoadBalancerSettings.ConsistentHashLB.MagLev', {
    tableSize: optional(uint32({ minimum: 2, maximum: 5_000_011 }), 'A prime. Default 65537.'),
  }), "Maglev's table."),
}, {
  legacy: { minimumRingSize: optional(uint32({ minimum: 1, maximum: 8_388_608 }), 'ringHash.minimumRingSize') },
  fold: (value, { minimumRingSize }) => {
    if (minimumRingSize !== undefined && value.maglev === undefined) value.ringHash ??= { minimumRingSize };
    return undefined;
  },
  oneOf: [
    exactlyOne('http_header_name', 'http_cookie', 'use_source_ip', 'http_query_parameter_name'),
    atMostOne('ring_hash', 'maglev'),
  ],
  check: ({ maglev }) => {
    const { tableSize = 2 } = maglev ?? {};
    for (let factor = 2; factor * factor <= tableSize; factor++) {
      if (tableSize % factor === 0) return new Refusal('must be a prime', ['maglev', 'tableSize']);
    }
    return undefined;
  },
});
export interface ConsistentHash extends Static<typeof ConsistentHash> {}

const locality = () => string({ minLength: 1, maxBytes: 253 });

export const LocalityLbSetting = message('istio.networking.v1.LocalityLoadBalancerSetting', {
  enabled: optional(bool(), 'False treats all localities alike. Default true.'),
  distribute: optional(list(message('istio.networking.v1.LocalityLoadBalancerSetting.Distribute', {
    from: required(locality(), "Callers' locality: `region/zone/*` and the like."),
    to: required(map(uint32({ maximum: 100 })), 'Percent by locality; what is not named gets nothing.'),
  }, {
    check: ({ to }) => {
      const sum = Object.values(to).reduce((total, share) => total + share, 0);
      return sum === 100 ? undefined : new Refusal(`shares must add up to 100, are ${sum}`, ['to']);
    },
  })), 'Shares by locality.'),
  failover: optional(list(message('istio.networking.v1.LocalityLoadBalancerSetting.Failover', {
    from: required(locality(), "Callers' region."),
    to: required(locality(), 'Region that takes over.'),
  })), 'Which region is next. Needs outlierDetection.'),
  failoverPriority: optional(list(string({ minLength: 1 }), { min: 1 }), 'Labels, `key` or `key=value`: endpoints '
    + 'with more of the first ones as the caller has them go first. Needs outlierDetection.'),
}, {
  oneOf: [atMostOne('distribute', 'failover'), atMostOne('distribute', 'failover_priority')],
  check: ({ distribute }) => (distribute === undefined || SHARES ? undefined
    : new Refusal('is not supported: localities have no shares yet', ['distribute'])),
});
export interface LocalityLbSetting extends Static<typeof LocalityLbSetting> {}

export const Warmup = message('istio.networking.v1.WarmupConfiguration', {
  duration: required(goDuration({ atLeastMs: 1 }), 'Time until a new endpoint has its full share.'),
  minimumPercent: optional(double({ minimum: 0, maximum: 100 }), 'Share to begin with. Default 10.'),
  aggression: optional(double({ minimum: 1 }), 'Above 1 the share grows faster at first. Default 1.'),
});
export interface Warmup extends Static<typeof Warmup> {}

export const LoadBalancerSettings = message('istio.networking.v1.LoadBalancerSettings', {
  simple: optional(enumeration(
    ['UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'],
  ), 'LEAST_REQUEST when absent; LEAST_CONN is its old name. PASSTHROUGH: to the address that was called, where '
    + 'connections are redirected, and LEAST_REQUEST elsewhere.'),
  consistentHash: optional(ConsistentHash, 'Requests that are alike go to one endpoint.'),
  localityLbSetting: optional(LocalityLbSetting, 'Which localities are used, by where the caller is.'),
  warmup: optional(Warmup, 'New endpoints get their share little by little; for LEAST_REQUEST and ROUND_ROBIN.'),
}, {
  oneOf: [atMostOne('simple', 'consistent_hash')],
  refused: { 'zones are chosen by locality_lb_setting only': ['zone_aware_lb_setting'] },
  legacy: { warmupDurationSecs: optional(goDuration({ atLeastMs: 1 }), 'warmup.duration') },
  fold: (value, { warmupDurationSecs: duration }) => {
    if (duration !== undefined) value.warmup ??= { duration };
    return undefined;
  },
  check: ({ simple, consistentHash, warmup }) => {
    if (warmup !== undefined && !WARMS) {
      return new Refusal('is not supported: endpoints start at full weight', ['warmup']);
    }
    if (warmup !== undefined && (simple === 'RANDOM' || consistentHash !== undefined)) {
      return new Refusal('is for LEAST_REQUEST and ROUND_ROBIN', ['warmup']);
    }
    if (consistentHash !== undefined && !HASHES) {
      return new Refusal('is not supported: requests are not balanced by hash yet', ['consistentHash']);
    }
    return undefined;
  },
});
export interface LoadBalancerSettings extends Static<typeof LoadBalancerSettings> {}

export const TcpSettings = message('istio.networking.v1.ConnectionPoolSettings.TCPSettings', {
  maxConnections: optional(uint32({ minimum: 1 }), 'Connections of one proxy to all endpoints. Default no limit.'),
  connectTimeout: optional(goDuration({ atLeastMs: 1 }), 'Default 10s.'),
  idleTimeout: optional(goDuration(), 'Silence that ends a TCP connection; default 1h, 0s is never.'),
  maxConnectionDuration: optional(goDuration({ atLeastMs: 1 }), 'Longest life of a connection. Default none.'),
  tcpKeepalive: optional(message('istio.networking.v1.ConnectionPoolSettings.TCPSettings.TcpKeepalive', {
    time: optional(goDuration({ atLeastMs: 1000 }), "Idle time before the first probe; the system's when absent."),
  }, {
    warned: { "Node cannot set it; the system's value holds": ['probes', 'interval'] },
  }), 'Probes on idle connections.'),
});
export interface TcpSettings extends Static<typeof TcpSettings> {}

export const HttpSettings = message('istio.networking.v1.ConnectionPoolSettings.HTTPSettings', {
  http1MaxPendingRequests: optional(uint32({ minimum: 1 }), 'Requests that wait for a connection. Default no limit.'),
  http2MaxRequests: optional(uint32({ minimum: 1 }), 'Requests at one time, in HTTP/1.1 too. Default no limit.'),
  maxRequestsPerConnection: optional(uint32(), 'Requests of a connection; 1: no keep-alive, 0 (default): no limit.'),
  maxRetries: optional(uint32(), 'Retries at one time. Default no limit.'),
  idleTimeout: optional(goDuration(), 'Idle connections are closed after this. Default 1h.'),
  h2UpgradePolicy: optional(enumeration(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']),
    'UPGRADE speaks HTTP/2 to ports that are named http. Default is not to.'),
  useClientProtocol: optional(bool(), 'The protocol by which the request came. Default false.'),
  maxConcurrentStreams: optional(uint32({ minimum: 1 }), 'Streams of an HTTP/2 connection. Default 1024.'),
  http2KeepAlive: optional(message('istio.networking.v1.ConnectionPoolSettings.HTTPSettings.HTTP2KeepAlive', {
    interval: optional(goDuration({ atLeastMs: 1 }), 'A PING is sent after this.'),
    timeout: optional(goDuration({ atLeastMs: 1 }), 'A connection without an answer for so long is closed.'),
  }), 'Probes of HTTP/2 connections.', 'http2_keep_alive'),
});
export interface HttpSettings extends Static<typeof HttpSettings> {}

export const ConnectionPoolSettings = message('istio.networking.v1.ConnectionPoolSettings', {
  tcp: optional(TcpSettings, 'Every connection.'),
  http: optional(HttpSettings, 'Connections that carry HTTP.'),
});
export interface ConnectionPoolSettings extends Static<typeof ConnectionPoolSettings> {}

export const OutlierDetection = message('istio.networking.v1.OutlierDetection', {
  consecutive5xxErrors: optional(uint32(), 'Server errors in a row; default 5, 0 is off.', 'consecutive_5xx_errors'),
  consecutiveGatewayErrors: optional(uint32(), '502, 503, 504 in a row; off when absent or 0.'),
  splitExternalLocalOriginErrors: optional(bool(), 'Connection failures are counted apart. Default false.'),
  consecutiveLocalOriginFailures: optional(uint32(), 'Connection failures in a row, where counted apart. Default 5.'),
  interval: optional(goDuration({ atLeastMs: 1 }), 'Between looks at who returns. Default 10s.'),
  baseEjectionTime: optional(goDuration({ atLeastMs: 1 }), 'First time out. Default 30s.'),
  maxEjectionPercent: optional(uint32({ maximum: 100 }), 'Share of endpoints out at one time. Default 10.'),
  minHealthPercent: optional(uint32({ maximum: 100 }), 'With fewer healthy ones all get requests. Default 0: never.'),
}, {
  refused: { 'what counts as an error is fixed': ['outlier_detection_http_error_codes'] },
  legacy: { consecutiveErrors: optional(uint32(), 'consecutiveGatewayErrors') },
  fold: (value, { consecutiveErrors }) => {
    if (consecutiveErrors !== undefined) value.consecutiveGatewayErrors ??= consecutiveErrors;
    return undefined;
  },
});
export interface OutlierDetection extends Static<typeof OutlierDetection> {}

export const ClientTls = message('istio.networking.v1.ClientTLSSettings', {
  mode: optional(enumeration(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']), 'DISABLE when absent, as in Istio.'),
  clientCertificate: optional(string({ minLength: 1 }), 'File of the chain, at the proxy.'),
  privateKey: optional(string({ minLength: 1 }), 'File of its key, at the proxy.'),
  caCertificates: optional(string({ minLength: 1 }), "File of the roots, at the proxy; the system's when absent."),
  caCrl: optional(string({ minLength: 1 }), 'File of the revocation lists, at the proxy.'),
  subjectAltNames: optional(list(string({ minLength: 1 })), 'Names of which the server certificate carries one.'),
  sni: optional(string({ minLength: 1 }), 'Server name that is sent; the host when absent.'),
  insecureSkipVerify: optional(bool(), 'The server is not verified. Default false.'),
  credentialName: optional(string({ minLength: 1 }), "Secret of the proxy's namespace with all of these, for "
    + 'gateways and for the sidecars that a workloadSelector names.'),
}, {
  check: checkTls,
});
export interface ClientTls extends Static<typeof ClientTls> {}

interface TlsParts {
  readonly mode?: string;
  readonly clientCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly credentialName?: string;
}

const FILES = ['clientCertificate', 'privateKey', 'caCertificates'] as const;

function checkTls(tls: TlsParts): Refusal | undefined {
  const { mode = 'DISABLE' } = tls;
  if (mode === 'ISTIO_MUTUAL') {
    const other = [...FILES, 'credentialName' as const].find((key) => tls[key] !== undefined);
    return other && new Refusal("must not be set: ISTIO_MUTUAL has the mesh's certificates", [other]);
  }
  const file = tls.credentialName === undefined ? undefined : FILES.find((key) => tls[key] !== undefined);
  if (file !== undefined) return new Refusal('must not be set beside credentialName', [file]);
  if (mode !== 'MUTUAL' || tls.credentialName !== undefined) return undefined;
  if (tls.clientCertificate !== undefined && tls.privateKey !== undefined) return undefined;
  return new Refusal('MUTUAL needs clientCertificate and privateKey, or credentialName');
}

export const TunnelSettings = message('istio.networking.v1.TrafficPolicy.TunnelSettings', {
  protocol: optional(enumeration(['CONNECT', 'POST']), 'How the proxy is asked. Default CONNECT.'),
  targetHost: required(string({ minLength: 1, maxBytes: 253, form: 'header-value' }), 'Where it is to connect to.'),
  targetPort: required(uint32({ minimum: 1, maximum: 65_535 }), 'Port there.'),
});
export interface TunnelSettings extends Static<typeof TunnelSettings> {}

const policyFields = {
  loadBalancer: optional(LoadBalancerSettings, 'Balancing.'),
  connectionPool: optional(ConnectionPoolSettings, 'Limits and timeouts.'),
  outlierDetection: optional(OutlierDetection, 'Ejection of endpoints that fail; off when absent.'),
  tls: optional(ClientTls, 'TLS towards the service; by what its endpoints speak when absent.'),
  tunnel: optional(TunnelSettings, 'The service is a proxy: connections are carried to it in HTTP, and go on there.'),
} satisfies Fields;

export const PortTrafficPolicy = message('istio.networking.v1.TrafficPolicy.PortTrafficPolicy', {
  port: required(PortSelector, 'Port of the service.'),
  ...policyFields,
});
export interface PortTrafficPolicy extends Static<typeof PortTrafficPolicy> {}

export const TrafficPolicy = message('istio.networking.v1.TrafficPolicy', {
  ...policyFields,
  portLevelSettings: optional(list(PortTrafficPolicy), "Replace this policy's settings for one port, each whole."),
  retryBudget: optional(message('istio.networking.v1.TrafficPolicy.RetryBudget', {
    percent: optional(double({ minimum: 0, maximum: 100 }), 'Retries per active and pending requests. Default 20.'),
    minRetryConcurrency: optional(uint32(), 'So many are always allowed. Default 3.'),
  }, {
    refused: { 'the budget is of the requests of the moment': ['budget_interval'] },
  }), 'Limit of retries; replaces maxRetries.'),
  proxyProtocol: optional(message('istio.networking.v1.TrafficPolicy.ProxyProtocol', {
    version: optional(enumeration(['V1', 'V2']), 'Default V1.'),
  }), 'Servers are told of the client in the PROXY protocol, before anything else.'),
});
export interface TrafficPolicy extends Static<typeof TrafficPolicy> {}
