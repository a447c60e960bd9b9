// Rewrites by format string and limits of what is kept of a request, beside a real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { RawRequest } from '../harness/raw-client.ts';
import { KEY_HEADER, SCRIPT_HEADER, ScriptedUpstreams } from '../harness/scripted-upstreams.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import { decision } from './routing-decision.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const file = fileURLToPath(new URL('bootstraps/newer-fields.yaml', import.meta.url));
const LISTENER = 18_230;

/** What the upstream is told of a rewrite. */
const TOLD = /^(host|x-to|x-forwarded-host|x-envoy-original-.*)$/;

const TO = ['x', 'a/b', 'q?r', '', undefined];

function asking(path: string, to: string | undefined): RawRequest {
  return { path, host: 'own.test:80', ...(to !== undefined && { headers: [['x-to', to]] as const }) };
}

/** A body that is sent again if it may be: the first try fails. */
function sending(path: string, bytes: number, host = 'localhost'): RawRequest {
  return { path, host, method: 'POST', body: 'x'.repeat(bytes), headers: [[SCRIPT_HEADER, '503 200']] };
}

const REQUESTS: readonly RawRequest[] = [
  ...['/path', '/path/more?y=z', '/redirect', '/redirect?y=z', '/strip?y=z'].flatMap((path) =>
    TO.map((to) => asking(path, to))),
  ...['x', 'x:81', undefined].map((to) => asking('/host?y=z', to)),
  ...['/x', '/x?a', undefined].map((to) => asking('/bare?y=z', to)),
  asking('/both?y=z', 'client'),
  ...[0, 999, 1000, 1001].map((bytes) => sending('/old', bytes)),
  ...[0, 1].map((bytes) => sending('/none', bytes)),
  ...[32_000, 90_000].map((bytes) => sending('/wide', bytes)),
  ...[90_000, 200_000].map((bytes) => sending('/more', bytes)),
  ...[1000, 1001, 2000, 2001, 3000, 3001].flatMap((bytes) => [
    ...['/', '/old', '/own'].map((path) => sending(path, bytes, 'limited.test')),
    ...['/', '/new'].map((path) => sending(path, bytes, 'formerly.test')),
  ]),
  { path: '/abort' }, { path: '/direct' },
];

test('newer fields of routes mean what they mean to Envoy', { skip }, async () => {
  await using upstream = await ScriptedUpstreams.start(['up']);
  const shared = new Map([[18_231, upstream.portOf('up')]]);
  await using pair = await SideBySide.start(envoy, file, { own: [LISTENER], shared, listener: LISTENER });
  for (const [i, request] of REQUESTS.entries()) {
    const [theirs, ours] = await Promise.all([pair.envoy, pair.weft].map(async (proxy) => {
      const headers = [...request.headers ?? [], [KEY_HEADER, `${i} ${proxy.name}`] as const];
      const answer = await exchange(proxy.portOf(LISTENER), requestText({ ...request, headers }));
      const tries = upstream.received(`${i} ${proxy.name}`).map(({ method, url, body, headers: lines }) =>
        [method, url, body.length, lines.filter(([name]) => TOLD.test(name))]);
      return { answer: decision(answer), tries };
    }));
    assert.deepEqual(ours, theirs, `${request.path} ${request.headers?.[0]?.[1]} ${request.body?.length}`);
  }
});
