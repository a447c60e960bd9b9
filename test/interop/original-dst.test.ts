// Clusters whose endpoints requests name in a header (ORIGINAL_DST), through weft as through a real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const HEADER = 'x-envoy-original-dst-host';

function cluster(name: string, config: object): unknown {
  return { name, type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s',
    original_dst_lb_config: config };
}

function route(prefix: string, to: string, fields: object = {}): unknown {
  return { match: { prefix }, route: { cluster: to }, ...fields };
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} sends requests to the address that they name (node:http)`, { skip }, async (t) => {
    await using one = await EchoServer.start('one');
    await using two = await EchoServer.start('two');
    const header = { key: HEADER, value: `127.0.0.1:${two.port}` };
    const routes = [
      route('/usual', 'usual'), route('/own', 'own'), route('/port', 'port'), route('/none', 'none'),
      route('/added', 'usual', { request_headers_to_add: [{ header, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }] }),
    ];
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([httpListener(routes)], [
      cluster('usual', { use_http_header: true }),
      cluster('own', { use_http_header: true, http_header_name: 'X-To' }),
      cluster('port', { use_http_header: true, upstream_port_override: two.port }),
      cluster('none', {}),
    ]));
    const [first, second] = [`127.0.0.1:${one.port}`, `127.0.0.1:${two.port}`];
    const ask = async (path: string, headers: readonly (readonly [string, string])[]): Promise<string> => {
      const { status, body } = await exchange(proxy.port('http'), requestText({ path, headers }));
      return status === 200 ? (JSON.parse(body) as Echo).server : `${status} ${body}`;
    };
    const nowhere = '503 no healthy upstream';

    await t.test('in the usual header, in one of its own, with a port that is given', async () => {
      for (let i = 0; i < 2; i++) {
        assert.equal(await ask('/usual', [[HEADER, first]]), 'one');
        assert.equal(await ask('/usual', [[HEADER, second]]), 'two');
      }
      assert.equal(await ask('/own', [['x-to', first], [HEADER, second]]), 'one');
      assert.equal(await ask('/port', [[HEADER, first]]), 'two');
    });

    await t.test('the header goes on to the server, and the first of several holds', async () => {
      const bytes = requestText({ path: '/usual', headers: [[HEADER, first], [HEADER, second]] });
      const { body } = await exchange(proxy.port('http'), bytes);
      const { server, headers } = JSON.parse(body) as Echo;
      assert.equal(server, 'one');
      assert.match(headers[HEADER]!, new RegExp(`^${first}, ?${second}$`));
    });

    await t.test('the header counts as the route leaves it, so that a route can fix it', async () => {
      assert.equal(await ask('/added', [[HEADER, first]]), 'two');
      assert.equal(await ask('/added', []), 'two');
    });

    await t.test('without an address, and with what is none', async () => {
      for (const path of ['/usual', '/none', '/own']) assert.equal(await ask(path, []), nowhere);
      // Where configuration does not say so, no header leads anywhere.
      assert.equal(await ask('/none', [[HEADER, first]]), nowhere);
      assert.equal(await ask('/own', [[HEADER, first]]), nowhere);
      const wrong = ['', 'localhost:80', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '127.1:80', '::1:80', '[::1]',
        '[127.0.0.1]:80', '127.0.0.1:80x', '127.0.0.1:-1', '0x7f000001:80', '127.0.0.1:80:80', '[::1', ':80', '1'];
      for (const value of wrong) assert.equal(await ask('/usual', [[HEADER, value]]), nowhere, `'${value}'`);
      assert.equal(await proxy.stat('cluster.usual.original_dst_host_invalid'), wrong.length);
      assert.equal(await proxy.stat('cluster.none.upstream_cx_none_healthy'), 2);
      assert.equal(await proxy.stat('cluster.usual.upstream_cx_none_healthy'), wrong.length + 1);
    });

    // Envoy sends such a request round until it has every connection.
    if (kind === 'weft') {
      await t.test('S86 the proxy itself', async () => {
        const own = proxy.port('http');
        const requests = await proxy.stat('http.http.downstream_rq_total');
        for (const host of ['127.0.0.1', '0.0.0.0', '[::ffff:127.0.0.1]', '[::]']) {
          assert.equal(await ask('/usual', [[HEADER, `${host}:${own}`]]), nowhere, host);
        }
        assert.equal(await proxy.stat('http.http.downstream_rq_total'), requests + 4);
      });
    }

    await t.test('a server that is not there', async () => {
      const port = one.port;
      await one[Symbol.asyncDispose]();
      const answer = await ask('/usual', [[HEADER, `127.0.0.1:${port}`]]);
      assert.match(answer, /^503 upstream connect error/);
    });
  });
}
