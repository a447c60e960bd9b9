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
import type { RunningProxy } from '../harness/side-by-side.ts';
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
  await using pair = await SideBySide.start(envoy, file, { own: [18_070, 18_079], shared, listener: 18_070 });
  for (const request of REQUESTS) {
    const [theirs, ours] = [await exchange(pair.envoy.portOf(18_070), requestText(request)),
      await exchange(pair.weft.portOf(18_070), requestText(request))];
    assert.deepEqual(decision(ours), decision(theirs), JSON.stringify(request));
  }
});

test('a request is held as long as its header asks, by Envoy and by weft', { skip }, async () => {
  await using upstream = await EchoServer.start('echo');
  const shared = new Map([[18_071, upstream.port]]);
  await using pair = await SideBySide.start(envoy, file, { own: [18_070, 18_079], shared, listener: 18_070 });
  for (const proxy of [pair.envoy, pair.weft]) {
    const start = performance.now();
    await exchange(proxy.portOf(18_070), requestText({ path: '/all', headers: [asks('delay', '300')] }));
    // A timer may be early by its grain.
    assert.ok(performance.now() - start > 280, proxy.name);
  }
});

const RATE = 'x-envoy-fault-throughput-response';
const BODY = { method: 'POST', body: 'x'.repeat(4000) } as const;

const PACED: readonly RawRequest[] = [
  { path: '/slow', ...BODY }, { path: '/slow' }, { path: '/slow', method: 'HEAD' }, { path: '/both' },
  { path: '/chosen', ...BODY },
  ...['1000', '0', '', 'x', '-1', '1.5', '9007199254740991'].map((rate) => (
    { path: '/chosen', ...BODY, headers: [[RATE, rate]] as const })),
  ...['0', '50x', '100', '1000'].map((share) => (
    { path: '/chosen', ...BODY, headers: [[RATE, '1000'], [`${RATE}-percentage`, share]] as const })),
  { path: '/rarely', headers: [[RATE, '1000'], [`${RATE}-percentage`, '100']] },
];

/** The filter's counters and its gauge. */
async function countsOf(proxy: RunningProxy): Promise<string[]> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.portOf(18_079)}/stats`)).text();
  return text.split('\n').filter((line) => /^http\.fault\.fault\.[a-z_]*: [0-9]+$/.test(line)).toSorted();
}

test('responses are slowed down for whom Envoy slows them, and counted', { skip }, async () => {
  await using upstream = await EchoServer.start('echo');
  const shared = new Map([[18_071, upstream.port]]);
  await using pair = await SideBySide.start(envoy, file, { own: [18_070, 18_079], shared, listener: 18_070 });
  for (const request of PACED) {
    const what = JSON.stringify([request.path, request.headers]);
    const answers: unknown[] = [];
    for (const proxy of [pair.envoy, pair.weft]) {
      const text = requestText(request);
      answers.push(decision(await exchange(proxy.portOf(18_070), text, request.method === 'HEAD')));
    }
    assert.deepEqual(answers[1], answers[0], what);
    assert.deepEqual(await countsOf(pair.weft), await countsOf(pair.envoy), what);
  }
});

test('a slow response takes its time through Envoy and weft, and arrives whole', { skip }, async () => {
  await using upstream = await EchoServer.start('echo');
  const shared = new Map([[18_071, upstream.port]]);
  await using pair = await SideBySide.start(envoy, file, { own: [18_070, 18_079], shared, listener: 18_070 });
  for (const proxy of [pair.envoy, pair.weft]) {
    const start = performance.now();
    const { body } = await exchange(proxy.portOf(18_070), requestText({ path: '/slow', ...BODY }));
    // 8 KiB a second, of which the first slice of 50 ms is free.
    const leastMs = (body.length / 8192) * 1000 - 100;
    assert.ok(performance.now() - start > leastMs, `${proxy.name}: ${body.length} bytes`);
    assert.equal((JSON.parse(body) as { body: string }).body.length, 4000);
  }
});

test('no more faults are active than max_active_faults, by Envoy and by weft', { skip }, async () => {
  await using upstream = await EchoServer.start('echo');
  const shared = new Map([[18_071, upstream.port]]);
  await using pair = await SideBySide.start(envoy, file, { own: [18_070, 18_079], shared, listener: 18_070 });
  for (const proxy of [pair.envoy, pair.weft]) {
    const ask = (): Promise<unknown> => exchange(proxy.portOf(18_070), requestText({ path: '/few' }));
    await Promise.all([ask(), ask(), ask()]);
  }
  const counts = await countsOf(pair.envoy);
  assert.ok(counts.includes('http.fault.fault.faults_overflow: 2'), counts.join('\n'));
  assert.deepEqual(await countsOf(pair.weft), counts);
});
