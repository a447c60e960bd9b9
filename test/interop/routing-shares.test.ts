// What chance decides: with the shares that are configured, by weft as by a real Envoy (chi-squared, p > 1e-4).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertAlike, assertFits } from '../harness/chi-squared.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import type { RunningProxy } from '../harness/side-by-side.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import { until } from '../harness/until.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const file = fileURLToPath(new URL('bootstraps/shares.yaml', import.meta.url));
const REQUESTS = 2000;
const CONCURRENCY = 16;
/** Looks without a new copy after which all have come. */
const STILL = 60;
const NAMES = ['one', 'two', 'three'];

/** A path, what its answers are told apart by, and how many of a whole each should be. */
interface Chance {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of NAMES, or of yes and no. */
  readonly shares: readonly number[];
  readonly kindOf: (response: Response, body: string) => number;
}

/** Who answered, or whose body it is. */
function byName(_response: Response, body: string): number {
  return NAMES.indexOf(body.startsWith('{') ? (JSON.parse(body) as Echo).server : body);
}

const isYes = (yes: boolean): number => (yes ? 0 : 1);

const CHANCES: readonly Chance[] = [
  { path: '/weights', shares: [1, 3, 6], kindOf: byName },
  { path: '/random', shares: [1, 1, 1], kindOf: byName },
  // Of 10,000 draws the first takes those below 1234, and the second those whose last two digits are below 40.
  { path: '/fraction', shares: [1234, 3486, 5280], kindOf: byName },
  { path: '/abort', shares: [20, 80], kindOf: ({ status }) => isYes(status === 503) },
  { path: '/asked', headers: { 'x-envoy-fault-abort-request': '418' }, shares: [50, 50],
    kindOf: ({ status }) => isYes(status === 418) },
  { path: '/delay', shares: [30, 70], kindOf: ({ headers }) => isYes(headers.get('x-flags') === 'DI') },
  { path: '/cors', headers: { origin: 'http://a' }, shares: [35, 65],
    kindOf: ({ headers }) => isYes(headers.has('access-control-allow-origin')) },
];

async function count(proxy: RunningProxy, chance: Chance): Promise<readonly number[]> {
  const counts = chance.shares.map(() => 0);
  let left = REQUESTS;
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const response = await fetch(`http://127.0.0.1:${proxy.portOf(18_080)}${chance.path}`, {
        headers: chance.headers ?? {} });
      const kind = chance.kindOf(response, await response.text());
      assert.ok(kind >= 0 && kind < counts.length, `${proxy.name} ${chance.path}: ${response.status}`);
      counts[kind]!++;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, client));
  return counts;
}

test('weights, fractions, faults and random balancing have the shares that are configured, as under Envoy', { skip },
  async (t) => {
    const servers = await Promise.all([...NAMES, 'copies'].map((name) => EchoServer.start(name)));
    try {
      const shared = new Map(servers.map(({ port }, i) => [18_081 + i, port]));
      await using pair = await SideBySide.start(envoy, file, { own: [18_080], shared, listener: 18_080 });
      for (const chance of CHANCES) {
        await t.test(chance.path, async () => {
          const [theirs, ours] = [await count(pair.envoy, chance), await count(pair.weft, chance)];
          assertFits(theirs, chance.shares, 'envoy');
          assertFits(ours, chance.shares, 'weft');
          assertAlike(ours, theirs, `weft beside envoy at ${chance.path}`);
        });
      }
      await t.test('/mirror', async () => {
        const [theirs, ours] = [await copies(pair.envoy, servers[3]!), await copies(pair.weft, servers[3]!)];
        assertFits(theirs, [25, 75], 'envoy');
        assertFits(ours, [25, 75], 'weft');
        assertAlike(ours, theirs, 'weft beside envoy');
      });
    } finally {
      for (const server of servers) await server[Symbol.asyncDispose]();
    }
  });

/** How many requests were copied and how many not, when no copy comes any more. */
async function copies(proxy: RunningProxy, upstream: EchoServer): Promise<readonly number[]> {
  const before = upstream.requests;
  await count(proxy, { path: '/mirror', shares: [1, 1, 1], kindOf: byName });
  let [seen, still] = [-1, 0];
  await until('no copy comes any more', () => {
    still = seen === upstream.requests ? still + 1 : 0;
    seen = upstream.requests;
    return still > STILL;
  });
  return [upstream.requests - before, REQUESTS - (upstream.requests - before)];
}
