// What a cluster says about its connections. Two clusters' connections are interchangeable when their `key` is the
// same.
import type { Cluster as ClusterConfig } from '../config/cluster.ts';
import { msOr } from '../config/duration.ts';
import type {
  Http1ProtocolOptions, Http2ProtocolOptions, UpstreamProtocolOptions,
} from '../config/http-protocol-options.ts';
import { LIMITS } from '../config/limits.ts';

/** What one connection speaks. */
export type HttpProtocol = 'http1' | 'http2';

export interface ConnectionSettings {
  /** TCP and TLS handshake together (connect_timeout). */
  readonly connectTimeoutMs: number;
  /** As configured; undefined when configuration is silent and the server's own keep-alive is learned. */
  readonly idleTimeoutMs: number | undefined;
  /** Infinity without limit. */
  readonly maxRequests: number;
  readonly maxDurationMs: number | undefined;
  readonly maxStreamDurationMs: number | undefined;
  /** Idle seconds before the first TCP keep-alive probe, 0 for the system's; undefined sends none. */
  readonly tcpKeepaliveSeconds: number | undefined;
  readonly sourceAddress: string | undefined;
  /** `downstream`: that of the request (use_downstream_protocol_config). `alpn`: the server says (auto_config). */
  readonly protocol: HttpProtocol | 'downstream' | 'alpn';
  readonly http1: Http1ProtocolOptions;
  readonly http2: Http2ProtocolOptions;
  /** Most fields of a response head; undefined leaves weft's limit. */
  readonly headersCountMax: number | undefined;
  /** SNI, and a name that the certificate must have, come from the request's authority. */
  readonly autoSni: boolean;
  readonly autoSanValidation: boolean;
  /** Requests do not change what is offered by ALPN (Istio's metadata alpn_override: "false"). */
  readonly keepsAlpn: boolean;
  readonly key: string;
}

export function connectionSettings(config: ClusterConfig, options: UpstreamProtocolOptions): ConnectionSettings {
  const { commonHttpProtocolOptions: common, upstreamHttpProtocolOptions: upstream } = options;
  const protocols = options.explicitHttpConfig ?? options.useDownstreamProtocolConfig ?? options.autoConfig;
  const settings = {
    connectTimeoutMs: msOr(config.connectTimeout, LIMITS.connectTimeoutMs),
    idleTimeoutMs: common?.idleTimeout === undefined ? undefined : orNever(msOr(common.idleTimeout, 0)),
    maxRequests: orNever(common?.maxRequestsPerConnection ?? 0),
    maxDurationMs: msOrNone(common?.maxConnectionDuration),
    maxStreamDurationMs: msOrNone(common?.maxStreamDuration),
    tcpKeepaliveSeconds: keepaliveSeconds(config),
    sourceAddress: config.upstreamBindConfig?.sourceAddress?.address,
    protocol: protocolOf(options),
    http1: protocols?.httpProtocolOptions ?? {},
    http2: protocols?.http2ProtocolOptions ?? {},
    headersCountMax: common?.maxHeadersCount,
    autoSni: upstream?.autoSni ?? false,
    autoSanValidation: upstream?.autoSanValidation ?? false,
    keepsAlpn: config.metadata?.filterMetadata?.['istio']?.['alpn_override'] === 'false',
  };
  return { ...settings, key: JSON.stringify(settings) };
}

function protocolOf(options: UpstreamProtocolOptions): ConnectionSettings['protocol'] {
  if (options.useDownstreamProtocolConfig !== undefined) return 'downstream';
  if (options.autoConfig !== undefined) return 'alpn';
  return options.explicitHttpConfig?.http2ProtocolOptions === undefined ? 'http1' : 'http2';
}

/** 0 is how configuration says "no limit". */
function orNever(value: number): number {
  return value === 0 ? Infinity : value;
}

function msOrNone(text: string | undefined): number | undefined {
  const ms = msOr(text, 0);
  return ms === 0 ? undefined : ms;
}

function keepaliveSeconds({ upstreamConnectionOptions }: ClusterConfig): number | undefined {
  const keepalive = upstreamConnectionOptions?.tcpKeepalive;
  return keepalive === undefined ? undefined : (keepalive.keepaliveTime ?? 0);
}
