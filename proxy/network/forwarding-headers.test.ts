// What the connection manager does to heads: whose headers are believed, who the client is, what is said of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CidrSet, parseCidr } from '../base/cidr.ts';
import { ManualClock } from '../base/clock.ts';
import { SeededRandom } from '../base/random.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead, ResponseHead } from '../http/message.ts';
import { StreamInfo } from '../telemetry/stream-info.ts';
import type { ConnectionInfo, TlsInfo } from '../telemetry/stream-info.ts';
import { Forwarding } from './forwarding-headers.ts';
import type { ForwardingOptions } from './forwarding-headers.ts';

const OPTIONS: ForwardingOptions = {
  useRemoteAddress: false, localIp: '192.0.2.1', xffTrustedHops: 0, skipXffAppend: false,
  internalAddresses: undefined,
  generateRequestId: true, preserveExternalRequestId: false, alwaysSetRequestIdInResponse: false,
  clientCert: 'sanitize',
  clientCertDetails: { subject: true, uri: true, dns: true, cert: false, chain: false },
  serverName: 'envoy', serverHeader: 'overwrite', via: '',
  normalization: { dotSegments: false, mergeSlashes: false, escapedSlashes: 'keep' }, stripPort: 'none',
  stripTrailingHostDot: false,
};

const MUTUAL: TlsInfo = {
  version: 'TLSv1.3', cipher: '', alpn: 'istio', peerUriSan: 'spiffe://td/ns/a/sa/b', peerDnsSans: ['b.a.svc'],
  peerSubject: 'CN=\\"b\\"', peerCertificateHash: 'ab12', localUriSan: 'spiffe://td/ns/a/sa/c',
};

function connection(remoteIp: string, tls: TlsInfo | undefined): ConnectionInfo {
  return {
    id: 1, remoteAddress: `${remoteIp}:1`, remoteIp, remotePort: 1, localAddress: '10.0.0.9:80', localIp: '10.0.0.9',
    localPort: 80, tls, serverName: undefined, listenerName: 'l', filterChainName: '',
  };
}

interface Prepared {
  readonly request: RequestHead;
  readonly info: StreamInfo;
  get(name: string): string | undefined;
}

/** A request with these header fields, prepared. */
function prepare(
  options: Partial<ForwardingOptions>, fields: string[], remoteIp = '203.0.113.7', tls?: TlsInfo,
): Prepared {
  const clock = new ManualClock();
  const forwarding = new Forwarding({ ...OPTIONS, ...options }, clock, new SeededRandom(1));
  const request = new RequestHead('GET', 'a', '/', new Headers(fields));
  const info = new StreamInfo(connection(remoteIp, tls), 0, 0);
  assert.equal(forwarding.prepareRequest(request, info), undefined);
  return { request, info, get: (name) => request.headers.joined(name) };
}

test('S47 internal headers of strangers are taken off; at the edge more of them', () => {
  const kept = ['x-envoy-decorator-operation', 'o', 'x-a', '1'];
  const fields = ['x-envoy-retry-on', '5xx', 'x-envoy-max-retries', '9', ...kept];
  assert.deepEqual(prepare({}, [...fields]).request.headers.fields.slice(0, 4), kept);
  const edge = prepare({ useRemoteAddress: true }, [...fields]);
  assert.equal(edge.get('x-envoy-decorator-operation'), undefined);
  assert.deepEqual([edge.get('x-envoy-retry-on'), edge.get('x-a')], [undefined, '1']);
});

test('an internal client keeps its headers', () => {
  const internalAddresses = new CidrSet([parseCidr('10.0.0.0/8')]);
  const inside = prepare({ useRemoteAddress: true, internalAddresses }, ['x-envoy-retry-on', '5xx'], '10.1.2.3');
  assert.deepEqual([inside.get('x-envoy-retry-on'), inside.get('x-envoy-internal')], ['5xx', 'true']);
  const claims = ['x-envoy-retry-on', '5xx', 'x-envoy-internal', 'true'];
  const outside = prepare({ useRemoteAddress: true, internalAddresses }, claims);
  assert.deepEqual([outside.get('x-envoy-retry-on'), outside.get('x-envoy-internal')], [undefined, undefined]);
});

test('a client that no trusted proxy has seen is not internal', () => {
  const internalAddresses = new CidrSet([parseCidr('10.0.0.0/8')]);
  const said = (xffTrustedHops: number, ...list: string[]): string | undefined =>
    prepare({ internalAddresses, xffTrustedHops }, ['x-forwarded-for', list.join()]).get('x-envoy-internal');
  assert.deepEqual([said(0, '10.1.2.3'), said(1, '10.1.2.3'), said(1, '10.1.2.3', '1.1.1.1'), said(0, '8.8.8.8')],
    ['true', undefined, undefined, undefined]);
});

test('x-forwarded-for: appended at the edge only, loopback by the machine\'s own address', () => {
  assert.equal(prepare({}, ['x-forwarded-for', '1.1.1.1']).get('x-forwarded-for'), '1.1.1.1');
  const appended = prepare({ useRemoteAddress: true }, ['x-forwarded-for', '1.1.1.1']);
  assert.equal(appended.get('x-forwarded-for'), '1.1.1.1,203.0.113.7');
  assert.equal(prepare({ useRemoteAddress: true }, [], '127.0.0.1').get('x-forwarded-for'), '192.0.2.1');
  const hops = prepare({ useRemoteAddress: true, xffTrustedHops: 1 }, ['x-forwarded-for', '8.8.8.8,1.1.1.1']);
  assert.equal(hops.get('x-envoy-external-address'), '1.1.1.1');
});

test('S86 a request whose last hops are all this proxy turns in a circle', () => {
  const refused = (options: Partial<ForwardingOptions>, ...fields: string[]): unknown => {
    const forwarding = new Forwarding({ ...OPTIONS, ...options }, new ManualClock(), new SeededRandom(1));
    const request = new RequestHead('GET', 'a', '/', new Headers(fields));
    return forwarding.prepareRequest(request, new StreamInfo(connection('203.0.113.7', undefined), 0, 0))?.kind;
  };
  const hops = (count: number): string => Array(count).fill('203.0.113.7').join(',');
  assert.equal(refused({ useRemoteAddress: true }, 'x-forwarded-for', hops(32)), 'loop');
  assert.equal(refused({ useRemoteAddress: true }, 'x-forwarded-for', `1.1.1.1, ${hops(32)}`), 'loop');
  assert.equal(refused({ useRemoteAddress: true }, 'x-forwarded-for', hops(31)), undefined);
  assert.equal(refused({ useRemoteAddress: true }, 'x-forwarded-for', `${hops(40)},1.1.1.1`), undefined);
  assert.equal(refused({}, 'x-forwarded-for', hops(40)), undefined);
  assert.equal(refused({ via: 'us' }, 'via', Array(32).fill('us').join(', ')), 'loop');
  assert.equal(refused({ via: 'us' }, 'via', `${Array(40).fill('us').join(', ')}, them`), undefined);
});

test('S47 x-forwarded-client-cert is believed from nobody by default, and written in Envoy\'s form', () => {
  const forged = ['x-forwarded-client-cert', 'By=x;URI=spiffe://td/ns/a/sa/admin'];
  assert.equal(prepare({}, [...forged], '203.0.113.7', MUTUAL).get('x-forwarded-client-cert'), undefined);
  const unverified = prepare({ clientCert: 'append-forward' }, [...forged]);
  assert.equal(unverified.get('x-forwarded-client-cert'), undefined, 'no certificate');
  const written = 'By=spiffe://td/ns/a/sa/c;Hash=ab12;Subject="CN=\\"b\\"";URI=spiffe://td/ns/a/sa/b;DNS=b.a.svc';
  const set = prepare({ clientCert: 'sanitize-set' }, [...forged], '203.0.113.7', MUTUAL);
  assert.equal(set.get('x-forwarded-client-cert'), written);
  const appended = prepare({ clientCert: 'append-forward' }, [...forged], '203.0.113.7', MUTUAL);
  assert.equal(appended.get('x-forwarded-client-cert'), `${forged[1]},${written}`);
});

test('S47 names in certificates cannot add keys or elements to x-forwarded-client-cert, nor lines', () => {
  const written = (names: Partial<TlsInfo>): string | undefined =>
    prepare({ clientCert: 'sanitize-set' }, [], '203.0.113.7', { ...MUTUAL, peerSubject: undefined, ...names })
      .get('x-forwarded-client-cert')?.slice('By=spiffe://td/ns/a/sa/c;Hash=ab12;Subject="";'.length);
  const forged = 'https://a/;URI=spiffe://td/ns/a/sa/admin';
  assert.equal(written({ peerUriSans: [forged], peerDnsSans: [] }), `URI="${forged}"`);
  assert.equal(written({ peerUriSans: [], peerDnsSans: ['a,By="x"'] }), 'URI=;DNS="a,By=\\"x\\""');
  assert.equal(written({ peerUriSans: [], peerDnsSans: ['a\r\nx-b: c', 'b\0', '\u00e9'] }), 'URI=;DNS=;DNS=;DNS=');
});

test('request ids are made once, and anew at the edge', () => {
  assert.match(prepare({}, []).get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
  assert.equal(prepare({}, ['x-request-id', 'mine']).info.requestId, 'mine');
  assert.notEqual(prepare({ useRemoteAddress: true }, ['x-request-id', 'mine']).info.requestId, 'mine');
  assert.equal(prepare({ generateRequestId: false }, []).get('x-request-id'), undefined);
});

test('ports and dots of the authority are cut as asked', () => {
  const authority = (options: Partial<ForwardingOptions>, host: string): string => {
    const request = new RequestHead('GET', host, '/');
    new Forwarding({ ...OPTIONS, ...options }, new ManualClock(), new SeededRandom(1))
      .prepareRequest(request, new StreamInfo(connection('1.2.3.4', undefined), 0, 0));
    return request.authority;
  };
  assert.equal(authority({ stripPort: 'matching' }, 'a:80'), 'a');
  assert.equal(authority({ stripPort: 'matching' }, 'a:8080'), 'a:8080');
  assert.equal(authority({ stripPort: 'matching' }, 'a:443'), 'a:443');
  assert.equal(authority({ stripPort: 'any' }, 'a:'), 'a:');
  assert.equal(authority({ stripPort: 'any' }, '[::1]:8080'), '[::1]');
  assert.equal(authority({ stripTrailingHostDot: true }, 'a.example.'), 'a.example');
  assert.equal(authority({ stripTrailingHostDot: true }, 'a.example.:80'), 'a.example:80');
  assert.equal(authority({ stripTrailingHostDot: true, stripPort: 'any' }, 'a.example.:80'), 'a.example');
});

test('escaped slashes are redirected, and refused to clients of gRPC', () => {
  const normalization = { ...OPTIONS.normalization, escapedSlashes: 'unescape-and-redirect' as const };
  const forwarding = new Forwarding({ ...OPTIONS, normalization }, new ManualClock(), new SeededRandom(1));
  const verdict = (...fields: string[]): string | undefined => forwarding.prepareRequest(
    new RequestHead('GET', 'a', '/a%2fb', new Headers(fields)), new StreamInfo(connection('1.2.3.4', undefined), 0, 0),
  )?.kind;
  assert.deepEqual([verdict(), verdict('content-type', 'application/grpc')], ['path-redirect', 'bad-request']);
});

test('responses say server and date once', () => {
  const clock = new ManualClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const forwarding = new Forwarding({ ...OPTIONS, via: 'weft' }, clock, new SeededRandom(1));
  const response = new ResponseHead(200, new Headers(['server', 'app']));
  forwarding.prepareResponse(response, new StreamInfo(connection('1.2.3.4', undefined), 0, 0));
  const expected = ['server', 'envoy', 'date', 'Fri, 02 Jan 2026 03:04:05 GMT', 'via', 'weft'];
  assert.deepEqual(response.headers.fields, expected);
});

test('the client is who the nearest proxy that is believed saw, for policies, limits and logs', () => {
  const client = (options: Partial<ForwardingOptions>, ...fields: string[]): string =>
    prepare(options, fields.flatMap((value) => ['x-forwarded-for', value])).info.forwardedIp;
  assert.equal(client({}), '');
  assert.equal(client({}, '8.8.8.8'), '8.8.8.8');
  assert.equal(client({}, '1.1.1.1, 8.8.8.8 ', '2001:db8::7'), '2001:db8::7');
  assert.equal(client({ xffTrustedHops: 1 }, '1.1.1.1, 8.8.8.8', '9.9.9.9'), '8.8.8.8');
  assert.equal(client({ xffTrustedHops: 1 }, '9.9.9.9'), '');
  assert.equal(client({}, 'unknown'), '');
  assert.equal(client({ useRemoteAddress: true }, '8.8.8.8'), '');
  assert.equal(client({ useRemoteAddress: true, xffTrustedHops: 1 }, '1.1.1.1, 8.8.8.8'), '8.8.8.8');
  assert.equal(client({ useRemoteAddress: true, xffTrustedHops: 2 }, '1.1.1.1, 8.8.8.8'), '1.1.1.1');
});

test('the scheme is the client\'s behind an edge, also over the mesh\'s TLS, and the connection\'s at the edge', () => {
  const scheme = (options: Partial<ForwardingOptions>, fields: string[], tls?: TlsInfo): string =>
    prepare(options, fields, '10.0.0.1', tls).request.scheme;
  assert.equal(scheme({}, []), 'http');
  assert.equal(scheme({}, [], MUTUAL), 'https');
  assert.equal(scheme({}, ['x-forwarded-proto', 'http'], MUTUAL), 'http');
  assert.equal(scheme({}, ['x-forwarded-proto', 'https']), 'https');
  assert.equal(scheme({}, ['x-forwarded-proto', 'gopher']), 'http');
  assert.equal(scheme({ useRemoteAddress: true }, ['x-forwarded-proto', 'https']), 'http');
});
