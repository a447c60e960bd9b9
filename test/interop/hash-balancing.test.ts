// Which endpoint a hashed request goes to: the same one through weft as through a real Envoy, for every policy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SeededRandom } from '../../proxy/base/random.ts';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { RawAnswer } from '../harness/raw-client.ts';
import { SideBySide } from '../harness/side-by-side.ts';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const file = fileURLToPath(new URL('bootstraps/hash.yaml', import.meta.url));
const LISTENER = 18_040;

type Field = readonly [name: string, value: string];

/** Five servers behind both proxies, and who of them answers. */
class Fixture implements AsyncDisposable {
  readonly #servers: readonly EchoServer[];
  readonly pair: SideBySide;

  private constructor(servers: readonly EchoServer[], pair: SideBySide) {
    this.#servers = servers;
    this.pair = pair;
  }

  static async start(): Promise<Fixture> {
    const servers = await Promise.all([0, 1, 2, 3, 4].map((i) => EchoServer.start(`server-${i}`)));
    const shared = new Map(servers.map(({ port }, i) => [LISTENER + 1 + i, port]));
    try {
      return new Fixture(servers, await SideBySide.start(envoy, file, { own: [LISTENER], shared, listener: LISTENER }));
    } catch (cause) {
      for (const server of servers) await server[Symbol.asyncDispose]();
      throw cause;
    }
  }

  ask(proxy: 'envoy' | 'weft', path: string, headers: readonly Field[]): Promise<RawAnswer> {
    return exchange(this.pair[proxy].portOf(LISTENER), requestText({ path, headers }), false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pair[Symbol.asyncDispose]();
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()));
  }
}

function serverOf(answer: RawAnswer): string {
  return (JSON.parse(answer.body) as Echo).server;
}

test(`hashed requests go where Envoy sends them (seed ${SEED})`, { skip }, async () => {
  await using fixture = await Fixture.start();
  const random = new SeededRandom(SEED);
  const word = (): string => random.hex(1 + Math.floor(random.float() * 40));
  const problems: string[] = [];
  const used = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const route = ['ring', 'maglev', 'named', 'places', 'terminal', 'source'][i % 6]!;
    const path = `/${route}${random.float() < 0.5 ? `?a=1&id=${word()}` : ''}`;
    // One of them at least, since without a hash both draw.
    const headers: Field[] = [['x-user', word()]];
    if (random.float() < 0.3) headers.push(['x-user', word()]);
    if (random.float() < 0.5) headers.push(['cookie', `a=b; sid="${word()}"`]);
    const [theirs, ours] = [serverOf(await fixture.ask('envoy', path, headers)),
      serverOf(await fixture.ask('weft', path, headers))];
    used.add(ours);
    if (theirs !== ours) problems.push(`${path} ${JSON.stringify(headers)}: envoy ${theirs}, weft ${ours}`);
  }
  assert.deepEqual(problems, []);
  assert.equal(used.size, 5);
});

test('a client without the cookie is given one as by Envoy, and it leads to the same server', { skip }, async () => {
  await using fixture = await Fixture.start();
  const shapes: string[] = [];
  for (const proxy of ['envoy', 'weft'] as const) {
    const first = await fixture.ask(proxy, '/cookie', []);
    const cookie = first.headers.find(([name]) => name === 'set-cookie')?.[1] ?? '';
    shapes.push(cookie.replace(/"[0-9a-f]{16}"/, '"…"'));
    for (const other of ['envoy', 'weft'] as const) {
      const next = await fixture.ask(other, '/cookie', [['cookie', cookie.split(';')[0]!]]);
      assert.equal(serverOf(next), serverOf(first), `${proxy}'s cookie at ${other}`);
      assert.ok(!next.headers.some(([name]) => name === 'set-cookie'));
    }
  }
  assert.equal(shapes[1], shapes[0]);
});
