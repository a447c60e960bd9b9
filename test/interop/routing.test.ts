// Routes, rewrites, header changes and policies of one table, asked through weft and through a real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EchoServer } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { RawAnswer, RawRequest } from '../harness/raw-client.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import { decision } from './routing-decision.ts';
import { ROUTING_DIFFERENCES, ROUTING_REQUESTS } from './routing-requests.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const file = fileURLToPath(new URL('bootstraps/routing.yaml', import.meta.url));
const plan = (upstream: number) => ({ own: [18_030], shared: new Map([[18_031, upstream]]), listener: 18_030 });

async function ask(port: number, request: RawRequest): Promise<RawAnswer> {
  return exchange(port, requestText(request), request.method === 'HEAD');
}

test('every routing decision is Envoy\'s', { skip }, async () => {
  await using upstream = await EchoServer.start('echo');
  await using pair = await SideBySide.start(envoy, file, plan(upstream.port));
  const problems: string[] = [];
  for (const request of ROUTING_REQUESTS) {
    const theirs = decision(await ask(pair.envoy.portOf(18_030), request));
    const ours = decision(await ask(pair.weft.portOf(18_030), request));
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) {
      problems.push(`${JSON.stringify(request)}\n  envoy ${JSON.stringify(theirs)}\n  weft  ${JSON.stringify(ours)}`);
    }
  }
  assert.equal(problems.length, 0, `${problems.length} of ${ROUTING_REQUESTS.length} differ:\n${problems.join('\n')}`);
});

test('S41 S44 where weft decides otherwise, it does so on purpose', { skip }, async () => {
  await using upstream = await EchoServer.start('echo');
  await using pair = await SideBySide.start(envoy, file, plan(upstream.port));
  for (const { request, envoy: theirs, weft: ours, id } of ROUTING_DIFFERENCES) {
    const statuses = [(await ask(pair.envoy.portOf(18_030), request)).status,
      (await ask(pair.weft.portOf(18_030), request)).status];
    assert.deepEqual(statuses, [theirs, ours], `${id}: ${JSON.stringify(request)}`);
  }
});
