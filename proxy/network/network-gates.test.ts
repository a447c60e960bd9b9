// Chains of several network filters, as configuration: which may stand where, and what connections are never asked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../config/decode.ts';
import { Listener } from '../config/listener.ts';

const PREFIX = 'type.googleapis.com/envoy.extensions.filters.network';
const PROXY = {
  name: 'tcp', typedConfig: { '@type': `${PREFIX}.tcp_proxy.v3.TcpProxy`, statPrefix: 't', cluster: 'c' },
};

function faults(type: string, config: object): string[] {
  const filters = [{ name: 'gate', typedConfig: { '@type': `${PREFIX}.${type}`, statPrefix: 'g', ...config } }, PROXY];
  const address = { socketAddress: { address: '127.0.0.1', portValue: 1 } };
  const { errors, warnings } = decode(Listener, { name: 'l', address, filterChains: [{ filters }] });
  return [...errors, ...warnings].map(String);
}

const policy = (permission: object, principal: object = { any: true }): object =>
  ({ rules: { policies: { p: { permissions: [permission], principals: [principal] } } } });

test('limits are taken in full', () => {
  const bucket = { tokenBucket: { maxTokens: 1, fillInterval: '1s' } };
  assert.deepEqual(faults('connection_limit.v3.ConnectionLimit', { maxConnections: '3', delay: '1s' }), []);
  assert.deepEqual(faults('local_ratelimit.v3.LocalRateLimit', { ...bucket, shareKey: 'k' }), []);
  assert.match(faults('connection_limit.v3.ConnectionLimit', { maxConnections: 0 })[0] ?? '', /maxConnections/);
  const flag = { runtimeEnabled: { defaultValue: true, runtimeKey: 'k' } };
  assert.match(faults('local_ratelimit.v3.LocalRateLimit', { ...bucket, ...flag })[0] ?? '', /there is no runtime/);
});

test('rules about connections must not ask for headers, paths or metadata', () => {
  const header = { header: { name: 'a', presentMatch: true } };
  const path = { urlPath: { path: { exact: '/' } } };
  const metadata = {
    metadata: { filter: 'envoy.filters.http.jwt_authn', path: [{ key: 'sub' }], value: { presentMatch: true } } };
  const deep = { andRules: { rules: [{ notRule: header }] } };
  for (const rules of [policy(header), policy(path), policy(deep), policy(metadata), policy({ any: true }, header)]) {
    assert.match(faults('rbac.v3.RBAC', rules)[0] ?? '', /must not ask for headers, paths or metadata/);
  }
  assert.deepEqual(faults('rbac.v3.RBAC', policy({ destinationPort: 1 }, { remoteIp: { addressPrefix: '::1' } })), []);
});
