// TCP carried in HTTP: weft and a real Envoy by the same bootstrap ask node:http and node:http2 for a way on, by
// CONNECT and by POST.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hear, startNamed } from '../harness/named-server.ts';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';
import { startTunnelProxy } from '../harness/tunnel-proxy.ts';
import { bootstrapOf, staticCluster } from '../harness/weft.ts';

type Config = Record<string, unknown>;

const TCP_PROXY = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const H2 = {
  typed_extension_protocol_options: {
    [OPTIONS]: { '@type': `type.googleapis.com/${OPTIONS}`, explicit_http_config: { http2_protocol_options: {} } },
  },
};

const listener = (name: string, cluster: string, tunneling: Config): Config => ({
  name, address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  filter_chains: [{
    filters: [{
      name: 'tcp', typed_config: { '@type': TCP_PROXY, stat_prefix: name, cluster, tunneling_config: tunneling },
    }],
  }],
});

const HEADERS = { headers_to_add: [{ header: { key: 'x-tunnel', value: 'yes' } }] };

for (const { kind, skip } of candidates()) {
  void test(`${kind} carries TCP in HTTP (node:net, node:http, node:http2)`, { skip }, async (t) => {
    const target = await startNamed(t, 'far');
    const [h1, h2] = [await startTunnelProxy(t, 'h1', target), await startTunnelProxy(t, 'h2', target)];
    const hostname = `target.test:${target}`;
    const bootstrap = bootstrapOf([
      listener('connect1', 'one', { hostname, ...HEADERS }), listener('connect2', 'two', { hostname }),
      listener('post1', 'one', { hostname, use_post: true }),
      listener('post2', 'two', { hostname, use_post: true, post_path: '/way', ...HEADERS }),
      listener('refused1', 'one', { hostname: 'other.test:1' }),
      listener('refused2', 'two', { hostname: 'other.test:1' }),
    ], [staticCluster('one', [h1.port]), staticCluster('two', [h2.port], H2)]);
    await using proxy = await ProxyProcess.start(kind, bootstrap);
    const heard = (name: string): Promise<string> => hear(proxy.port(name));
    assert.deepEqual([await heard('connect1'), await heard('connect2')], ['far|hello', 'far|hello']);
    assert.deepEqual([await heard('post1'), await heard('post2')], ['far|hello', 'far|hello']);
    assert.deepEqual([await heard('refused1'), await heard('refused2')], ['', '']);
    assert.deepEqual(h1.requests, [`CONNECT ${hostname} yes`, `POST ${hostname}`, 'CONNECT other.test:1']);
    assert.deepEqual(h2.requests, [`CONNECT ${hostname}`, `POST ${hostname} yes`, 'CONNECT other.test:1']);
  });
}
