// The PROXY protocol both ways, through weft as through a real Envoy: what HAProxy and clients by hand say of their
// connections, and what HAProxy and a server by hand are told.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { proxyHeader } from '../../proxy/base/proxy-protocol.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { findProgram } from '../harness/peers.ts';
import { ServerProcess, answers } from '../harness/process.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, staticCluster } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';
const NAMESPACE = 'envoy.filters.listener.proxy_protocol';
const V4 = { sourceIp: '192.0.2.1', sourcePort: 56_324, destinationIp: '198.51.100.2', destinationPort: 443 };
const V6 = { sourceIp: '2001:db8::1', sourcePort: 1, destinationIp: '2001:db8::2', destinationPort: 2 };
const TLV = { type: 0xea, value: Buffer.from('vpce-1') };
const OTHER = { type: 0x02, value: Buffer.from('a.example') };

const listen = { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } };
const filter = (config: object): object => ({
  listener_filters_timeout: '2s',
  listener_filters: [{ name: 'header', typed_config: {
    '@type': `${TYPE}.filters.listener.proxy_protocol.v3.ProxyProtocol`, ...config } }],
});
const RULES = { rules: [{ tlv_type: 0xea, on_tlv_present: { key: 'endpoint' } }] };

function tcp(name: string, cluster: string, fields: object, gates: readonly unknown[] = []): unknown {
  const typed = { '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: name, cluster };
  return { name, ...listen, ...fields, filter_chains: [{ filters: [...gates, { name: 'tcp', typed_config: typed }] }] };
}

/** Lets in who said that TLV. */
const GATE = { name: 'rbac', typed_config: {
  '@type': `${TYPE}.filters.network.rbac.v3.RBAC`, stat_prefix: 'gate',
  rules: { action: 'ALLOW', policies: { endpoint: { permissions: [{ any: true }], principals: [{ metadata: {
    filter: NAMESPACE, path: [{ key: 'endpoint' }], value: { string_match: { exact: 'vpce-1' } } } }] } } },
} };

function said(name: string, port: number, config: object): unknown {
  return staticCluster(name, [port], { transport_socket: { name: 'proxy', typed_config: {
    '@type': `${TYPE}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport`, config,
    transport_socket: { name: 'raw', typed_config: { '@type': `${TYPE}.transport_sockets.raw_buffer.v3.RawBuffer` } },
  } } });
}

const SHOWN = {
  'x-remote': '%DOWNSTREAM_REMOTE_ADDRESS%', 'x-local': '%DOWNSTREAM_LOCAL_ADDRESS%',
  'x-direct': '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%', 'x-tlv': `%DYNAMIC_METADATA(${NAMESPACE}:endpoint)%`,
};

function web(name: string, cluster: string, config: object | undefined): unknown {
  const shown = Object.entries(SHOWN).map(([key, value]) => ({ header: { key, value } }));
  const route = { match: { prefix: '/' }, route: { cluster }, response_headers_to_add: shown };
  return { ...(httpListener([route], { use_remote_address: true }, name) as object), ...(config && filter(config)) };
}

/** Sends the first bytes of each connection back, in hex, and closes it. */
async function recorder(t: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    const seen: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => {
      seen.push(chunk);
      const all = Buffer.concat(seen);
      if (all.includes('ping\n')) socket.end(all.toString('hex'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Which stats both have, below proxy_proto. */
const STATS = ['in.not_found_disallowed', 'in.versions.v1.found', 'in.versions.v1.error', 'in.versions.v2.found',
  'in.versions.v2.error', 'optional.not_found_allowed', 'optional.versions.v2.found', 'v2only.versions.v1.found',
  'v2only.versions.v1.disallowed', 'versions.v2.found'];

interface Asked {
  /** The client's own. */
  readonly address: string;
  readonly remote: unknown;
  readonly body: string;
}

async function ask(port: number, agent: Agent): Promise<Asked> {
  const asked = get({ host: '127.0.0.1', port, agent });
  const [answer] = await once(asked, 'response') as [IncomingMessage];
  const address = `127.0.0.1:${answer.socket.localPort}`;
  let body = '';
  for await (const chunk of answer) body += String(chunk);
  return { address, remote: answer.headers['x-remote'], body };
}

interface Said {
  readonly sent: string;
  readonly heard: string;
}

/** What comes back for these bytes, and what the client was called there. */
function exchange(port: number, ...pieces: readonly Buffer[]): Promise<Said> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    let sent = '';
    socket.setNoDelay(true);
    socket.on('connect', () => { sent = `127.0.0.1 ${socket.localPort} ${port}`; });
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('close', () => resolve({ sent, heard: Buffer.concat(chunks).toString('latin1') }));
    const send = ([piece, ...rest]: readonly Buffer[]): void => {
      if (piece !== undefined) socket.write(piece, () => setImmediate(send, rest));
    };
    send(pieces);
  });
}

const PING = Buffer.from('ping\n');
const heardOf = async (port: number, ...pieces: Buffer[]): Promise<string> =>
  Buffer.from((await exchange(port, ...pieces)).heard, 'hex').toString('latin1');
const line = (text: string): Buffer => Buffer.from(text, 'latin1');
const body = (command: number, family: number, bytes: Buffer): Buffer => Buffer.concat([
  line('\r\n\r\n\0\r\nQUIT\n'), Buffer.from([command, family, bytes.length >> 8, bytes.length & 0xff]), bytes]);

/** First bytes that no peer should send, each refused by both. */
const REFUSED: Readonly<Record<string, Buffer>> = {
  'no header': PING,
  'TCP4 of the other family': line('PROXY TCP4 ::1 ::1 1 2\r\nping\n'),
  'a field too few': line('PROXY TCP4 1.1.1.1 2.2.2.2 1\r\nping\n'),
  'no CR': line(`PROXY TCP4 1.1.1.1 2.2.2.2 1 2\nping\n${'x'.repeat(107)}`),
  'UDP4': line('PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\nping\n'),
  'a port too large': line('PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\nping\n'),
  'v2 of version 1': body(0x11, 0x11, Buffer.alloc(12)),
  'v2 UDP': body(0x21, 0x12, Buffer.alloc(12)),
  'v2 UNSPEC': body(0x21, 0x00, Buffer.alloc(0)),
  'v2 cut short': body(0x21, 0x11, Buffer.alloc(11)),
  'v2 with a TLV beyond its end': body(0x21, 0x11, Buffer.concat([Buffer.alloc(12), Buffer.from([1, 0, 9, 1])])),
};

for (const { kind, skip } of candidates()) {
  void test(`S48 ${kind} reads and writes the PROXY protocol (node:net)`, { skip }, async (t) => {
    await using echo = await EchoServer.start('web');
    const record = await recorder(t);
    const ALL = { pass_through_tlvs: { match_type: 'INCLUDE_ALL' } };
    const ONE = { pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [0xea] } };
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([
      tcp('in', 'plain', filter({ ...RULES, stat_prefix: 'in' })),
      tcp('gated', 'plain', filter(RULES), [GATE]),
      tcp('optional', 'plain', filter({
        allow_requests_without_proxy_protocol: true, disallowed_versions: ['V1'], stat_prefix: 'optional' })),
      tcp('v2only', 'plain', filter({ disallowed_versions: ['V1'], stat_prefix: 'v2only' })),
      tcp('out1', 'v1', {}), tcp('out2', 'v2', {}),
      tcp('through1', 'v1', filter({ ...ALL, stat_prefix: 'pass' })),
      tcp('through2', 'v2', filter({ ...ALL, stat_prefix: 'pass' })),
      tcp('some', 'some', filter({ ...ALL, stat_prefix: 'pass' })),
      web('http', 'web', RULES),
    ], [
      staticCluster('plain', [record]), staticCluster('web', [echo.port]),
      said('v1', record, { version: 'V1' }), said('v2', record, { version: 'V2', ...ALL }),
      said('some', record, { version: 'V2', ...ONE }),
    ]));
    const at = (name: string): number => proxy.port(name);

    await t.test('what a header says is taken off, and nothing more', async () => {
      for (const header of [proxyHeader('V1', V4), proxyHeader('V1', undefined), proxyHeader('V2', V6, [TLV, OTHER]),
        proxyHeader('V2', undefined)]) {
        assert.equal(await heardOf(at('in'), Buffer.concat([header, PING])), 'ping\n');
        assert.equal(await heardOf(at('in'), ...[...header].map((byte) => Buffer.from([byte])), PING), 'ping\n');
      }
    });

    await t.test('what is malformed ends the connection', async () => {
      for (const [name, bytes] of Object.entries(REFUSED)) {
        // Rules make Envoy read TLVs at all.
        assert.equal((await exchange(at('in'), bytes)).heard, '', name);
      }
    });

    await t.test('rules make metadata that policies see', async () => {
      assert.equal(await heardOf(at('gated'), proxyHeader('V2', V4, [OTHER, TLV]), PING), 'ping\n');
      assert.equal((await exchange(at('gated'), proxyHeader('V2', V4, [OTHER]), PING)).heard, '');
    });

    await t.test('headers may be left out, or some of them be none', async () => {
      assert.equal(await heardOf(at('optional'), PING), 'ping\n');
      assert.equal(await heardOf(at('optional'), proxyHeader('V2', V4), PING), 'ping\n');
      const v1 = proxyHeader('V1', V4).toString('latin1');
      assert.equal(await heardOf(at('optional'), line(v1), PING), `${v1}ping\n`);
      assert.equal((await exchange(at('v2only'), line(v1), PING)).heard, '');
    });

    await t.test('servers are told for whom', async () => {
      const first = await exchange(at('out1'), PING);
      const [ip = '', from = '', to = ''] = first.sent.split(' ');
      assert.equal(Buffer.from(first.heard, 'hex').toString(), `PROXY TCP4 ${ip} ${ip} ${from} ${to}\r\nping\n`);
      const second = await exchange(at('out2'), PING);
      const ends = { sourceIp: ip, destinationIp: ip, sourcePort: Number(second.sent.split(' ')[1]),
        destinationPort: at('out2') };
      assert.equal(second.heard, Buffer.concat([proxyHeader('V2', ends), PING]).toString('hex'));
      for (const ends of [V4, V6]) {
        assert.equal(await heardOf(at('through1'), proxyHeader('V2', ends), PING),
          `${proxyHeader('V1', ends).toString()}ping\n`);
        const tlvs = [OTHER, TLV];
        const through = await exchange(at('through2'), proxyHeader('V2', ends, tlvs), PING);
        assert.equal(through.heard, Buffer.concat([proxyHeader('V2', ends, tlvs), PING]).toString('hex'));
        const some = await exchange(at('some'), proxyHeader('V2', ends, tlvs), PING);
        assert.equal(some.heard, Buffer.concat([proxyHeader('V2', ends, [TLV]), PING]).toString('hex'));
      }
    });

    await t.test('HTTP sees the client', async () => {
      const ask = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';
      const { heard } = await exchange(at('http'), proxyHeader('V2', V4, [TLV]), line(ask));
      const headers = Object.fromEntries(heard.split('\r\n').filter((row) => row.startsWith('x-'))
        .map((row) => row.split(': ')));
      assert.equal(headers['x-remote'], '192.0.2.1:56324');
      assert.equal(headers['x-local'], '198.51.100.2:443');
      assert.equal(headers['x-direct'], '127.0.0.1');
      assert.equal(headers['x-tlv'], undefined);
      assert.match(heard, /"x-forwarded-for":"192\.0\.2\.1"/);
    });

    const stats = Object.fromEntries(await Promise.all(STATS.map(async (name) =>
      [name, await proxy.stat(`proxy_proto.${name}`)] as const)));
    // Envoy waits for CRLF where weft sees that none can come.
    const errors = kind === 'weft' ? 5 : 4;
    assert.deepEqual(stats, {
      'in.not_found_disallowed': 1, 'in.versions.v1.found': 4, 'in.versions.v1.error': errors,
      'in.versions.v2.found': 4, 'in.versions.v2.error': 5, 'optional.not_found_allowed': 2,
      'optional.versions.v2.found': 1, 'v2only.versions.v1.found': 1, 'v2only.versions.v1.disallowed': 1,
      'versions.v2.found': 3,
    });
    assert.equal(await proxy.stat('downstream_cx_proxy_proto_error'), errors + 6);
  });

  const haproxy = findProgram('haproxy');
  const without = skip === false && haproxy === undefined ? 'HAProxy is not installed' : skip;
  void test(`${kind} and HAProxy tell each other of clients (node:http)`, { skip: without }, async (t) => {
    const [told = 0, v1 = 0, v2 = 0] = await freePorts(3);
    const listeners = [
      web('in', 'web', {}), web('out1', 'v1', undefined), web('out2', 'v2', undefined), tcp('bytes', 'v2', {}),
    ];
    await using proxy = await ProxyProcess.start(kind, bootstrapOf(listeners,
      [said('web', told, {}), said('v1', told, { version: 'V1' }), said('v2', told, { version: 'V2' })]));
    const folder = await mkdtemp(join(tmpdir(), 'weft-haproxy-'));
    t.after(() => rm(folder, { recursive: true }));
    const file = join(folder, 'haproxy.cfg');
    await writeFile(file, `defaults
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend told
  mode http
  bind 127.0.0.1:${told} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%ci:%cp"
listen v1
  mode tcp
  bind 127.0.0.1:${v1}
  server proxy 127.0.0.1:${proxy.port('in')} send-proxy
listen v2
  mode tcp
  bind 127.0.0.1:${v2}
  server proxy 127.0.0.1:${proxy.port('in')} send-proxy-v2
`);
    await using server = new ServerProcess(haproxy!, ['-db', '-f', file], { name: 'haproxy' });
    await server.until(() => answers(`http://127.0.0.1:${proxy.port('out1')}/`));
    for (const port of [proxy.port('out1'), proxy.port('out2'), proxy.port('bytes')]) {
      const clients = [new Agent({ keepAlive: true, maxSockets: 1 }), new Agent({ keepAlive: true, maxSockets: 1 })];
      // In turns: each has a connection of its own behind the proxy.
      for (const client of [...clients, ...clients]) {
        const { address, body: heard } = await ask(port, client);
        assert.equal(heard, address);
      }
      for (const client of clients) client.destroy();
    }
    for (const port of [v1, v2]) {
      const { address, remote } = await ask(port, new Agent());
      assert.equal(remote, address);
    }
  });
}
