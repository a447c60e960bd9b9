// Names by weft and by a real Envoy, resolved by a DNS server of the test's own: what stays, what moves, what is asked.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { DnsServer } from '../harness/dns-server.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const NAME = 'app.example';
const TYPE = 'type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';

async function listen(host: string, port: number): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 0 }, (_, outgoing) => void outgoing.end(host));
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

function cluster(name: string, type: string, port: number, dns: number): unknown {
  const endpoint = { address: { socket_address: { address: NAME, port_value: port } } };
  return {
    name, type, connect_timeout: '1s', dns_refresh_rate: '1s', dns_lookup_family: 'V4_ONLY',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    typed_dns_resolver_config: {
      name: 'envoy.network.dns_resolver.cares',
      typed_config: {
        '@type': TYPE, resolvers: [{ socket_address: { address: '127.0.0.1', port_value: dns } }],
        query_timeout_seconds: 1, query_tries: 1,
      },
    },
  };
}

for (const { kind, skip } of candidates()) {
  void test(`F12 ${kind}: names of STRICT_DNS and LOGICAL_DNS (DNS by UDP, node:http)`, { skip }, async (t) => {
    await using dns = await DnsServer.start();
    const one = await listen('127.0.0.1', 0);
    const { port } = one.address() as AddressInfo;
    const two = await listen('127.0.0.2', port);
    t.after(() => [one, two].forEach((server) => {
      server.closeAllConnections();
      server.close();
    }));
    dns.answers.set(NAME, { addresses: ['127.0.0.1'] });
    const routes = ['strict', 'logical'].map((name) => ({ match: { prefix: `/${name}` }, route: { cluster: name } }));
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([httpListener(routes)], [
      cluster('strict', 'STRICT_DNS', port, dns.port), cluster('logical', 'LOGICAL_DNS', port, dns.port),
    ]));
    const ask = async (name: string): Promise<string> => (
      (await fetch(`http://127.0.0.1:${proxy.port('http')}/${name}`)).text()
    );
    const rounds = async (count: number): Promise<void> => {
      const asked = dns.count(NAME);
      await until(`${count} questions of each`, () => dns.count(NAME) >= asked + 2 * count);
    };

    await t.test('no request asks for a name', async () => {
      await rounds(1);
      const before = dns.count(NAME);
      for (let i = 0; i < 100; i++) assert.equal(await ask(i % 2 === 0 ? 'strict' : 'logical'), '127.0.0.1');
      assert.ok(dns.count(NAME) - before < 20);
    });

    for (const wrong of ['servfail', 'silent', 'garbage'] as const) {
      await t.test(`the last good answer holds while the server says ${wrong}`, async () => {
        dns.answers.set(NAME, wrong);
        await rounds(2);
        for (const name of ['strict', 'logical']) assert.equal(await ask(name), '127.0.0.1');
      });
    }

    await t.test('another address', async () => {
      dns.answers.set(NAME, { addresses: ['127.0.0.2'] });
      await until('strict goes there', async () => (await ask('strict')) === '127.0.0.2');
      await rounds(2);
      // Connections stay, as Envoy documents LOGICAL_DNS; Envoy 1.40 closes them.
      assert.equal(await ask('logical'), kind === 'envoy' ? '127.0.0.2' : '127.0.0.1');
      one.closeAllConnections();
      await until('a new connection goes there', async () => (await ask('logical')) === '127.0.0.2');
    });

    await t.test('two addresses', async () => {
      dns.answers.set(NAME, { addresses: ['127.0.0.2', '127.0.0.1'] });
      await until('strict has both', async () => (await proxy.stat('cluster.strict.membership_total')) === 2);
      await rounds(1);
      assert.equal(await proxy.stat('cluster.logical.membership_total'), 1);
      const answers = await Promise.all(Array.from({ length: 20 }, () => ask('strict')));
      assert.deepEqual(new Set(answers), new Set(['127.0.0.1', '127.0.0.2']));
    });

    await t.test('a name that is no more', async () => {
      dns.answers.set(NAME, 'nxdomain');
      await rounds(2);
      const left = await proxy.stat('cluster.strict.membership_total');
      // weft keeps the last good answer (F12, S87).
      assert.equal(left, kind === 'envoy' ? 0 : 2);
    });
  });
}
