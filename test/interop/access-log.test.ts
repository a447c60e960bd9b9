// The same access log formats under weft and under a real Envoy: the lines of the same requests must be equal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EchoServer } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { RawRequest } from '../harness/raw-client.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import type { RunningProxy } from '../harness/side-by-side.ts';

const envoy = findEnvoy(false);
const file = fileURLToPath(new URL('bootstraps/access-log.yaml', import.meta.url));
const PORT = 18_030;

const IDS: readonly (readonly [string, string])[] = [
  ['x-request-id', '3d2a3e5c-1b1a-4f6e-9d55-0123456789ab'], ['user-agent', 'interop/1.0'],
  ['x-forwarded-proto', 'http'],
];

const REQUESTS: readonly RawRequest[] = [
  { path: '/service/a?x=1&y=2' },
  { path: '/service', method: 'POST', body: 'hello' },
  { path: '/service', method: 'POST', headers: [['transfer-encoding', 'chunked']], body: '5\r\nhello\r\n0\r\n\r\n' },
  { path: '/service', method: 'HEAD' },
  { path: '/service', headers: [['x-status', '503']] },
  { path: '/service', headers: [['x-bytes', 'caf\xc3\xa9 "quoted" back\\slash\ttab']] },
  { path: '/service', headers: [['x-bytes', 'latin \xe9']] },
  { path: '/service', headers: [['content-type', 'application/grpc']] },
  { path: '/rewritten/b?x=3' },
  { path: '/direct' },
  ...['0', '1', '5', '12', '14', '99', 'x'].map((status): RawRequest =>
    ({ path: `/status/${status}`, headers: [['x-grpc-status', status]] })),
  { path: '/nowhere' },
  { path: '/missing' },
];

/** Why a connection failed is told in words of each one's own, but what failed is not. */
function comparable(line: string): string {
  return line.replace(/upstream_reset_before_response_started\{(\w+)[^}]*\}/, '$1');
}

/** The lines that so many requests made, when they are all there. */
async function linesOf(pair: SideBySide, proxy: RunningProxy): Promise<string[]> {
  let lines: string[] = [];
  await proxy.process.until(async () => {
    lines = (await pair.logOf(proxy)).split('\n').slice(0, -1).map(comparable);
    return lines.filter((line) => line.startsWith('text|')).length >= REQUESTS.length + 1;
  });
  return lines;
}

test('access log lines are those of Envoy', { skip: reasonToSkip(envoy) }, async () => {
  await using upstream = await EchoServer.start('service');
  const shared = new Map([[18_031, upstream.port], [18_039, 1]]);
  await using pair = await SideBySide.start(envoy, file, { own: [PORT], shared, listener: PORT });
  for (const { headers = [], ...request } of REQUESTS) {
    const text = requestText({ ...request, host: 'svc.example', headers: [...IDS, ...headers] });
    for (const proxy of [pair.envoy, pair.weft]) await exchange(proxy.portOf(PORT), text, request.method === 'HEAD');
  }
  const [theirs, ours] = await Promise.all([linesOf(pair, pair.envoy), linesOf(pair, pair.weft)]);
  for (const kind of ['text|', '{', 'omitting|', 'error|', 'flagged|', 'grpc-status|', 'grpc-others|', 'grpc-none|',
    'ends|', 'no-ends|', 'traced|', 'other-types|']) {
    const [wanted, found] = [theirs, ours].map((lines) => lines.filter((line) => line.startsWith(kind)));
    // The harness asks until a proxy answers: only the last lines are this test's.
    const count = Math.min(REQUESTS.length, wanted!.length);
    assert.deepEqual(found!.slice(-count), wanted!.slice(-count), kind);
  }
});
