// How a cluster speaks HTTP: version, spelling of header names, life of connections.
import type { Cluster } from '../../proxy/config/cluster.ts';
import type {
  HeaderKeyFormat, Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions,
} from '../../proxy/config/http-protocol-options.ts';
import { HTTP_PROTOCOL_OPTIONS } from '../../proxy/config/type-url.ts';
import type { ConnectionPoolSettings } from '../model/traffic-policy.ts';

type ProtocolOptions = NonNullable<Cluster['typedExtensionProtocolOptions']>;

const PRESERVE_CASE = 'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig';

/** Applications see header names as they were sent (design.md section 6). */
export const KEEP_HEADER_CASE: HeaderKeyFormat = {
  statefulFormatter: {
    name: 'preserve_case',
    typedConfig: { '@type': `type.googleapis.com/${PRESERVE_CASE}` },
  },
};

const HTTP1: Http1ProtocolOptions = { headerKeyFormat: KEEP_HEADER_CASE };

/** `client`: the one by which the request came (useClientProtocol). */
export type UpstreamVersion = 'http' | 'http2' | 'client';

export function upstreamProtocol(
  version: UpstreamVersion, pool: ConnectionPoolSettings | undefined, namesServer = false,
): ProtocolOptions {
  const common = commonOptions(pool);
  const http2ProtocolOptions = http2Options(pool);
  return {
    [HTTP_PROTOCOL_OPTIONS]: {
      '@type': `type.googleapis.com/${HTTP_PROTOCOL_OPTIONS}`,
      ...(version === 'client'
        ? { useDownstreamProtocolConfig: { httpProtocolOptions: HTTP1, http2ProtocolOptions } }
        : { explicitHttpConfig: version === 'http2' ? { http2ProtocolOptions } : { httpProtocolOptions: HTTP1 } }),
      ...(namesServer && { upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: true } }),
      ...(Object.keys(common).length > 0 && { commonHttpProtocolOptions: common }),
    },
  };
}

function http2Options(pool: ConnectionPoolSettings | undefined): Http2ProtocolOptions {
  const { maxConcurrentStreams, http2KeepAlive: keepAlive } = pool?.http ?? {};
  return {
    ...(maxConcurrentStreams !== undefined && { maxConcurrentStreams }),
    ...(keepAlive !== undefined && {
      connectionKeepalive: { timeout: KEEP_ALIVE_TIMEOUT, ...keepAlive },
    }),
  };
}

/** How long a PING may take where a rule gives only the interval; Envoy must have one. */
const KEEP_ALIVE_TIMEOUT = '20s';

function commonOptions(pool: ConnectionPoolSettings | undefined): HttpProtocolOptions {
  const { idleTimeout, maxRequestsPerConnection = 0 } = pool?.http ?? {};
  const maxConnectionDuration = pool?.tcp?.maxConnectionDuration;
  return {
    ...(idleTimeout !== undefined && { idleTimeout }),
    ...(maxRequestsPerConnection > 0 && { maxRequestsPerConnection }),
    ...(maxConnectionDuration !== undefined && { maxConnectionDuration }),
  };
}
