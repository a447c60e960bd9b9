// Connections that `weft init --mode TPROXY` leads to the proxy, through weft as through a real Envoy: the application
// sees its caller's address, by IPv4 and IPv6, by either kind of rules.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { after, before, test } from 'node:test';
import { HOST_IP6 } from '../../examples/demo/pod-network.ts';
import { inOwnNetwork } from '../harness/own-network.ts';
import { WEFT } from '../harness/pod-mesh.ts';
import { HOST_IP, makePods, type Pod } from '../harness/pod-network.ts';
import { candidates, ProxyProcess, type ProxyKind } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters';
const HTTP_PORT = 8080;
const TCP_PORT = 8081;
/** The proxy runs as root, and so does the application, which calls nobody. */
const INIT = ['--mode', 'TPROXY', '--uid', '0', '--gid', '0'];

const CLUSTER = { name: 'direct', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '2s' };
const tcpProxy = { '@type': `${TYPE}.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'tcp', cluster: 'direct' };
const INBOUND = {
  ...httpListener([{ match: { prefix: '/' }, route: { cluster: 'direct' } }], {}, 'inbound') as object,
  address: { socket_address: { address: '::', port_value: 15_006, ipv4_compat: true } },
  transparent: true,
  stat_prefix: 'inbound',
  listener_filters: [
    { name: 'dst', typed_config: { '@type': `${TYPE}.listener.original_dst.v3.OriginalDst` } },
    { name: 'src', typed_config: { '@type': `${TYPE}.listener.original_src.v3.OriginalSrc`, mark: 1337 } },
  ],
};
const TCP_CHAIN = {
  filter_chain_match: { destination_port: TCP_PORT }, filters: [{ name: 'tcp', typed_config: tcpProxy }],
};
const LISTENER = { ...INBOUND, filter_chains: [...(INBOUND as unknown as { filter_chains: object[] }).filter_chains,
  TCP_CHAIN] };

function init(...args: readonly string[]): void {
  execFileSync(process.execPath, [WEFT, 'init', ...args]);
}

/** All rules and routes, but for those that the kernel gives an interface by and by. */
function kernelState(): string {
  const tables = ['iptables', 'ip6tables'].flatMap((tool) => ['mangle', 'nat', 'raw'].map((table) => (
    `${tool} -t ${table} -S`)));
  const ways = ['-4', '-6'].flatMap((family) => ['rule', 'route show table all', 'addr show dev lo'].map((what) => (
    `ip ${family} ${what}`)));
  const command = [...tables, 'nft list table inet weft 2>&1', ...ways].join(';');
  const state = execFileSync('sh', ['-c', command], { encoding: 'utf8' });
  return state.split('\n').filter((line) => !line.includes('fe80:')).join('\n');
}

inOwnNetwork(import.meta.url, () => {
  let pods: ReturnType<typeof makePods<'one' | 'two'>>;
  let servers: Server[] = [];

  async function serve(port: number): Promise<Server> {
    const server = createServer(({ socket }, response) => {
      response.end(String(socket.remoteAddress).replace('::ffff:', ''));
    });
    await new Promise<void>((resolve) => { server.listen(port, '::', resolve); });
    return server;
  }

  async function ask(pod: Pod, host: string, port = HTTP_PORT): Promise<string> {
    const { code, stdout } = await pod.run('curl', '-s', '-g', '-m', '5', `http://${host}:${port}/`);
    return code === 0 ? stdout : `curl ends with ${code}`;
  }

  before(async () => {
    pods = makePods(['one', 'two'], { ipv6: true });
    // The kernel forgets TPROXY's choice of a socket where it looks at packets of a bridge: pods have none.
    for (const tool of ['iptables', 'ip6tables']) {
      const file = `/proc/sys/net/bridge/bridge-nf-call-${tool}`;
      if (existsSync(file)) writeFileSync(file, '0');
    }
    servers = await Promise.all([HTTP_PORT, TCP_PORT].map(serve));
  });

  after(() => {
    for (const server of servers) server.close();
  });

  async function check(kind: ProxyKind): Promise<void> {
    const { one, two } = pods;
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([LISTENER], [CLUSTER]));
    // Connections that are kept for one of them must not serve the other.
    for (const pod of [one, two, one, two]) assert.equal(await ask(pod, HOST_IP), pod.ip);
    assert.equal(await ask(two, `[${HOST_IP6}]`), two.ip6);
    assert.equal(await ask(one, HOST_IP, TCP_PORT), one.ip);
    assert.equal(await ask(one, `[${HOST_IP6}]`, TCP_PORT), one.ip6);
    assert.equal(await proxy.stat('listener.inbound.downstream_cx_total'), 7);
  }

  for (const backend of ['iptables', 'nft']) {
    for (const { kind, skip } of candidates()) {
      void test(`${kind} keeps callers' addresses by TPROXY of ${backend} (curl, node:http)`, { skip }, async () => {
        const before = kernelState();
        // Twice is once.
        for (let i = 0; i < 2; i++) init(...INIT, '--backend', backend);
        await check(kind);
        init('--clean', '--backend', backend);
        assert.equal(kernelState(), before);
        assert.equal(await ask(pods.one, HOST_IP), pods.one.ip);
      });
    }
  }
});
