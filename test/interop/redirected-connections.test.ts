// Connections that iptables redirects to the proxy, through weft as through a real Envoy: where they wanted to go
// decides the listener, the chain and the endpoint.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { configure, inOwnNetwork } from '../harness/own-network.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters';
/** Whose connections are redirected: the application's, and not those of the proxy. */
const APPLICATION = 1338;
const PORT = 15_001;
/** Servers of the world behind the proxy. */
const SERVERS = [['10.1.0.1', 8080], ['10.1.0.2', 8080], ['10.1.0.2', 9090], ['fd00::1', 8080]] as const;

const curl = promisify(execFile);

/** The answer to the application; `closed` where there is none. */
async function ask(url: string, ...args: string[]): Promise<string> {
  const command = ['-s', '-g', '-m', '10', '-w', ' %{http_code}', ...args, url];
  try {
    return (await curl('curl', command, { uid: APPLICATION })).stdout;
  } catch (cause) {
    const { code, stdout } = cause as { code: number; stdout: string };
    // Empty reply, connection reset.
    return code === 52 || code === 56 ? 'closed' : `${stdout} exit ${code}`;
  }
}

async function serve(host: string, port: number): Promise<Server> {
  const server = createServer(({ url, headers }, response) => {
    response.end(`${host} ${port} ${url} ${String(headers['x-by'] ?? 'direct')}`);
  });
  await new Promise<void>((resolve) => { server.listen(port, host, resolve); });
  return server;
}

function tcp(cluster: string, match?: object): unknown {
  const typed = { '@type': `${TYPE}.network.tcp_proxy.v3.TcpProxy`, stat_prefix: cluster, cluster };
  return { filters: [{ name: 'tcp', typed_config: typed }], ...(match !== undefined && { filter_chain_match: match }) };
}

/** HTTP routes to `cluster`, marked with who took the request. */
function http(by: string, cluster: string, fields: object): unknown {
  const request_headers_to_add = [{ header: { key: 'x-by', value: by } }];
  const route = { match: { prefix: '/' }, route: { cluster }, request_headers_to_add };
  return { ...(httpListener([route], {}, by) as object), ...fields };
}

function at(address: string, port: number, ipv4Compat?: true): object {
  return { socket_address: { address, port_value: port, ...(ipv4Compat && { ipv4_compat: true }) } };
}

const DIRECT = { name: 'direct', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '2s' };
const CLUSTERS = [
  DIRECT,
  { ...DIRECT, name: 'port', original_dst_lb_config: { upstream_port_override: 8080 } },
  { ...DIRECT, name: 'header', original_dst_lb_config: { use_http_header: true } },
];
/** Takes all that is redirected, and hands on what another listener is there for. */
const CATCH_ALL = {
  name: 'all', address: at('::', PORT, true), use_original_dst: true,
  filter_chains: [tcp('port', { destination_port: 7070 })],
  default_filter_chain: tcp('direct'),
};
const LISTENERS = [
  CATCH_ALL,
  http('service', 'direct', { address: at('10.1.0.2', 8080), bind_to_port: false }),
  http('every', 'header', { address: at('0.0.0.0', 9090), bind_to_port: false }),
  http('inspected', 'direct', {
    address: at('127.0.0.1', PORT + 1), listener_filters: [{
      name: 'original_dst', typed_config: { '@type': `${TYPE}.listener.original_dst.v3.OriginalDst` } }],
  }),
];

inOwnNetwork(import.meta.url, () => {
  let servers: Server[] = [];

  before(async () => {
    const redirect = `-t nat -A OUTPUT -p tcp -m owner --uid-owner ${APPLICATION}`;
    configure([
      'ip link set lo up', 'ip addr add 10.1.0.1/32 dev lo', 'ip addr add 10.1.0.2/32 dev lo',
      'ip -6 addr add fd00::1/128 dev lo nodad',
      `iptables ${redirect} -d 10.1.0.1 --dport 6060 -j REDIRECT --to-ports ${PORT + 1}`,
      `iptables ${redirect} -d 10.1.0.0/24 -j REDIRECT --to-ports ${PORT}`,
      `ip6tables ${redirect} -d fd00::/16 -j REDIRECT --to-ports ${PORT}`,
    ]);
    servers = await Promise.all([...SERVERS.map(([host, port]) => serve(host, port)), serve('10.1.0.1', 6060)]);
  });

  after(() => {
    for (const server of servers) server.close();
  });

  for (const { kind, skip } of candidates()) {
    void test(`${kind} serves redirected connections as their addresses ask (curl, iptables)`, { skip }, async () => {
      await using proxy = await ProxyProcess.start(kind, bootstrapOf(LISTENERS, CLUSTERS));
      const answers = {
        tcp: await ask('http://10.1.0.1:8080/a'),
        ipv6: await ask('http://[fd00::1]:8080/b'),
        'chain by port': await ask('http://10.1.0.1:7070/c'),
        'listener of the address': await ask('http://10.1.0.2:8080/d'),
        'listener of all addresses': await ask('http://10.1.0.2:9090/e'),
        'header before address': await ask('http://10.1.0.2:9090/f', '-H', 'x-envoy-original-dst-host: 10.1.0.1:8080'),
        'bad header': await ask('http://10.1.0.2:9090/g', '-H', 'x-envoy-original-dst-host: nowhere'),
        'listener filter alone': await ask('http://10.1.0.1:6060/h'),
        'nobody there': await ask('http://10.1.0.1:5050/i'),
        'not redirected, TCP': await ask(`http://127.0.0.1:${PORT}/j`),
      };
      assert.deepEqual(answers, {
        tcp: '10.1.0.1 8080 /a direct 200',
        ipv6: 'fd00::1 8080 /b direct 200',
        'chain by port': '10.1.0.1 8080 /c direct 200',
        'listener of the address': '10.1.0.2 8080 /d service 200',
        'listener of all addresses': '10.1.0.2 9090 /e every 200',
        'header before address': '10.1.0.1 8080 /f every 200',
        'bad header': '10.1.0.2 9090 /g every 200',
        'listener filter alone': '10.1.0.1 6060 /h inspected 200',
        'nobody there': 'closed',
        'not redirected, TCP': 'closed',
      });
      assert.equal(await proxy.stat('http.service.downstream_cx_total'), 1);
      // Envoy asks itself until the headers are too large.
      if (kind === 'weft') assert.equal(await ask(`http://127.0.0.1:${PORT + 1}/k`), 'no healthy upstream 503');
      assert.equal(await proxy.stat('cluster.header.original_dst_host_invalid'), 1);
    });
  }
});
