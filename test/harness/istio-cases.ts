// The calls whose ends are compared between weft and Envoy under one istiod, by name.
import type { Call, Outcome } from './istio-call.ts';

/** To the service `name` at `vip`; `token` is one that its RequestAuthentication takes. */
export function serviceCalls(name: string, vip: string, token: string): Readonly<Record<string, Call>> {
  const host = `${name}.default.svc.cluster.local`;
  const http = (path: string, headers: Readonly<Record<string, string>> = {}, more: Partial<Call> = {}): Call =>
    ({ host: vip, port: 80, path, headers: { host, ...headers }, ...more });
  const grpc = (headers: Readonly<Record<string, string>>): Call => ({
    by: 'http2', host: vip, port: 8081, path: '/a.B/C', body: '\0\0\0\0\x02hi',
    headers: { ':authority': `${host}:8081`, 'content-type': 'application/grpc', te: 'trailers', ...headers },
  });
  const raw = (text: string): Call => ({ by: 'tcp', host: vip, port: 80, raw: text });
  return {
    plain: http('/'), query: http('/p?a=b'), status: http('/s', { 'x-status': '404' }),
    short: http('/', { host: name }),
    abort: http('/abort'), delay: http('/delay'), timeout: http('/timeout', { 'x-delay-ms': '2000' }),
    retry: http('/retry', { 'x-status': '503' }), reset: http('/', { 'x-reset': '1' }), none: http('/none'),
    byHeader: http('/', { 'x-user': 'jason', 'x-gone': '1' }), rewrite: http('/rewrite/x'), weights: http('/weights'),
    redirect: http('/redirect'), direct: http('/direct'), denied: http('/denied'), template: http('/a/b/c/d/e'),
    dryRun: http('/dry'), noToken: http('/jwt'), token: http('/jwt', { authorization: `Bearer ${token}` }),
    badToken: http('/x', { authorization: 'Bearer a.b.c' }), head: http('/', {}, { method: 'HEAD' }),
    preflight: http('/', { origin: 'https://x', 'access-control-request-method': 'GET' }, { method: 'OPTIONS' }),
    post: http('/post', {}, { method: 'POST', body: 'hello' }), unknownHost: http('/', { host: 'unknown.example' }),
    trusted: http('/', { 'x-forwarded-for': '1.2.3.4', 'x-request-id': 'abc' }),
    ownTimeout: http('/', { 'x-envoy-upstream-rq-timeout-ms': '5000' }),
    http10: raw(`GET / HTTP/1.0\nhost: ${host}\n\n`),
    webSocket: raw(`GET /ws HTTP/1.1\nhost: ${host}\nconnection: Upgrade\nupgrade: websocket\n`
      + 'sec-websocket-version: 13\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\n\nping'),
    http2: { by: 'http2', host: vip, port: 8081, path: '/x', headers: { ':authority': `${host}:8081` } },
    grpc: grpc({}), grpcStatus: grpc({ 'x-grpc-status': '5' }), tcp: { by: 'tcp', host: vip, port: 9000 },
    detected: { host: vip, port: 8090, path: '/ok', headers: { host: `${host}:8090` } },
    detectedDenied: { host: vip, port: 8090, path: '/denied', headers: { host: `${host}:8090` } },
  };
}

/** What no service is asked for: `outside` has no sidecar, `server` refuses plaintext. */
export function otherCalls(outside: string): Readonly<Record<string, Call>> {
  return {
    passthrough: { host: outside, port: 8080, path: '/', headers: { host: 'x' } },
    passthroughTcp: { by: 'tcp', host: outside, port: 9000 },
    closed: { host: outside, port: 1234, headers: { host: 'x' } },
  };
}

/** What is the same of every proxy in an outcome: without times, addresses, ids and who it was. */
export function comparable(outcome: Outcome): string {
  const { headers = {}, body = '', error, text = '', ...rest } = outcome;
  const value = { ...rest, failed: error !== undefined && error !== 'timeout', headers: sorted(headers),
    body: sorted(parsed(body)), text: text.toLowerCase().split(/\r\n/).toSorted() };
  return JSON.stringify(value).replaceAll(/10\.9\.0\.\d+(:\d+)?/g, 'IP').replaceAll(/10\.96\.0\.\d+/g, 'VIP')
    .replaceAll(/(web|client)-(weft|envoy)/g, '$1').replaceAll(/"date":"[^"]*"/g, '"date":""')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID').replaceAll(/hash=[0-9a-f]{64}/gi, 'Hash')
    .replaceAll(/upstream-service-time(: |":")\d+/g, 'upstream-service-time').replaceAll(/"date: [^"]*"/g, '"date"')
    .replaceAll(/content-length(: |":")\d+/g, 'content-length').replaceAll(/"[0-9a-f]{1,3}"/g, '"chunk"')
    .replaceAll(/bearer [\w.-]+/gi, 'token');
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]): [string, unknown] => [key, sorted(inner)]));
}
