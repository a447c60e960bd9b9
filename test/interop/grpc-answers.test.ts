// gRPC calls by hand over node:http2 that end in every way, through weft and a real Envoy with the same bootstrap.
import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import type { OutgoingHttpHeaders } from 'node:http2';
import { test } from 'node:test';
import { GrpcUpstream, grpcCall, grpcFrame, trailersOnly, withTrailers } from '../harness/grpc-upstream.ts';
import { http2Cluster } from '../harness/http2-bootstrap.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, staticCluster } from '../harness/weft.ts';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters.http';

/** Routes by their first segment; the second says what the upstream does. */
const ROUTES: Readonly<Record<string, object>> = {
  plain: {},
  retry: { retry_policy: { retry_on: 'unavailable', num_retries: 2, retry_back_off: { base_interval: '0.001s' } } },
  timeout: { timeout: '0.1s' },
  idle: { idle_timeout: '0.1s' },
  life: { timeout: '0.05s', max_stream_duration: { max_stream_duration: '0.15s' } },
  max: { max_grpc_timeout: '0.2s', grpc_timeout_offset: '0.01s' },
  unlimited: { max_grpc_timeout: '0s' },
  header: { max_stream_duration: { grpc_timeout_header_max: '0.2s', grpc_timeout_header_offset: '0.01s' } },
  istio: { timeout: '0s', max_stream_duration: { max_stream_duration: '0s', grpc_timeout_header_max: '0s' } },
};

const CALLS: readonly (readonly [path: string, headers?: OutgoingHttpHeaders])[] = [
  ['/plain/ok'], ['/plain/head'], ['/plain/page'], ['/plain/reset'], ['/plain/bare'], ['/nowhere/m'], ['/dead/m'],
  ['/deny/m'], ['/abort/m'], ['/direct/m'], ['/redirect/m'],
  ['/plain/ok', { 'content-type': 'application/grpc;x=1' }], ['/nowhere/m', { 'content-type': 'application/grpc;x=1' }],
  ['/retry/head'], ['/retry/unavailable'], ['/retry/ok'],
  ['/timeout/hang'], ['/idle/hang'], ['/life/hang'], ['/life/ok', { 'grpc-timeout': '1S' }],
  ['/max/ok'], ['/max/ok', { 'grpc-timeout': '150m' }], ['/max/ok', { 'grpc-timeout': '1H' }],
  ['/max/ok', { 'grpc-timeout': '5m', 'content-type': 'text/plain' }],
  ['/max/hang', { 'grpc-timeout': '50m' }], ['/max/hang'],
  ['/unlimited/ok'], ['/unlimited/ok', { 'grpc-timeout': '99999999H' }], ['/unlimited/ok', { 'grpc-timeout': '1x' }],
  ['/header/ok'], ['/header/ok', { 'grpc-timeout': '150m' }], ['/header/hang', { 'grpc-timeout': '1M' }],
  ['/istio/ok'], ['/istio/ok', { 'grpc-timeout': '1500100u' }], ['/istio/hang', { 'grpc-timeout': '60m' }],
];

function bootstrap(port: number): unknown {
  const abort = { '@type': `${FILTERS}.fault.v3.HTTPFault`, abort: { grpc_status: 8, percentage: { numerator: 100 } } };
  const deny = { '@type': `${FILTERS}.rbac.v3.RBACPerRoute`, rbac: { rules: { action: 'ALLOW', policies: {} } } };
  const routes = [
    ...Object.entries(ROUTES).map(([name, route]) =>
      ({ match: { prefix: `/${name}/` }, route: { cluster: 'app', ...route } })),
    { match: { prefix: '/dead/' }, route: { cluster: 'dead' } },
    { match: { prefix: '/deny/' }, route: { cluster: 'app' }, typed_per_filter_config: { rbac: deny } },
    { match: { prefix: '/abort/' }, route: { cluster: 'app' }, typed_per_filter_config: { fault: abort } },
    { match: { prefix: '/direct/' }, direct_response: { status: 401, body: { inline_string: 'who?\n' } } },
    { match: { prefix: '/redirect/' }, redirect: { host_redirect: 'b.example' } },
  ];
  const filters = [['rbac', 'rbac.v3.RBAC'], ['fault', 'fault.v3.HTTPFault']]
    .map(([name, type]) => ({ name, typed_config: { '@type': `${FILTERS}.${type}` } }));
  const listener = httpListener(routes, { http_filters: filters });
  return bootstrapOf([listener], [http2Cluster('app', port), staticCluster('dead', [1])]);
}

function startUpstream(): Promise<GrpcUpstream> {
  return GrpcUpstream.start((stream, headers) => {
    stream.resume();
    switch (headers[':path']!.split('/')[2]) {
      case 'ok': return withTrailers(stream, 0);
      case 'unavailable': return withTrailers(stream, 14);
      case 'head': return trailersOnly(stream, 14, 'down');
      case 'bare':
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        return void stream.end(grpcFrame('x'));
      case 'page':
        stream.respond({ ':status': 404, 'content-type': 'text/html' });
        return void stream.end('<h1>');
      case 'reset': return stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      default: return undefined;
    }
  });
}

/** Of chance, or of one's own. */
const VOLATILE: ReadonlySet<string> = new Set(['date', 'x-envoy-upstream-service-time']);

/** Each call's answer, and what its tries told the upstream. */
async function answersOf(kind: ProxyKind): Promise<unknown[]> {
  await using upstream = await startUpstream();
  await using proxy = await ProxyProcess.start(kind, bootstrap(upstream.port));
  const answers: unknown[] = [];
  for (const [path, headers] of CALLS) {
    const before = upstream.calls.length;
    const { head, ...rest } = await grpcCall(proxy.port('http'), path, { ':authority': 'a.example', ...headers });
    const kept = Object.entries(head).filter(([name]) => !VOLATILE.has(name));
    const told = upstream.calls.slice(before)
      .map((tried) => [tried['grpc-timeout'], tried['x-envoy-expected-rq-timeout-ms'], tried['te']]);
    // A later try is told what is left, which nobody can foresee.
    const tries = told.map((fields, i) => (i === 0 ? fields : 'again'));
    answers.push({ path, asked: headers, head: Object.fromEntries(kept), ...rest, tries });
  }
  return answers;
}

test('gRPC calls end under weft as under Envoy (node:http2)', { skip: reasonToSkip(findEnvoy(false)) }, async () => {
  const [theirs, ours] = [await answersOf('envoy'), await answersOf('weft')];
  for (const [i, wanted] of theirs.entries()) assert.deepEqual(ours[i], wanted);
});
