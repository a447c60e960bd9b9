// Runs cases of Gateway API conformance against one proxy that is the gateway of all of them.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { backendsYaml, caseYaml, portOfCase, type Answer, type Ask,
  type GatewayCase } from '../conformance/gateway-case.ts';
import { HTTP_CASES } from '../conformance/gateway-http-cases.ts';
import { MESH_CASES, meshCasesYaml } from '../conformance/mesh-http-cases.ts';
import { startControlled, WITHOUT_MTLS } from './controlled-proxy.ts';
import { EchoServer, type Echo } from './echo-server.ts';
import type { ProxyKind } from './proxy-process.ts';
import { until } from './until.ts';

/** HTTPRoutes at a gateway. */
export function runHttpCases(t: TestContext, kind: ProxyKind): Promise<void> {
  return runCases(t, kind, HTTP_CASES);
}

async function runCases(t: TestContext, kind: ProxyKind, cases: readonly GatewayCase[]): Promise<void> {
  const echoes = await Promise.all((['v1', 'v2', 'v3'] as const).map((name) => EchoServer.start(name)));
  t.after(() => Promise.all(echoes.map((echo) => echo[Symbol.asyncDispose]())));
  const [v1 = 0, v2 = 0, v3 = 0] = echoes.map(({ port }) => port);
  const ports = await freePorts(cases.length);
  const mesh = WITHOUT_MTLS + backendsYaml({ v1, v2, v3 }) + cases.map(caseYaml).join('');
  await startControlled(t, kind, mesh, {
    role: 'router', address: '127.0.0.8',
    metadata: {
      LABELS: { app: 'edge' }, WEFT_GATEWAY_LISTEN: '127.0.0.1',
      WEFT_GATEWAY_PORTS: Object.fromEntries(ports.map((port, index) => [portOfCase(index), port])),
    },
  });
  for (const [index, { upstream, asks }] of cases.entries()) {
    await t.test(upstream, async () => {
      const at = `http://127.0.0.1:${ports[index] ?? 0}`;
      await until('the listener', () => request(at, { method: 'TRACE' }).then(
        async ({ body }) => body.dump().then(() => true), () => false));
      for (const [ask, answer] of asks) await check(at, portOfCase(index), ask, answer);
    });
  }
}

/** HTTPRoutes of Services, as a client of namespace client has them at its sidecar's explicit proxy. */
export async function runMeshCases(t: TestContext, kind: ProxyKind): Promise<void> {
  const [v1, v2] = await Promise.all([EchoServer.start('v1'), EchoServer.start('v2')]);
  t.after(() => Promise.all([v1, v2].map((echo) => echo[Symbol.asyncDispose]())));
  const [listen = 0] = await freePorts(1);
  await startControlled(t, kind, WITHOUT_MTLS + meshCasesYaml({ v1: v1.port, v2: v2.port }), {
    role: 'sidecar', address: '127.0.0.9',
    metadata: { NAMESPACE: 'client', LABELS: { app: 'client' }, WEFT_OUTBOUND_LISTEN: `127.0.0.1:${listen}` },
  });
  for (const [index, { upstream, asks }] of MESH_CASES.entries()) {
    await t.test(upstream, async () => {
      const host = `parent-${index}.default`;
      await until('the listener', () => request(`http://127.0.0.1:${listen}`, { headers: { host } }).then(
        async ({ body }) => body.dump().then(() => true), () => false));
      for (const [ask, answer] of asks) await check(`http://127.0.0.1:${listen}`, 8080, { host, ...ask }, answer);
    });
  }
}

async function check(at: string, port: number, ask: Ask, wanted: Answer): Promise<void> {
  const { host = 'a.test', path = '/', method = 'GET', headers = {} } = ask;
  const answer = await request(at + path, { method: method as 'GET', headers: { host, ...headers } });
  const text = await answer.body.text();
  const said = `${method} ${host}${path} ${JSON.stringify(headers)}: ${text.slice(0, 500)}`;
  assert.equal(answer.statusCode, wanted.status ?? 200, said);
  const got = (name: string): string | undefined => answer.headers[name]?.toString();
  if (wanted.location !== undefined) assert.equal(got('location'), wanted.location.replace('PORT', String(port)), said);
  for (const [name, value] of Object.entries(wanted.answer ?? {})) assert.equal(got(name), value, `${name}: ${said}`);
  for (const name of wanted.silent ?? []) assert.equal(got(name), undefined, said);
  if (wanted.to === undefined) return;
  const echo = JSON.parse(text) as Echo;
  assert.equal(echo.server, wanted.to, said);
  assert.equal(echo.url, wanted.path ?? path, said);
  for (const [name, value] of Object.entries(wanted.has ?? {})) {
    assert.equal(echo.headers[name]?.replaceAll(', ', ','), value, `${name}: ${said}`);
  }
  for (const name of wanted.lacks ?? []) assert.equal(echo.headers[name], undefined, said);
}
