// Independent HTTP clients and servers in all combinations of HTTP/1.1 and HTTP/2 on both sides of a proxy.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { commandPeers } from '../harness/command-peers.ts';
import { H1_TRAILERS, alpnCluster, clientTls, http1Cluster, http2Cluster, overTls, serverTls,
  testIdentities } from '../harness/http2-bootstrap.ts';
import type { Ability, PeerAnswer, PeerClient, PeerRequest, PeerSession } from '../harness/http-peer.ts';
import { startNghttpd, withoutNghttpd } from '../harness/nghttpd.ts';
import { nodePeers } from '../harness/node-peers.ts';
import { PeerServer, TOGETHER, sha256 } from '../harness/peer-server.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, routeTo } from '../harness/weft.ts';

const MEGABYTE = randomBytes(1 << 20);
const identities = testIdentities();
const clients = [...nodePeers(identities.root.cert), ...commandPeers(identities.root.cert)];

/** An upstream by the name of its cluster. */
interface Upstream {
  readonly name: string;
  /** What its /hello says of the protocol that reached it; nghttpd says nothing. */
  readonly version?: '1.1' | '2.0';
  readonly skip: string | false;
}

const UPSTREAMS: readonly Upstream[] = [
  { name: 'h1', version: '1.1', skip: false },
  { name: 'h2c', version: '2.0', skip: false },
  { name: 'h2', version: '2.0', skip: false },
  { name: 'auto-h1', version: '1.1', skip: false },
  { name: 'auto-h2', version: '2.0', skip: false },
  { name: 'nghttpd', skip: withoutNghttpd },
];

type Send = (request: PeerRequest) => Promise<PeerAnswer>;

interface Behaviour {
  readonly name: string;
  readonly needs?: Ability;
  /** nghttpd serves files and echoes; the rest takes a server that misbehaves on demand. */
  readonly nghttpd: boolean;
  run(send: Send, session: PeerSession, upstream: Upstream): Promise<void>;
}

const BEHAVIOURS: readonly Behaviour[] = [
  {
    name: 'GET', nghttpd: true,
    run: async (send, _session, upstream) => {
      const answer = await send({ method: 'GET', path: '/hello' });
      assert.deepEqual([answer.status, answer.body.toString(), answer.whole], [200, 'hello', true]);
      assert.equal(answer.headers['content-length'], '5');
      assert.equal(answer.headers['x-version'], upstream.version);
    },
  },
  {
    name: 'HEAD: the length without the body', nghttpd: true,
    run: async (send) => {
      const answer = await send({ method: 'HEAD', path: '/hello' });
      assert.deepEqual([answer.status, answer.body.length, answer.whole], [200, 0, true]);
      assert.equal(answer.headers['content-length'], '5');
    },
  },
  { name: 'POST', nghttpd: true, run: (send) => expectEcho(send, Buffer.from('ping')) },
  { name: 'a body of 1 MiB both ways', nghttpd: true, run: (send) => expectEcho(send, MEGABYTE) },
  {
    name: 'trailers of the response', needs: 'response trailers', nghttpd: true,
    run: async (send) => {
      const answer = await send({ method: 'GET', path: '/trailers', headers: { te: 'trailers' } });
      assert.deepEqual([answer.status, answer.body.toString(), answer.whole], [200, 'hello', true]);
      assert.equal(answer.trailers['x-checksum'], 'abc');
    },
  },
  {
    name: 'trailers of the request', needs: 'request trailers', nghttpd: false,
    run: async (send) => {
      const answer = await send({
        method: 'POST', path: '/echo', body: Buffer.from('ping'), trailers: { 'x-checksum': 'abc' },
      });
      assert.deepEqual([answer.status, answer.body.toString()], [200, 'ping']);
      assert.equal(answer.headers['x-received-x-checksum'], 'abc');
    },
  },
  {
    name: 'a response before the end of the request', needs: 'wait for the response', nghttpd: false,
    run: async (send) => {
      const answer = await send({ method: 'POST', path: '/early', waits: true });
      assert.deepEqual([answer.status, answer.body.toString()], [413, 'early']);
    },
  },
  { name: 'a body of unknown length that is cut', nghttpd: false, run: (send) => expectCut(send, '/cut') },
  { name: 'a body of known length that is cut', nghttpd: false, run: (send) => expectCut(send, '/cut-length') },
  {
    name: `${TOGETHER} requests at once`, needs: 'many at once', nghttpd: true,
    run: async (_send, session, upstream) => {
      const request = { method: 'GET', path: '/together', headers: { 'x-upstream': upstream.name } };
      const statuses = await session.many(request, TOGETHER);
      assert.deepEqual(statuses, Array.from({ length: TOGETHER }, () => 200));
    },
  },
];

async function expectEcho(send: Send, body: Buffer): Promise<void> {
  const answer = await send({ method: 'POST', path: '/echo', body });
  assert.deepEqual([answer.status, answer.whole], [200, true]);
  assert.equal(answer.headers['x-received-sha256'] ?? sha256(body), sha256(body), 'what the server received');
  assert.equal(sha256(answer.body), sha256(body), 'what the client received');
}

async function expectCut(send: Send, path: string): Promise<void> {
  const answer = await send({ method: 'GET', path });
  assert.ok(answer.status === 200 || answer.status === 0, `status ${answer.status}`);
  assert.equal(answer.whole, false, 'the client takes a part for the whole');
}

/** The upstream is chosen by a header, so that paths are the same everywhere; the answer says how it was asked. */
function bootstrap(ports: Readonly<Record<string, number>>): unknown {
  const routes = Object.keys(ports).map((name) => ({
    ...routeTo(name) as object,
    match: { prefix: '/', headers: [{ name: 'x-upstream', string_match: { exact: name } }] },
    response_headers_to_add: [{ header: { key: 'x-asked-by', value: '%PROTOCOL%' } }],
  }));
  // Clients of HTTP/1.1 see a cut when the connection ends.
  const manager = { http_protocol_options: H1_TRAILERS, delayed_close_timeout: '0.1s' };
  return bootstrapOf([
    httpListener(routes, manager, 'plain'),
    overTls(httpListener(routes, manager, 'secure'), serverTls(identities)),
  ], Object.entries(ports).map(([name, port]) => {
    if (name === 'h1') return http1Cluster(name, port);
    if (name.startsWith('auto')) return alpnCluster(name, port, identities);
    return http2Cluster(name, port, name === 'h2' ? clientTls(identities) : undefined);
  }));
}

async function exercise(t: TestContext, proxy: ProxyProcess, client: PeerClient, upstream: Upstream): Promise<void> {
  await using session = client.open(proxy.port(client.secure ? 'secure' : 'plain'));
  const send: Send = async (request) => {
    const answer = await session.send({ ...request, headers: { ...request.headers, 'x-upstream': upstream.name } });
    assert.ok(answer.status === 0 || answer.headers['x-asked-by'] === client.version, 'the protocol is another one');
    return answer;
  };
  for (const { name, needs, nghttpd, run } of BEHAVIOURS) {
    if (upstream.name === 'nghttpd' && !nghttpd) continue;
    // It says a length, and HTTP/1.1 has no place for trailers then.
    if (needs === 'response trailers' && upstream.name === 'nghttpd' && client.version === 'HTTP/1.1') continue;
    const skip = needs !== undefined && client.cannot.includes(needs) ? `${client.name} cannot` : false;
    await t.test(name, { skip, timeout: 30_000 }, () => run(send, session, upstream));
  }
}

/** Why this combination is left out. */
function reasonToLeaveOut(client: PeerClient, upstream: Upstream): string | false {
  return client.skip === false ? upstream.skip : client.skip;
}

for (const { kind, skip } of candidates()) {
  void test(`F06 S28 ${kind} between HTTP/1.1 and HTTP/2 peers`, { skip }, async (t) => {
    await using h1 = await PeerServer.start('h1', identities.server);
    await using h2c = await PeerServer.start('h2c', identities.server);
    await using h2 = await PeerServer.start('h2', identities.server);
    await using autoH1 = await PeerServer.start('h1 over TLS', identities.server);
    await using autoH2 = await PeerServer.start('either', identities.server);
    await using nghttpd = await startNghttpd();
    const ports = {
      h1: h1.port, h2c: h2c.port, h2: h2.port, 'auto-h1': autoH1.port, 'auto-h2': autoH2.port, nghttpd: nghttpd.port,
    };
    await using proxy = await ProxyProcess.start(kind, bootstrap(ports));
    for (const client of clients) {
      for (const upstream of UPSTREAMS) {
        const title = `${client.name} by ${client.version}${client.secure ? ' over TLS' : ''} to ${upstream.name}`;
        await t.test(title, { skip: reasonToLeaveOut(client, upstream) },
          (subtest) => exercise(subtest, proxy, client, upstream));
      }
    }
    for (const { name } of UPSTREAMS) assert.equal(await proxy.stat(`cluster.${name}.upstream_rq_active`), 0);
    for (const listener of ['plain', 'secure']) await proxy.quiet(listener);
  });
}
