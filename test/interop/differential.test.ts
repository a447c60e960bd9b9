// The same bootstrap and the same requests through weft and through a real Envoy: status,
// headers and bodies must agree.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { RawAnswer, RawRequest } from '../harness/raw-client.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import { DIFFERENCES, VOLATILE_REQUEST_HEADERS, VOLATILE_RESPONSE_HEADERS } from './differences.ts';
import { MINIMAL_REQUESTS, SIDECAR_REQUESTS } from './requests.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const bootstrap = (name: string): string => fileURLToPath(new URL(`bootstraps/${name}.yaml`, import.meta.url));

/** What is compared, with what chance decides blanked out. */
function comparable(answer: RawAnswer): unknown {
  const headers = answer.headers.map(
    ([name, value]) => `${name}: ${VOLATILE_RESPONSE_HEADERS.includes(name) ? '…' : value}`,
  ).toSorted();
  return {
    status: answer.status, headers: headers.filter((line) => !line.startsWith('content-length') || !isEcho(answer)),
    body: bodyOf(answer),
  };
}

function isEcho(answer: RawAnswer): boolean {
  return answer.body.startsWith('{"server"');
}

/** An echo is compared as what reached the upstream. */
function bodyOf(answer: RawAnswer): unknown {
  if (!isEcho(answer)) return answer.body;
  const echo = JSON.parse(answer.body) as Echo;
  const headers = Object.entries(echo.headers).map(
    ([name, value]) => `${name}: ${VOLATILE_REQUEST_HEADERS.includes(name) ? '…' : value}`,
  );
  return { ...echo, headers: headers.filter((line) => !line.startsWith('x-request-key')).toSorted() };
}

async function ask(port: number, request: RawRequest | string): Promise<RawAnswer | 'closed'> {
  // Upstreams count failures by key, so each proxy's request has one of its own.
  const text = (typeof request === 'string' ? request : requestText(request)).replaceAll('%KEY%', String(port));
  try {
    return await exchange(port, text, text.startsWith('HEAD '));
  } catch (cause) {
    if (String(cause).includes('closed without')) return 'closed';
    throw cause;
  }
}

async function compare(
  name: string, request: RawRequest | string, pair: SideBySide, port: number,
): Promise<string | undefined> {
  const theirs = await ask(pair.envoy.portOf(port), request);
  const ours = await ask(pair.weft.portOf(port), request);
  const difference = DIFFERENCES.find((row) => row.request === name);
  if (difference !== undefined) {
    const statuses = [theirs, ours].map((answer) => (answer === 'closed' ? answer : answer.status));
    assert.deepEqual(statuses, [difference.envoy, difference.weft], `${name}: the documented difference has changed`);
    return undefined;
  }
  const [envoySide, weftSide] = [theirs, ours].map((answer) => (answer === 'closed' ? answer : comparable(answer)));
  try {
    assert.deepEqual(weftSide, envoySide);
    return undefined;
  } catch {
    return `${name}\n${lineDifference(envoySide, weftSide)}`;
  }
}

/** Only the lines that differ: - Envoy's, + weft's. */
function lineDifference(theirs: unknown, ours: unknown): string {
  const [a, b] = [theirs, ours].map(
    (value) => JSON.stringify(value, undefined, 1).split('\n').map((line) => line.trim()),
  );
  return [
    ...a!.filter((line) => !b!.includes(line)).map((line) => `  - ${line}`),
    ...b!.filter((line) => !a!.includes(line)).map((line) => `  + ${line}`),
  ].join('\n');
}

async function compareAll(
  requests: readonly (readonly [string, RawRequest | string])[], pair: SideBySide, port: number,
): Promise<void> {
  const problems: string[] = [];
  for (const [name, request] of requests) {
    const problem = await compare(name, request, pair, port);
    if (problem !== undefined) problems.push(problem);
  }
  assert.equal(problems.length, 0, `${problems.length} of ${requests.length} differ:\n${problems.join('\n')}`);
}

test('the minimal bootstrap answers as Envoy does', { skip }, async () => {
  await using upstream = await EchoServer.start('service');
  const shared = new Map([[18_001, upstream.port]]);
  await using pair = await SideBySide.start(envoy, bootstrap('minimal'), { own: [18_000], shared, listener: 18_000 });
  await compareAll(MINIMAL_REQUESTS, pair, 18_000);
});

test('the sidecar-like bootstrap answers as Envoy does', { skip }, async () => {
  await using v1 = await EchoServer.start('reviews-v1');
  await using v2 = await EchoServer.start('reviews-v2');
  await using ratings = await EchoServer.start('ratings');
  const shared = new Map([[18_021, v1.port], [18_022, v2.port], [18_023, ratings.port], [18_029, 1]]);
  await using pair = await SideBySide.start(envoy, bootstrap('sidecar'), {
    own: [18_010, 18_011], shared, listener: 18_010,
  });
  await compareAll(SIDECAR_REQUESTS, pair, 18_010);
});
