// The audit log of a whole proxy: what undici and node:net were denied, what configuration came, and no flood of lines.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import { checkAudit } from '../../proxy/base/audit-folder.ts';
import type { AuditRecord } from '../../proxy/base/audit-line.ts';
import { NETWORK_RBAC_TYPE, RBAC_TYPE, TCP_PROXY_TYPE } from '../../proxy/config/type-url.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const policy = (permission: unknown): unknown => ({ permissions: [permission], principals: [{ any: true }] });
const below = (prefix: string): unknown => ({ url_path: { path: { prefix } } });

/** DENY of /admin, LOG of /watched, and a dry run that would deny /old. */
function listeners(): unknown[] {
  const filter = (name: string, config: object): unknown =>
    ({ name, typed_config: { '@type': RBAC_TYPE, ...config } });
  const gate = { stat_prefix: 'gate', rules: { action: 'ALLOW', policies: {} } };
  return [httpListener([routeTo('app')], { http_filters: [
    filter('deny', { rules: { action: 'DENY', policies: { 'no-admin': policy(below('/admin')) } } }),
    filter('audit', { rules: { action: 'LOG', policies: { watch: policy(below('/watched')) } } }),
    filter('dry', { shadow_rules: { action: 'DENY', policies: { later: policy(below('/old')) } } }),
  ] }), {
    name: 'tcp',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [
      { name: 'gate', typed_config: { '@type': NETWORK_RBAC_TYPE, ...gate } },
      { name: 'tcp', typed_config: { '@type': TCP_PROXY_TYPE, stat_prefix: 'tcp', cluster: 'app' } },
    ] }],
  }];
}

function recordsIn(folder: string): AuditRecord[] {
  const records: AuditRecord[] = [];
  assert.deepEqual(checkAudit([folder], { onRecord: (record) => records.push(record) }).problems, []);
  return records;
}

test('every denial, audited request and dry run is in the log, alike ones as a count (undici, node:net)', async (t) => {
  const folder = join(temporaryFolder(t), 'audit');
  await using app = await EchoServer.start('app');
  const proxy = await ProxyProcess.start('weft', {
    node: { id: 'n', cluster: 'c', metadata: { WEFT_AUDIT: { folder } } },
    static_resources: { listeners: listeners(), clusters: [staticCluster('app', [app.port])] },
  });
  const ask = async (path: string): Promise<number> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${proxy.port('http')}${path}`);
    await body.dump();
    return statusCode;
  };
  for (let i = 0; i < 200; i++) assert.equal(await ask(`/admin/${i}?token=secret`), 403);
  assert.deepEqual([await ask('/watched'), await ask('/old'), await ask('/')], [200, 200, 200]);
  await new Promise((resolve) => connect(proxy.port('tcp'), '127.0.0.1').on('close', resolve).end('x'));
  await until('the log', async () => (await proxy.stat('audit.records_written')) > 5);
  await proxy[Symbol.asyncDispose]();

  const decisions = recordsIn(folder).filter(({ type }) => type === 'decision');
  const sums = new Map<string, number>();
  for (const { outcome, policy: name, count } of decisions) {
    const key = `${outcome as string} ${name as string}`;
    sums.set(key, (sums.get(key) ?? 0) + Number(count));
  }
  assert.deepEqual(Object.fromEntries(sums), {
    'audited watch': 1, 'denied ': 1, 'denied no-admin': 200, 'would-deny later': 1,
  });
  assert.ok(decisions.filter(({ policy: name }) => name === 'no-admin').length < 20);
  const denied = decisions.find(({ policy: name }) => name === 'no-admin')!;
  const { method, path, ip, filter } = denied;
  assert.deepEqual([method, path, ip, filter], ['GET', '/admin/0', '127.0.0.1', 'deny']);
  const listener = recordsIn(folder).filter(({ type, kind }) => type === 'config' && kind === 'listener')
    .flatMap(({ resources }) => resources as { name: string; after: string }[]).find(({ name }) => name === 'http');
  assert.equal(denied['policyDigest'], listener?.after, 'the decision names the configuration that decided');
  assert.ok(!JSON.stringify(recordsIn(folder)).includes('secret'));
  assert.equal(recordsIn(folder).at(-1)?.type, 'closed');
});

test('who has no token, and whom nobody could be asked about, are in the log as well (undici)', async (t) => {
  const folder = join(temporaryFolder(t), 'audit');
  await using app = await EchoServer.start('app');
  const EXTENSIONS = 'type.googleapis.com/envoy.extensions.filters.http';
  const jwt = {
    '@type': `${EXTENSIONS}.jwt_authn.v3.JwtAuthentication`,
    providers: { one: { issuer: 'a', local_jwks: { inline_string: '{"keys":[]}' } } },
    rules: [{ match: { prefix: '/token' }, requires: { provider_name: 'one' } }],
  };
  const authz = {
    '@type': `${EXTENSIONS}.ext_authz.v3.ExtAuthz`, transport_api_version: 'V3',
    http_service: { server_uri: { uri: 'http://nobody', cluster: 'nobody', timeout: '1s' } },
  };
  const proxy = await ProxyProcess.start('weft', {
    node: { id: 'n', cluster: 'c', metadata: { WEFT_AUDIT: { folder } } },
    static_resources: {
      listeners: [httpListener([routeTo('app')], { http_filters: [
        { name: 'tokens', typed_config: jwt }, { name: 'asks', typed_config: authz },
      ] })],
      clusters: [staticCluster('app', [app.port]), staticCluster('nobody', [1])],
    },
  });
  const ask = async (path: string): Promise<number> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${proxy.port('http')}${path}`);
    await body.dump();
    return statusCode;
  };
  assert.deepEqual([await ask('/token'), await ask('/')], [401, 403]);
  await proxy[Symbol.asyncDispose]();
  const decisions = recordsIn(folder).filter(({ type }) => type === 'decision');
  assert.deepEqual(decisions.map(({ filter, detail, outcome }) => [filter, detail, outcome]), [
    ['tokens', 'jwt_authn_access_denied{Jwt_is_missing}', 'denied'], ['asks', 'ext_authz_error', 'denied'],
  ]);
});

test('a proxy without a log keeps none, and a log that is not understood keeps it from starting', async () => {
  const bad = ProxyProcess.start('weft', { node: { metadata: { WEFT_AUDIT: { foldr: 'x' } } } });
  await assert.rejects(bad, /WEFT_AUDIT\.foldr: unknown field; did you mean 'folder'/);
  await using proxy = await ProxyProcess.start('weft', {});
  await assert.rejects(proxy.stat('audit.sequence'));
});
