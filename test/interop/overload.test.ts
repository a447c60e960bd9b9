// What clients are told when a circuit breaker turns their requests away, beside a real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EchoServer } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import { decision } from './routing-decision.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const file = fileURLToPath(new URL('bootstraps/overload.yaml', import.meta.url));
const [OPEN, QUIET] = [18_072, 18_073];

test('a request that is turned away says so by x-envoy-overloaded, as of Envoy', { skip }, async () => {
  await using upstream = await EchoServer.start('echo');
  const shared = new Map([[18_074, upstream.port]]);
  await using pair = await SideBySide.start(envoy, file, { own: [OPEN, QUIET], shared, listener: OPEN });
  for (const port of [OPEN, QUIET]) {
    for (const request of [{ path: '/' }, { path: '/', headers: [['content-type', 'application/grpc']] as const },
      { path: '/', headers: [['x-envoy-retry-on', '5xx,reset']] as const }, { path: '/nobody' }]) {
      const [theirs, ours] = [await exchange(pair.envoy.portOf(port), requestText(request)),
        await exchange(pair.weft.portOf(port), requestText(request))];
      assert.deepEqual(decision(ours), decision(theirs), `${port} ${JSON.stringify(request)}`);
      const told = theirs.headers.some(([name]) => name === 'x-envoy-overloaded');
      assert.equal(told, port === OPEN && request.path === '/');
    }
  }
});
