// Weighted clusters chosen by a header, with hosts and filter configurations of their own, beside a real Envoy.
import assert from 'node:assert/strict';
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
const file = fileURLToPath(new URL('bootstraps/weights.yaml', import.meta.url));

type Field = readonly [string, string];
const TO: readonly (readonly Field[])[] = [[], [['x-to', 'one']], [['x-to', 'gone']]];

/** Weights are 3, 4, 5 and 6. */
const NUMBERS = ['0', '2', '3', '6', '7', '11', '12', '17', '18', '21', '36', '007', '18446744073709551615',
  '9007199254740993', '18446744073709551608'];

const REQUESTS: readonly RawRequest[] = [
  ...NUMBERS.flatMap((number) => TO.flatMap((to) => ['/chosen', '/both'].map((path) =>
    ({ path, host: 'asked:80', headers: [['x-choice', number] as const, ...to] })))),
  ...['0', '7', '12'].map((number) =>
    ({ path: '/chosen', headers: [['x-choice', number], ['x-abort', '1']] as const })),
  ...TO.map((headers) => ({ path: '/single', headers })),
];

test('the cluster that a header\'s number chooses is Envoy\'s, and so is what it adds', { skip }, async () => {
  await using one = await EchoServer.start('one');
  await using two = await EchoServer.start('two');
  const shared = new Map([[18_061, one.port], [18_062, two.port]]);
  await using pair = await SideBySide.start(envoy, file, { own: [18_060], shared, listener: 18_060 });
  for (const request of REQUESTS) {
    const [theirs, ours] = [await exchange(pair.envoy.portOf(18_060), requestText(request)),
      await exchange(pair.weft.portOf(18_060), requestText(request))];
    assert.deepEqual(decision(ours), decision(theirs), JSON.stringify(request));
  }
});

test('a header without a number leaves the choice to chance', { skip }, async () => {
  await using one = await EchoServer.start('one');
  await using two = await EchoServer.start('two');
  const shared = new Map([[18_061, one.port], [18_062, two.port]]);
  await using pair = await SideBySide.start(envoy, file, { own: [18_060], shared, listener: 18_060 });
  for (const value of ['', 'x', '-1', '1.5', '0x3', '18446744073709551616', '1 2']) {
    for (const proxy of [pair.envoy, pair.weft]) {
      const statuses = new Set<number>();
      for (let i = 0; i < 400 && statuses.size < 3; i++) {
        const headers: Field[] = [['x-choice', value]];
        statuses.add((await exchange(proxy.portOf(18_060), requestText({ path: '/chosen', headers }))).status);
      }
      assert.deepEqual(statuses, new Set([200, 418, 503]), `${proxy.name} for '${value}'`);
    }
  }
});
