// A real Open Policy Agent judges requests through weft and through a real Envoy (undici). OPA's data API is no HTTP
// authorizer of its own: it answers 200 with a decision in JSON, so that a small adapter makes its status of that.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Client, request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { findGoTool } from '../harness/go-tools.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { reasonToSkip } from '../harness/peers.ts';
import { ServerProcess, answers } from '../harness/process.ts';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const opa = findGoTool('opa', false);
const POLICY = `package shop

default allow := false

allow if input.method == "GET"
allow if {
  input.method == "POST"
  input.headers["x-role"] == "admin"
  startswith(input.path, "/admin")
}
`;

async function startOpa(t: TestContext): Promise<number> {
  const file = join(temporaryFolder(t), 'shop.rego');
  writeFileSync(file, POLICY);
  const [port = 0] = await freePorts(1);
  const server = new ServerProcess(opa, ['run', '-s', '-a', `127.0.0.1:${port}`, '--log-level', 'error', file],
    { name: 'opa' });
  t.after(() => server.stop());
  await server.until(() => answers(`http://127.0.0.1:${port}/health`));
  return port;
}

/** Puts a check's method, path and headers before OPA, and answers 200 or 403. */
async function startAdapter(t: TestContext, opaPort: number): Promise<number> {
  const server = createServer((incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    void request(`http://127.0.0.1:${opaPort}/v1/data/shop/allow`, {
      method: 'POST', body: JSON.stringify({ input: { method, path, headers } }),
    }).then(async (answer) => {
      const { result } = await answer.body.json() as { result?: boolean };
      outgoing.writeHead(result === true ? 200 : 403, { 'x-judge': 'opa' });
      outgoing.end();
    }, () => outgoing.writeHead(500).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function bootstrap(upstream: number, auth: number): unknown {
  const typed = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', transport_api_version: 'V3',
    http_service: { server_uri: { uri: 'http://opa.test', cluster: 'auth', timeout: '5s' } },
    allowed_headers: { patterns: [{ exact: 'x-role' }] },
  };
  const filters = [{ name: 'auth', typed_config: typed }];
  const listener = httpListener([routeTo('service')], { http_filters: filters, normalize_path: true });
  return bootstrapOf([listener], [staticCluster('service', [upstream]), staticCluster('auth', [auth])]);
}

for (const { kind, skip } of candidates()) {
  void test(`S72 Open Policy Agent judges requests through ${kind} (undici)`, { skip: skip || reasonToSkip(opa) },
    async (t) => {
      await using upstream = await EchoServer.start('service');
      const auth = await startAdapter(t, await startOpa(t));
      await using proxy = await ProxyProcess.start(kind, bootstrap(upstream.port, auth));
      const client = new Client(`http://127.0.0.1:${proxy.port('http')}`);
      t.after(() => client.destroy());
      const ask = async (method: 'GET' | 'POST', path: string, role?: string): Promise<string> => {
        const answer = await client.request({ method, path, headers: role === undefined ? {} : { 'x-role': role } });
        await answer.body.dump();
        return `${answer.statusCode} ${String(answer.headers['x-judge'])}`;
      };
      assert.equal(await ask('GET', '/'), '200 undefined');
      assert.equal(await ask('POST', '/admin'), '403 opa');
      assert.equal(await ask('POST', '/admin', 'user'), '403 opa');
      assert.equal(await ask('POST', '/admin/x', 'admin'), '200 undefined');
      assert.equal(await ask('POST', '/admin/../x', 'admin'), '403 opa', 'S72 it sees the path that is served');
    });
}
