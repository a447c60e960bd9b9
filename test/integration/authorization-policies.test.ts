// Istio's documented semantics of AuthorizationPolicy, row by row: from YAML to what undici and node:net meet at weft.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Client } from 'undici';
import { httpAuthorization, networkAuthorization } from '../../control/translate/authorization.ts';
import { httpCustom, networkCustom } from '../../control/translate/external-authorization.ts';
import type { MeshView } from '../../control/translate/mesh-view.ts';
import { serviceClusters } from '../../control/translate/outbound-cluster.ts';
import { TCP_PROXY_TYPE } from '../../proxy/config/type-url.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { startHttpAuthorizer } from '../harness/authorizer.ts';
import type { Authorizer } from '../harness/authorizer.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { viewOf } from '../harness/mesh-fixture.ts';
import { callerOptions, listenerWith, policyListener, withServerName } from '../harness/policy-listener.ts';
import { TestProxy, bootstrapOf, staticCluster } from '../harness/weft.ts';
import { ROWS, TCP_ROWS, providerYaml } from '../harness/authorization-rows.ts';
import type { PolicyAsk } from '../harness/authorization-rows.ts';

const WORKLOAD = { namespace: 'default', labels: new Map([['app', 'shop']]) };

describe('AuthorizationPolicy, from YAML to traffic', () => {
  let authorizer: Authorizer;
  let echo: EchoServer;
  let proxy: TestProxy;
  const clients = new Map<string, Client>();

  before(async () => {
    authorizer = await startHttpAuthorizer({ no: { status: 401, headers: { 'x-why': 'closed', 'x-hidden': '1' } } });
    echo = await EchoServer.start('shop');
    const views = [...ROWS, ...TCP_ROWS].map(({ policies }) => viewOf(providerYaml(authorizer.port) + policies));
    // Ports that the system chooses for listeners that share theirs between workers may be the same.
    const ports = await freePorts(views.length);
    const listeners = views.map((view, i) => (i < ROWS.length ? httpRow : tcpRow)(view, i, ports[i]!));
    const service = views[0]!.registry.byHost('auth.test')!;
    const scope = { ...WORKLOAD, isWeft: true };
    const clusters = serviceClusters(views[0]!, scope, service).map(({ cluster }) => cluster);
    proxy = await TestProxy.start(bootstrapOf(listeners, [...clusters, staticCluster('echo', [echo.port])]));
  });

  after(async () => {
    await Promise.all([...clients.values()].map((client) => client.destroy()));
    await proxy[Symbol.asyncDispose]();
    await authorizer[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
  });

  async function ask(row: number, each: PolicyAsk): Promise<string> {
    const { caller = 'plaintext', method = 'GET', path = '/', host = 'shop.test', sni = host, headers = {} } = each;
    const port = proxy.port(`row-${row}`);
    const client = clients.getOrInsertComputed(`${port} ${caller} ${sni}`, () => (caller === 'plaintext'
      ? new Client(`http://127.0.0.1:${port}`)
      : new Client(`https://127.0.0.1:${port}`, { connect: callerOptions(caller) })));
    const answer = await client.request(
      withServerName({ method: method as 'GET', path, headers: { host, ...headers } }, sni));
    const body = await answer.body.text();
    const detail = String(answer.headers['x-detail']);
    const policy = /matched_policy\[(.*)\]$/.exec(detail)?.[1];
    if (policy === undefined) {
      return answer.statusCode === 503 ? 'passes' : `${answer.statusCode} ${detail} ${Object.keys(answer.headers)
        .filter((name) => name === 'x-why' || name === 'x-hidden').join()}`;
    }
    assert.deepEqual([answer.statusCode, body], [403, 'RBAC: access denied']);
    return policy;
  }

  for (const [i, { row, asks, stats = {} }] of ROWS.entries()) {
    test(`${row} (undici)`, async () => {
      for (const each of asks) assert.equal(await ask(i, each), each.is ?? 'passes', JSON.stringify(each));
      for (const [name, value] of Object.entries(stats)) {
        assert.equal(proxy.stat(`http.row-${i}.rbac.${name}`), value, name);
      }
    });
  }

  for (const [i, { row, passes }] of TCP_ROWS.entries()) {
    test(`${row} (node:net)`, async () => {
      const socket = connect(proxy.port(`row-${ROWS.length + i}`), '127.0.0.1');
      socket.write('GET / HTTP/1.0\r\n\r\n');
      let got = '';
      socket.on('data', (chunk) => (got += chunk.toString('latin1'))).on('error', () => undefined);
      await once(socket, 'close');
      assert.equal(got.startsWith('HTTP/1.1 200'), passes);
    });
  }
});

function httpRow(view: MeshView, row: number, port: number): unknown {
  return policyListener(`row-${row}`, port, [...httpCustom(view, WORKLOAD), ...httpAuthorization(view, WORKLOAD)]);
}

function tcpRow(view: MeshView, row: number, port: number): unknown {
  return listenerWith(`row-${row}`, port, [...networkCustom(view, WORKLOAD), ...networkAuthorization(view, WORKLOAD),
    { name: 'tcp', typedConfig: { '@type': TCP_PROXY_TYPE, statPrefix: `row-${row}`, cluster: 'echo' } }]);
}
