// gRPC's own interop suite, Go's and grpc-js clients and servers, through one proxy and through two sidecars with mTLS.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { findGoTool } from '../harness/go-tools.ts';
import { GRPC_JS_CALLS, connectTo } from '../harness/grpc-js-calls.ts';
import { GrpcTestServer } from '../harness/grpc-test-service.ts';
import { http2Cluster, mutualClientTls, mutualServerTls, overTls, testIdentities } from '../harness/http2-bootstrap.ts';
import { reasonToSkip } from '../harness/peers.ts';
import { ServerProcess } from '../harness/process.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, routeTo } from '../harness/weft.ts';

const goClient = findGoTool('grpc-interop-client', false);
const goServer = findGoTool('grpc-interop-server', false);

/** What a client that balances by reported load is told. */
const ORCA = '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}';

/** Go's gRPC sends a PING for each round of data: these are more than a connection has without them (S24). */
const SOAK_CALLS = 3000;
const SOAK = [
  '-soak_iterations', String(SOAK_CALLS), '-soak_overall_timeout_seconds', '50',
  '-soak_per_iteration_max_acceptable_latency_ms', '5000', '-soak_request_size', '10', '-soak_response_size', '10',
];

/** Those that need no credentials and no second server; ORCA's report load in trailers and in a stream. */
const CASES: readonly string[] = [
  'empty_unary', 'large_unary', 'client_streaming', 'server_streaming', 'ping_pong', 'empty_stream',
  'timeout_on_sleeping_server', 'cancel_after_begin', 'cancel_after_first_response', 'status_code_and_message',
  'special_status_message', 'unimplemented_method', 'unimplemented_service', 'custom_metadata',
  'rpc_soak', 'channel_soak', 'orca_per_rpc', 'orca_oob',
];

const CASE_TIMEOUT_MS = 20_000;
const SOAK_TIMEOUT_MS = 55_000;

const identities = testIdentities();

/** One way from a client's port to the server. */
interface Topology extends AsyncDisposable {
  readonly port: number;
  readonly proxies: readonly ProxyProcess[];
}

function listener(name: string): unknown {
  // Streams may be silent for as long as they like.
  return httpListener([routeTo('next', { timeout: '0s' })], {}, name);
}

function topology(...proxies: ProxyProcess[]): Topology {
  return {
    proxies, port: proxies[0]!.port('grpc'),
    [Symbol.asyncDispose]: async () => {
      for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
    },
  };
}

async function oneProxy(kind: ProxyKind, server: number): Promise<Topology> {
  return topology(await ProxyProcess.start(kind, bootstrapOf([listener('grpc')], [http2Cluster('next', server)])));
}

async function twoSidecars(kind: ProxyKind, server: number): Promise<Topology> {
  const inbound = overTls(listener('inbound'), mutualServerTls(identities));
  const near = await ProxyProcess.start(kind, bootstrapOf([inbound], [http2Cluster('next', server)]));
  const next = http2Cluster('next', near.port('inbound'), mutualClientTls(identities));
  try {
    return topology(await ProxyProcess.start(kind, bootstrapOf([listener('grpc')], [next])), near);
  } catch (cause) {
    await near[Symbol.asyncDispose]();
    throw cause;
  }
}

/** It has no flag for an address and listens on all of them, for as long as this test runs. */
async function startGoServer(): Promise<{ port: number; process: ServerProcess }> {
  const [port = 0] = await freePorts(1);
  const process = new ServerProcess(goServer, ['-port', String(port)], { name: 'grpc-interop-server' });
  await process.until(async () => (await runGoCase(port, 'empty_unary')) === '');
  return { port, process };
}

/** Empty when it passes, else what the client wrote. */
async function runGoCase(port: number, name: string, ...more: string[]): Promise<string> {
  const args = ['-server_host', '127.0.0.1', '-server_port', String(port), '-test_case', name, ...more];
  if (name.startsWith('orca_')) args.push('-service_config_json', ORCA);
  await using client = new ServerProcess(goClient, args, { name: `grpc-interop-client ${name}` });
  const timer = setTimeout(() => client.child.kill('SIGKILL'), more.length > 0 ? SOAK_TIMEOUT_MS : CASE_TIMEOUT_MS);
  const status = await client.ended;
  clearTimeout(timer);
  return status === 0 ? '' : `status ${status}: ${client.output}`;
}

async function callAll(t: TestContext, { port }: Topology, server: 'Go' | 'grpc-js'): Promise<void> {
  for (const name of CASES) {
    // grpc-js has the messages for reports of load, and no service that sends them.
    if (server === 'grpc-js' && name.startsWith('orca_')) continue;
    await t.test(`Go: ${name}`, { skip: reasonToSkip(goClient), timeout: 60_000 }, async () => {
      assert.equal(await runGoCase(port, name), '');
    });
  }
  await t.test(`S24 Go: ${SOAK_CALLS} small calls`, { skip: reasonToSkip(goClient), timeout: 60_000 }, async () => {
    assert.equal(await runGoCase(port, 'rpc_soak', ...SOAK), '');
  });
  const client = connectTo(port);
  for (const [name, run] of GRPC_JS_CALLS) {
    await t.test(`grpc-js: ${name}`, { timeout: 60_000 }, () => run(client));
  }
  client.close();
}

async function exercise(t: TestContext, kind: ProxyKind, server: 'Go' | 'grpc-js', port: number): Promise<void> {
  await t.test(`to ${server} through one proxy`, async (subtest) => {
    await using way = await oneProxy(kind, port);
    await callAll(subtest, way, server);
    await way.proxies[0]!.quiet('grpc');
  });
  await t.test(`to ${server} through two sidecars with mTLS`, async (subtest) => {
    await using way = await twoSidecars(kind, port);
    await callAll(subtest, way, server);
    const [far, near] = way.proxies as [ProxyProcess, ProxyProcess];
    await far.quiet('grpc');
    assert.ok((await far.stat('cluster.next.ssl.handshake')) > 0, 'the way between the sidecars is not mTLS');
    await far.process.stop();
    await near.quiet('inbound');
  });
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} carries gRPC between Go's and grpc-js clients and servers`, { skip }, async (t) => {
    await t.test('grpc-js', async (subtest) => {
      await using server = await GrpcTestServer.start();
      await exercise(subtest, kind, 'grpc-js', server.port);
    });
    await t.test('Go', { skip: reasonToSkip(goServer) || reasonToSkip(goClient) }, async (subtest) => {
      const { port, process } = await startGoServer();
      await using _server = process;
      await exercise(subtest, kind, 'Go', port);
    });
  });
}
