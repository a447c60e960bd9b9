// Policies: what each rule matches, on which side it errs, and how a policy says what it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleConnection, sampleStream } from '../../test/harness/stream-sample.ts';
import type { Permission, Principal, RbacRules } from '../config/rbac.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import type { MetadataStruct } from '../telemetry/dynamic-metadata.ts';
import { addMetadata } from '../telemetry/dynamic-metadata.ts';
import type { ConnectionInfo, TlsInfo } from '../telemetry/stream-info.ts';
import { AccessPolicies } from './rbac-policy.ts';
import type { AccessAction } from './rbac-policy.ts';

interface Facts {
  readonly method?: string;
  readonly path?: string;
  readonly fields?: string[];
  readonly connection?: Partial<ConnectionInfo>;
  readonly forwardedIp?: string;
  readonly claims?: MetadataStruct;
}

/** The name of the policy that matches. */
function find(rules: RbacRules, { method = 'GET', path = '/', fields = [], connection = {},
  forwardedIp = '', claims }: Facts): string | undefined {
  const info = sampleStream(sampleConnection(connection));
  info.forwardedIp = forwardedIp;
  if (claims !== undefined) addMetadata(info, 'jwt', claims);
  return new AccessPolicies(rules, 'rules').find(new RequestHead(method, 'example.com', path, new Headers(fields)),
    info)?.name;
}

function may(permission: Permission, facts: Facts = {}, action: AccessAction = 'ALLOW'): boolean {
  return find({ action, policies: { p: { permissions: [permission], principals: [{ any: true }] } } }, facts) === 'p';
}

function is(principal: Principal, facts: Facts = {}, action: AccessAction = 'ALLOW'): boolean {
  return find({ action, policies: { p: { permissions: [{ any: true }], principals: [principal] } } }, facts) === 'p';
}

function peer(tls: Partial<TlsInfo>): Facts {
  return {
    connection: {
      tls: {
        version: 'TLSv1.3', cipher: '', alpn: undefined, peerUriSan: undefined, peerDnsSans: [], peerSubject: undefined,
        peerCertificateHash: undefined, localUriSan: undefined, ...tls,
      },
    },
  };
}

const ADMIN = 'spiffe://cluster.local/ns/a/sa/admin';

test('by what filters said of the request; whoever has said nothing is nobody', () => {
  const metadata = { filter: 'jwt', path: [{ key: 'sub' }], value: { stringMatch: { exact: 'me' } } };
  for (const rule of [{ metadata }, { sourcedMetadata: { metadataMatcher: metadata } }]) {
    assert.equal(is(rule, { claims: { sub: 'me' } }), true);
    assert.equal(may(rule, { claims: { sub: 'me' } }), true);
    assert.equal(is(rule, { claims: { sub: 'you' } }), false);
    assert.equal(is(rule), false);
    assert.equal(is({ notId: rule }), true);
  }
});

test('permissions', () => {
  assert.equal(may({ any: true }), true);
  assert.equal(may({ header: { name: ':method', stringMatch: { exact: 'POST' } } }, { method: 'POST' }), true);
  assert.equal(may({ urlPath: { path: { prefix: '/a' } } }, { path: '/a/b?x' }), true);
  assert.equal(may({ urlPath: { path: { exact: '/a' } } }, { path: '/a?/b' }), true);
  assert.equal(may({ urlPath: { path: { exact: '/a?b' } } }, { path: '/a?b' }), false);
  assert.equal(may({ destinationIp: { addressPrefix: '10.1.0.0', prefixLen: 16 } }), true);
  assert.equal(may({ destinationIp: { addressPrefix: '10.2.0.0', prefixLen: 16 } }), false);
  assert.equal(may({ destinationPort: 9080 }), true);
  assert.equal(may({ destinationPort: 9081 }), false);
  assert.equal(may({ destinationPortRange: { start: 9080, end: 9081 } }), true);
  assert.equal(may({ destinationPortRange: { start: 9000, end: 9080 } }), false);
  assert.equal(may({ requestedServerName: { exact: '' } }), true);
  assert.equal(may({ requestedServerName: { suffix: '.com' } }, { connection: { serverName: 'a.com' } }), true);
});

test('principals', () => {
  assert.equal(is({ sourceIp: { addressPrefix: '10.0.0.1', prefixLen: 32 } }), true);
  assert.equal(is({ directRemoteIp: { addressPrefix: '10.0.0.2', prefixLen: 32 } }), false);
  assert.equal(is({ remoteIp: { addressPrefix: '10.0.0.1', prefixLen: 32 } }), true);
  assert.equal(is({ remoteIp: { addressPrefix: '8.8.0.0', prefixLen: 16 } }, { forwardedIp: '8.8.8.8' }), true);
  assert.equal(is({ directRemoteIp: { addressPrefix: '8.8.0.0', prefixLen: 16 } }, { forwardedIp: '8.8.8.8' }), false);
  assert.equal(is({ header: { name: 'x-a', stringMatch: { exact: '1' } } }, { fields: ['x-a', '1'] }), true);
  assert.equal(is({ urlPath: { path: { exact: '/' } } }), true);
});

test('the peer is its verified URI name or DNS names; a subject counts for permissions only where there are neither',
  () => {
  const named: Principal = { authenticated: { principalName: { exact: ADMIN } } };
  assert.equal(is(named, peer({ peerUriSan: ADMIN })), true);
  assert.equal(is(named, peer({ peerUriSan: `${ADMIN}x` })), false);
  assert.equal(is(named, peer({})), false);
  assert.equal(is(named), false, 'plaintext');
  assert.equal(is({ authenticated: { principalName: { exact: 'a.com' } } }, peer({ peerDnsSans: ['b.com', 'a.com'] })),
    true);
  const subject: Principal = { authenticated: { principalName: { contains: 'CN=x' } } };
  assert.equal(is(subject, peer({ peerSubject: 'CN=x,O=y' })), true);
  assert.equal(is(subject, peer({ peerSubject: 'CN=x', peerUriSan: ADMIN })), false);
  assert.equal(is(subject, peer({ peerSubject: 'CN=x', peerUriSan: ADMIN }), 'DENY'), true);
});

test('without a name, any peer with a verified certificate, and no other', () => {
  assert.equal(is({ authenticated: {} }, peer({ peerUriSan: ADMIN })), true);
  assert.equal(is({ authenticated: {} }, peer({})), false, 'TLS without a client certificate');
  assert.equal(is({ authenticated: {} }), false);
});

test('and, or, not', () => {
  const yes: Permission = { any: true };
  const no: Permission = { notRule: yes };
  assert.deepEqual([may({ andRules: { rules: [yes, yes] } }), may({ andRules: { rules: [yes, no] } })], [true, false]);
  assert.deepEqual([may({ orRules: { rules: [no, yes] } }), may({ orRules: { rules: [no, no] } })], [true, false]);
  const nobody: Principal = { notId: { any: true } };
  assert.deepEqual([is({ andIds: { ids: [{ any: true }, nobody] } }), is({ orIds: { ids: [nobody, { any: true }] } })],
    [false, true]);
});

test('S44 a denial sees any of several values; a permission needs every one', () => {
  const admin: Permission = { header: { name: 'x-role', stringMatch: { exact: 'admin' } } };
  const mixed: Facts = { fields: ['x-role', 'user', 'x-role', 'admin'] };
  const list: Facts = { fields: ['x-role', 'user, admin'] };
  assert.deepEqual([may(admin, mixed, 'DENY'), may(admin, list, 'DENY')], [true, true]);
  assert.deepEqual([may(admin, mixed), may(admin, list)], [false, false]);
  assert.equal(may(admin, { fields: ['x-role', 'admin', 'x-role', 'admin'] }), true);
});

test('S44 negation swaps the sides', () => {
  const notEvil: Permission = { notRule: { header: { name: 'x-role', stringMatch: { exact: 'evil' } } } };
  assert.equal(may(notEvil, { fields: ['x-role', 'good', 'x-role', 'evil'] }), false,
    'permits only where no value is evil');
  assert.equal(may(notEvil, { fields: ['x-role', 'good, evil'] }), false);
  assert.equal(may(notEvil), true, 'an absent header is not evil');
  const notGood: Permission = { notRule: { header: { name: 'x-role', stringMatch: { exact: 'good' } } } };
  assert.equal(may(notGood, { fields: ['x-role', 'good', 'x-role', 'evil'] }, 'DENY'), true,
    'denies unless all are good');
  const twice: Permission = { notRule: notGood };
  assert.equal(may(twice, { fields: ['x-role', 'good', 'x-role', 'evil'] }), false);
});

test('S44 header names compare without case; absent headers match nothing', () => {
  assert.equal(may({ header: { name: 'X-Role', stringMatch: { exact: 'a' } } }, { fields: ['x-role', 'a'] }, 'DENY'),
    true);
  for (const action of ['ALLOW', 'DENY'] as const) {
    assert.equal(may({ header: { name: 'x-role', stringMatch: { exact: 'a' } } }, {}, action), false);
    assert.equal(may({ header: { name: 'x-role', stringMatch: { safeRegex: { regex: '.*' } } } }, {}, action), false);
  }
});

test('S41 path parameters pass no denial and win no permission', () => {
  const admin: Permission = { urlPath: { path: { exact: '/admin' } } };
  assert.equal(may(admin, { path: '/admin;x=1' }, 'DENY'), true);
  assert.equal(may(admin, { path: '/public/..;/admin?q' }, 'DENY'), true);
  assert.equal(may(admin, { path: '/admin;x=1' }), false);
  const open: Permission = { urlPath: { path: { prefix: '/public' } } };
  assert.equal(may(open, { path: '/public/..;/admin' }), false);
  assert.equal(may(open, { path: '/public/a;b=c' }), true);
  assert.equal(may({ notRule: admin }, { path: '/admin;x' }), false);
});

test('S13 hosts in policies are matched without case, whichever way they are written', () => {
  for (const name of ['host', ':authority']) {
    assert.equal(may({ header: { name, stringMatch: { exact: 'EXAMPLE.com' } } }, {}, 'DENY'), true);
    assert.equal(may({ header: { name, stringMatch: { suffix: '.COM' } } }), true);
  }
});

test('S45 names are compared, not made into patterns', () => {
  const literal: Principal = { authenticated: { principalName: { exact: 'spiffe://td/ns/.*/sa/a' } } };
  assert.equal(is(literal, peer({ peerUriSan: 'spiffe://td/ns/x/sa/a' })), false);
  assert.equal(is(literal, peer({ peerUriSan: 'spiffe://td/ns/.*/sa/a' })), true);
  const suffix: Principal = { authenticated: { principalName: { suffix: '/sa/a|b' } } };
  assert.equal(is(suffix, peer({ peerUriSan: 'spiffe://td/ns/x/sa/b' })), false);
});

test('S46 patterns of policies run in linear time', () => {
  const rule: Permission = { header: { name: 'x-a', stringMatch: { safeRegex: { regex: '(a+)+$' } } } };
  assert.equal(may(rule, { fields: ['x-a', `${'a'.repeat(8000)}!`] }), false);
});

test('policies are asked in the order of their names', () => {
  const any = { permissions: [{ any: true }], principals: [{ any: true }] };
  assert.equal(find({ policies: { b: any, a: any, c: any } }, {}), 'a');
});

test('no policies: a permission permits nothing, a denial denies nothing', () => {
  assert.equal(new AccessPolicies({}, '').allows(undefined), false);
  assert.equal(new AccessPolicies({ action: 'DENY' }, '').allows(undefined), true);
  assert.equal(new AccessPolicies({ action: 'LOG' }, '').allows(undefined), true);
});

test('faults are refused by their place', () => {
  const compile = (permission: Permission, principal: Principal = { any: true }) => () =>
    new AccessPolicies({ policies: { 'my policy': { permissions: [{ any: true }, permission],
      principals: [principal] } } }, 'rules');
  const at = (place: string): RegExp => new RegExp(`^ConfigError: rules\\.policies\\["my policy"\\]\\.${place}`);
  assert.throws(compile({}), at('permissions\\[1\\]: '));
  assert.throws(compile({ andRules: { rules: [{ any: true }, { urlPath: { path: { safeRegex: { regex: '(' } } } }] } }),
    at('permissions\\[1\\]\\.andRules\\.rules\\[1\\]\\.urlPath\\.path\\.safeRegex\\.regex: '));
  assert.throws(compile({ any: true }, { notId: { sourceIp: { addressPrefix: 'x' } } }),
    at('principals\\[0\\]\\.notId\\.sourceIp\\.addressPrefix: '));
});

test('policies say what they are', () => {
  const policies = new AccessPolicies({ action: 'DENY', policies: {
    two: {
      permissions: [{ andRules: { rules: [{ header: { name: ':method', stringMatch: { exact: 'GET' } } },
        { notRule: { urlPath: { path: { prefix: '/a' } } } }] } }],
      principals: [{ authenticated: { principalName: { exact: ADMIN } } },
        { sourceIp: { addressPrefix: '10.0.0.0', prefixLen: 8 } }],
    },
    one: { permissions: [{ destinationPort: 80 }, { requestedServerName: { exact: 'a' } }],
      principals: [{ authenticated: {} }] },
  } }, '');
  assert.equal(String(policies), ['DENY', '  "one": (port 80 or server name exact "a") by any verified peer',
    '  "two": (header :method exact "GET" and not path prefix "/a") by '
      + `(peer exact "${ADMIN}" or source 10.0.0.0/8)`].join('\n'));
});

test('a permission by URI template holds for the whole path without its query', () => {
  const type = 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig' as const;
  const permission: Permission = {
    uriTemplate: { name: 'template', typedConfig: { '@type': type, pathTemplate: '/a/*/c/**' } },
  };
  const paths = ['/a/b/c/d/e', '/a/b/c/d?x=/y', '/a/b/x', '/a/b/b/c/d', '/z/a/b/c/d'];
  assert.deepEqual(paths.map((path) => may(permission, { path })), [true, true, false, false, false]);
});
