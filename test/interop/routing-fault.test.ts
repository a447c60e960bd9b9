// Faults that clients choose by header, and the nodes that faults are for, beside a real Envoy.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EchoServer } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { RawRequest } from '../harness/raw-client.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import { decision } from './routing-decision.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const file = fileURLToPath(new URL('bootstraps/fault.yaml', import.meta.url));

type Field = readonly [string, string];
const asks = (name: string, value: string): Field => [`x-envoy-fault-${name}-request`, value];
const GRPC: Field = ['content-type', 'application/grpc'];
const NODE = 'x-envoy-downstream-service-node';

const HEADERS: readonly (readonly Field[])[] = [
  [], [asks('abort', '418')], [asks('abort', '200')], [asks('abort', '599')], [asks('abort', '199')],
  [asks('abort', '600')], [asks('abort', 'x')], [asks('abort', '')], [asks('abort', '503'), GRPC],
  [asks('abort-grpc', '14')], [asks('abort-grpc', '14'), GRPC], [asks('abort-grpc', '0'), GRPC],
  [asks('abort-grpc', '99'), GRPC], [asks('abort', '404'), asks('abort-grpc', '5'), GRPC],
  [asks('abort', '600'), asks('abort-grpc', '5'), GRPC],
  ...['0', '100', '1000', '', 'x'].map((share) => [asks('abort', '418'),
    ['x-envoy-fault-abort-request-percentage', share]] as const),
  [asks('delay', '30')], [asks('delay', '0')], [asks('delay', 'x')],
  [asks('delay', '30'), asks('abort', '418')],
];

const REQUESTS: readonly RawRequest[] = [
  ...['/all', '/none'].flatMap((path) => HEADERS.map((headers) => ({ path, headers }))),
  ...['one', 'two', 'three', 'one,two', ''].map((node) => ({ path: '/node', headers: [[NODE, node]] as const })),
  { path: '/node' },
];

test('the aborts that headers ask for are Envoy\'s, within what configuration allows', { skip }, async () => {
  await using upstream = await EchoServer.start('echo');
  const shared = new Map([[18_071, upstream.port]]);
  await using pair = await SideBySide.start(envoy, file, { own: [18_070], shared, listener: 18_070 });
  for (const request of REQUESTS) {
    const [theirs, ours] = [await exchange(pair.envoy.portOf(18_070), requestText(request)),
      await exchange(pair.weft.portOf(18_070), requestText(request))];
    assert.deepEqual(decision(ours), decision(theirs), JSON.stringify(request));
  }
});

test('a request is held as long as its header asks, by Envoy and by weft', { skip }, async () => {
  await using upstream = await EchoServer.start('echo');
  const shared = new Map([[18_071, upstream.port]]);
  await using pair = await SideBySide.start(envoy, file, { own: [18_070], shared, listener: 18_070 });
  for (const proxy of [pair.envoy, pair.weft]) {
    const start = performance.now();
    await exchange(proxy.portOf(18_070), requestText({ path: '/all', headers: [asks('delay', '300')] }));
    // A timer may be early by its grain.
    assert.ok(performance.now() - start > 280, proxy.name);
  }
});
