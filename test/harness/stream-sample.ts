// Requests' records with fixed values, for the tests of telemetry.
import type { ConnectionInfo, HeaderView, RequestView } from '../../proxy/telemetry/stream-info.ts';
import { StreamInfo } from '../../proxy/telemetry/stream-info.ts';

/** A header view over [name, value, …]. */
export function headersOf(fields: readonly string[] = []): HeaderView {
  const values = (name: string): string[] => fields.filter((_, i) => i % 2 === 1 && fields[i - 1] === name);
  return {
    get: (name) => values(name)[0],
    joined: (name) => (values(name).length === 0 ? undefined : values(name).join(',')),
    count: fields.length / 2,
    nameAt: (index) => fields[index * 2]!,
    valueAt: (index) => fields[index * 2 + 1]!,
  };
}

export function sampleConnection(changes: Partial<ConnectionInfo> = {}): ConnectionInfo {
  return {
    id: 3,
    remoteAddress: '10.0.0.1:40000', remoteIp: '10.0.0.1', remotePort: 40000,
    localAddress: '10.1.0.1:9080', localIp: '10.1.0.1', localPort: 9080,
    tls: undefined, serverName: undefined, listenerName: '0.0.0.0_9080', filterChainName: '',
    ...changes,
  };
}

export function sampleRequest(changes: Partial<RequestView> = {}): RequestView {
  return {
    method: 'GET', scheme: 'http', authority: 'reviews:9080', path: '/reviews/0?x=1', protocol: 'HTTP/1.1',
    contentLength: 0, upgrade: undefined,
    headers: headersOf(['user-agent', 'curl/8', 'x-request-id', 'id-1']),
    ...changes,
  };
}

/** A GET that was answered 200 after 12 ms. */
export function sampleStream(connection: ConnectionInfo = sampleConnection()): StreamInfo {
  const info = new StreamInfo(connection, 100, 1_700_000_000_123);
  info.request = sampleRequest();
  info.response = {
    status: 200, protocol: 'HTTP/1.1', contentLength: 295, upgrade: undefined,
    headers: headersOf(['x-envoy-upstream-service-time', '7']),
  };
  info.requestEndMs = 101.5;
  info.upstreamSentMs = 102;
  info.upstreamFirstByteMs = 107.2;
  info.responseStartMs = 108;
  info.endMs = 112.9;
  info.bytesSent = 295;
  info.status = 200;
  info.detail = 'via_upstream';
  info.routeName = 'default';
  info.clusterName = 'outbound|9080||reviews.default.svc.cluster.local';
  info.upstreamAddress = '10.0.0.9:9080';
  info.upstreamLocalAddress = '10.0.0.1:5000';
  info.requestId = 'id-1';
  info.attempts = 1;
  return info;
}
