// The HTTP side: node:fetch as the client of spans, traces, pages and status.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test, type TestContext } from 'node:test';
import { startHttpServer } from './http-server.ts';
import { BODY_BYTES_MAX } from './traces/span-intake.ts';
import { TraceStore } from './traces/trace-store.ts';

async function serve(t: TestContext): Promise<{ url: string; port: number; traces: TraceStore }> {
  const traces = new TraceStore();
  const server = await startHttpServer({ host: '127.0.0.1', port: 0, traces, status: () => ({ hello: 'status' }) });
  t.after(() => server.close());
  return { url: `http://${server.address}`, port: server.port, traces };
}

function post(url: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  const type = { 'content-type': 'application/json' };
  return fetch(`${url}/api/v2/spans`, { method: 'POST', body, headers: { ...type, ...headers } });
}

const SPAN = {
  traceId: 'abc', id: '1', name: 'get /', timestamp: 1, duration: 2, localEndpoint: { serviceName: 'web' },
};

test('spans go in, and come out as a list, a tree and a page (fetch)', async (t) => {
  const { url } = await serve(t);
  assert.equal((await post(url, JSON.stringify([SPAN, { ...SPAN, id: '2', parentId: '1' }]))).status, 202);
  const list = await (await fetch(`${url}/api/traces`)).json() as { traceId: string; spans: number }[];
  assert.deepEqual(list.map(({ spans }) => spans), [2]);
  const answer = await fetch(`${url}/api/trace/${list[0]!.traceId}`);
  const tree = await answer.json() as { roots: { children: unknown[] }[] };
  assert.equal(tree.roots[0]?.children.length, 1);
  const flat = await (await fetch(`${url}/api/v2/trace/abc`)).json() as Record<string, unknown>[];
  assert.deepEqual(flat.map(({ id, parentId }) => [id, parentId]),
    [['0000000000000001', undefined], ['0000000000000002', '0000000000000001']]);
  const page = await fetch(`${url}/traces?id=${list[0]!.traceId}`);
  assert.match(page.headers.get('content-type') ?? '', /text\/html/);
  assert.match(await page.text(), /get \//);
  assert.match(await (await fetch(`${url}/traces`)).text(), /web/);
});

test('status, unknown paths and unknown traces', async (t) => {
  const { url } = await serve(t);
  assert.deepEqual(await (await fetch(`${url}/api/status`)).json(), { hello: 'status' });
  for (const path of ['/nothing', '/api/trace/ff', '/traces?id=ff']) {
    assert.equal((await fetch(url + path)).status, 404);
  }
  assert.equal((await fetch(`${url}/api/status`, { method: 'DELETE' })).status, 405);
});

test('a body that is too large, compressed, of another type or no JSON is refused by status', async (t) => {
  const { url, traces } = await serve(t);
  assert.equal((await post(url, 'x'.repeat(BODY_BYTES_MAX + 1)).catch(() => ({ status: 413 }))).status, 413);
  assert.equal((await post(url, '[]', { 'content-encoding': 'gzip' })).status, 415);
  assert.equal((await post(url, '[]', { 'content-type': 'application/x-protobuf' })).status, 415);
  assert.equal((await post(url, 'nonsense')).status, 400);
  assert.equal(traces.size, 0);
});

test('S99 a page of another host name cannot read what is here (node:http)', async (t) => {
  const { port } = await serve(t);
  const statusFor = (host: string) => new Promise<number>((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/api/status', headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', reject).end();
  });
  assert.equal(await statusFor('evil.test'), 403);
  for (const host of ['localhost', '127.0.0.1:1', '[::1]:80']) assert.equal(await statusFor(host), 200);
});

test('a port in use is one line', async (t) => {
  const { port } = await serve(t);
  const second = startHttpServer({ host: '127.0.0.1', port, traces: new TraceStore(), status: () => ({}) });
  await assert.rejects(second, { message: `127.0.0.1:${port}: cannot listen here: another process has this port` });
});
