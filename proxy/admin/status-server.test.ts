// The status port in front of real servers (node:http, node:https, grpc-js, net): probes, metrics, and their bounds.
import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer as createTls } from 'node:https';
import { createServer as createTcp, type AddressInfo, type Server as TcpServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test, type TestContext } from 'node:test';
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { request } from 'undici';
import { serverLeaf, testRoot } from '../../test/harness/certificates.ts';
import { readAppProbes } from './app-probe.ts';
import { readMetricsTarget } from './merged-metrics.ts';
import { StatusServer } from './status-server.ts';

const HOST = '127.0.0.1';

async function listening(t: TestContext, server: HttpServer | TcpServer): Promise<number> {
  await new Promise<void>((resolve) => { server.listen(0, HOST, resolve); });
  t.after(() => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const serve = (t: TestContext, listener: RequestListener): Promise<number> => listening(t, createServer(listener));

async function started(
  t: TestContext, probes: object, adminPort = 9, metrics?: object, podIp = HOST,
): Promise<(path: string, method?: string, host?: string) => Promise<{ status: number; text: string }>> {
  const status = await StatusServer.start({
    port: 0, podIp, adminPort, probes: readAppProbes(probes), metrics: readMetricsTarget(metrics), warning: () => {},
  });
  t.after(() => status.close());
  return async (path, method = 'GET', host = HOST) => {
    const { statusCode, body } = await request(`http://${host}:${status.port}${path}`, { method: method as 'GET' });
    return { status: statusCode, text: await body.text() };
  };
}

const at = (port: number, more: object = {}): object => ({ '/app-health/web/readyz': { httpGet: { port, ...more } } });
const READY = '/app-health/web/readyz';

test('an HTTP probe is the application\'s own answer, asked with its headers from the sidecar\'s source (undici)',
  async (t) => {
    const seen: unknown[] = [];
    const port = await serve(t, ({ url, headers, socket }, response) => {
      seen.push([url, headers['x-a'], headers.host, headers['user-agent'], socket.remoteAddress]);
      response.statusCode = Number(/\d+/.exec(url ?? '')?.[0] ?? 200);
      response.end('x'.repeat(100_000));
    });
    const httpHeaders = [{ name: 'x-a', value: '1' }, { name: 'Host', value: 'shop.example' }, { name: 'bad\n',
      value: '' }];
    const ask = await started(t, at(port, { path: '/204', httpHeaders }));
    assert.deepEqual(await ask(READY), { status: 204, text: '' });
    assert.deepEqual(seen[0], ['/204', '1', 'shop.example', 'kube-probe', '127.0.0.6']);
    for (const status of [200, 404, 503]) {
      assert.equal((await (await started(t, at(port, { path: `/${status}` })))(READY)).status, status);
    }
    assert.equal((await ask('/app-health/other/readyz')).status, 404);
    assert.equal((await ask(READY, 'POST')).status, 405);
  });

test('redirects are followed on the same host and no further, and not for ever (node:http)', async (t) => {
  let asked = 0;
  const port = await serve(t, ({ url = '' }, response) => {
    asked++;
    const to = url === '/loop' ? '/loop' : url === '/near' ? '/end' : 'http://192.0.2.1/secret';
    response.writeHead(url === '/end' ? 200 : 302, url === '/end' ? {} : { location: to }).end();
  });
  const status = async (path: string): Promise<number> => (await (await started(t, at(port, { path })))(READY)).status;
  assert.deepEqual([await status('/near'), await status('/far'), asked], [200, 302, 3]);
  assert.deepEqual([await status('/loop'), asked], [500, 3 + 11]);
});

test('HTTPS, TCP and gRPC applications are asked as theirs (node:https, net, grpc-js)', async (t) => {
  const { cert, key } = serverLeaf(testRoot(), [{ ip: HOST }]);
  const tls = await listening(t, createTls({ cert, key }, (_, response) => void response.end()));
  const tcp = await listening(t, createTcp((socket) => socket.destroy()));
  const health = await grpcHealth(t, { '': 1, 'shop.Cart': 2 });
  const ask = await started(t, {
    '/app-health/web/readyz': { httpGet: { port: tls, scheme: 'HTTPS' } },
    '/app-health/web/livez': { tcpSocket: { port: tcp } },
    '/app-health/web/startupz': { grpc: { port: health } },
    '/app-health/cart/startupz': { grpc: { port: health, service: 'shop.Cart' } },
    '/app-health/none/readyz': { grpc: { port: tcp } },
  });
  const paths = ['web/readyz', 'web/livez', 'web/startupz', 'cart/startupz', 'none/readyz'];
  const found = await Promise.all(paths.map(async (path) => (await ask(`/app-health/${path}`)).status));
  assert.deepEqual(found, [200, 200, 200, 500, 500]);
});

/** `statuses` by service: 1 is SERVING. */
async function grpcHealth(t: TestContext, statuses: Readonly<Record<string, number>>): Promise<number> {
  const server = new Server();
  const service = {
    check: {
      path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false,
      requestSerialize: (value: Buffer) => value, requestDeserialize: (value: Buffer) => value,
      responseSerialize: (value: Buffer) => value, responseDeserialize: (value: Buffer) => value,
    },
  } satisfies ServiceDefinition;
  server.addService(service, {
    check: (call: { request: Buffer }, callback: (error: null, value: Buffer) => void) => {
      callback(null, Buffer.from([8, statuses[call.request.subarray(2).toString()] ?? 3]));
    },
  });
  t.after(() => server.forceShutdown());
  return new Promise((resolve, reject) => {
    server.bindAsync(`${HOST}:0`, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

test('an application that does not answer is 500 in its time; probes beyond the bound are 503 and counted',
  async (t) => {
  const held: (() => void)[] = [];
  const port = await serve(t, (_, response) => { held.push(() => void response.end()); });
  const quick = await started(t, { [READY]: { httpGet: { port }, timeoutSeconds: 1 } });
  assert.equal((await quick(READY)).status, 500);
  const ask = await started(t, { [READY]: { httpGet: { port }, timeoutSeconds: 60 } });
  let refused = 0;
  const { promise: allRefused, resolve } = Promise.withResolvers<void>();
  const many = Array.from({ length: 70 }, async () => {
    const answer = await ask(READY);
    if (answer.status === 503 && ++refused === 6) resolve();
    return answer;
  });
  await allRefused;
  const release = setInterval(() => held.splice(0).forEach((end) => end()), 5);
  const all = (await Promise.all(many)).map(({ status }) => status);
  clearInterval(release);
  assert.deepEqual([all.filter((status) => status === 200).length, all.filter((status) => status === 503).length],
    [64, 6]);
  assert.match((await ask('/stats/prometheus')).text, /istio_agent_app_probes_total\{result="refused"\} 6/);
});

test('metrics of the proxy and the application are one text; one that fails is counted (undici)', async (t) => {
  const admin = await serve(t, ({ url },
    response) => { response.end(url === '/stats/prometheus' ? 'ours 1\n' : 'LIVE\n'); });
  const app = await serve(t, ({ url }, response) => {
    response.writeHead(url === '/m' ? 200 : 404).end('theirs 2\n# EOF\n');
  });
  const ask = await started(t, undefined as unknown as object, admin, { scrape: 'true', port: String(app),
    path: '/m' });
  const { text } = await ask('/stats/prometheus');
  assert.match(text, /\nours 1\ntheirs 2\n$/);
  assert.match(text, /scrape_failures_total\{type="application"\} 0/);
  const broken = await started(t, undefined as unknown as object, admin, { scrape: 'true', port: String(app),
    path: '' });
  await broken('/metrics');
  const after = (await broken('/metrics')).text;
  assert.match(after, /\{type="application"\} 2[^]*\nours 1\n$/);
  assert.deepEqual(await ask('/healthz/ready'), { status: 200, text: 'LIVE\n' });
  assert.equal((await (await started(t, {}))('/healthz/ready')).status, 503, 'no proxy, not ready');
});

test('what ends or drains is for the pod itself, and for POST alone (undici)', async (t) => {
  const asked: string[] = [];
  const admin = await serve(t, ({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    response.end('OK\n');
  });
  const ask = await started(t, {}, admin);
  assert.equal((await ask('/quitquitquit')).status, 405);
  assert.equal((await ask('/quitquitquit', 'POST')).status, 200);
  assert.equal((await ask('/drain', 'POST')).status, 200);
  const outside = Object.values(networkInterfaces()).flat().find((one) => one?.family === 'IPv4' && !one.internal);
  if (outside !== undefined) assert.equal((await ask('/drain', 'POST', outside.address)).status, 403);
  assert.deepEqual(asked, ['POST /quitquitquit', 'POST /drain_listeners?inboundonly&graceful']);
});

test('probes that are none are refused by their path', () => {
  const fault = (value: unknown): string => {
    try {
      readAppProbes(value);
    } catch (cause) {
      return (cause as Error).message;
    }
    return 'accepted';
  };
  assert.match(fault([]), /ISTIO_KUBE_APP_PROBERS: must be an object/);
  assert.match(fault({ '/x': {} }), /is no path such as/);
  assert.match(fault({ [READY]: {} }), /needs one of httpGet/);
  assert.match(fault({ [READY]: { httpGet: { port: 'http' } } }), /readyz\.httpGet\.port: must be a port/);
  assert.match(fault(Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`/app-health/c${i}/livez`, {}]))),
    /more than/);
  assert.throws(() => readMetricsTarget({ scrape: 'true', port: 'x' }), /must be a port/);
});
