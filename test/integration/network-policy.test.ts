// NetworkPolicies from YAML to traffic: who gets through to a pod by node:net, under each of Kubernetes' recipes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { NETWORK_RBAC_TYPE, TCP_PROXY_TYPE } from '../../proxy/config/type-url.ts';
import { POLICY_CASES } from '../harness/network-policy-cases.ts';
import { judgeEgress } from '../harness/network-policy-egress.ts';
import { judgeIdentities, PolicyProxy } from '../harness/network-policy-proxy.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { staticCluster } from '../harness/weft.ts';

const skip = process.platform === 'linux' ? false : 'only Linux has all of 127.0.0.0/8';

void test('weft lets in whom NetworkPolicies let in (node:net)', { skip }, async (t) => {
  await using proxy = await PolicyProxy.start(t, 'weft', POLICY_CASES);
  for (const one of POLICY_CASES) {
    await t.test(one.name, async () => assert.deepEqual(await proxy.allowed(one), one.allowed));
  }
  assert.ok(await proxy.stat('network_policy.rbac.denied') > 0);
});

void test('a server that speaks first says nothing to whom a policy shuts out (node:net)', { skip }, async (t) => {
  const server = createServer((socket) => socket.on('error', () => undefined).write('secret greeting'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const only = { direct_remote_ip: { address_prefix: '127.0.0.2', prefix_len: 32 } };
  const rules = { policies: { only: { permissions: [{ any: true }], principals: [only] } } };
  await using proxy = await ProxyProcess.start('weft', {
    static_resources: {
      listeners: [{
        name: 'l',
        address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
        filter_chains: [{ filters: [
          { name: 'gate', typed_config: { '@type': NETWORK_RBAC_TYPE, stat_prefix: 'gate', rules } },
          { name: 'tcp', typed_config: { '@type': TCP_PROXY_TYPE, stat_prefix: 'tcp', cluster: 'greeter' } },
        ] }],
      }],
      clusters: [staticCluster('greeter', [(server.address() as AddressInfo).port])],
    },
  });
  const heard = async (localAddress: string): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port: proxy.port('l'), localAddress });
    socket.setTimeout(5000, () => socket.destroy());
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text === 'secret greeting') socket.destroy();
    });
    socket.on('error', () => undefined);
    await once(socket, 'close');
    return text;
  };
  assert.deepEqual([await heard('127.0.0.2'), await heard('127.0.0.3')], ['secret greeting', '']);
  assert.deepEqual([await proxy.stat('gate.rbac.allowed'), await proxy.stat('gate.rbac.denied')], [1, 1]);
});

void test('weft believes a certificate before an address (node:tls)', { skip }, (t) => judgeIdentities(t, 'weft'));

void test('weft reaches what NetworkPolicies let out (undici)', { skip }, (t) => judgeEgress(t, 'weft'));
