// Redirects that the proxy follows itself, beside a real Envoy: the same requests, answers, log lines and stats.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { RawRequest } from '../harness/raw-client.ts';
import { RedirectingUpstream, redirectPath } from '../harness/redirecting-upstream.ts';
import { SideBySide } from '../harness/side-by-side.ts';
import type { RunningProxy } from '../harness/side-by-side.ts';

const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);
const file = fileURLToPath(new URL('bootstraps/internal-redirect.yaml', import.meta.url));
const LISTENER = 18_210;
const UPSTREAM = 18_211;
const ADMIN = 18_219;

const to = (route: string, location?: string, status = 302): string => `/${route}${redirectPath(status, location)}`;
const SELF = 'http://localhost';
const END = `${SELF}/end`;

/** A chain of redirects over these routes, then the end. */
function chain(...routes: string[]): string {
  return routes.reduceRight((next, route) => SELF + to(route, next), END).slice(SELF.length);
}

const LOCATIONS: readonly (string | undefined)[] = [
  undefined, '', '/end', `${SELF}/end?x=1#part`, '//other.test/only', 'http://other.test', 'http://other.test?x',
  'http://other.test/none', 'http://other.test/gone', 'http://other.test/only', 'http://u:p@other.test/only',
  'https://localhost/end', 'ftp://other.test/only', 'http:///only', 'http:/localhost/end', '://localhost/end',
  'http://[::1]:80/end', 'http://[::1/end', 'http://::1/end', 'http://localhost:0/end', 'http://localhost:65536/end',
  'http://localhost:/end', 'http://localhost:x/end', 'http://localhost:80:80/end', 'http://u@v@localhost/end',
  'http://loc alhost/end', 'http://lo_calhost/end', 'http://localhost/e nd', 'http://localhost/"<>{}^`\\[]%zz',
  'http://localhost/../a/./b//c%2e', `${SELF}/elsewhere`,
];
const BODY = { method: 'POST', body: 'hello' } as const;

const REQUESTS: readonly RawRequest[] = [
  ...LOCATIONS.map((location) => ({ path: to('default', location) })),
  { path: to('default', END), method: 'HEAD' },
  { path: to('none', END) },
  ...[200, 300, 301, 302, 303, 304, 305, 307, 308].flatMap((status) => [
    { path: to('odd', END, status) }, { path: to('default', END, status) }, { path: to('many', END, status), ...BODY },
  ]),
  { path: to('many', END, 303), method: 'HEAD' },
  { path: to('many', END, 303), method: 'PUT' },
  { path: to('many', 'https://localhost/end') },
  { path: to('many', `https://localhost${to('many', END)}`, 303), ...BODY,
    headers: [['x-copied', 'client'], ['x-gone', 'client']] },
  { path: to('default', END), method: 'POST', headers: [['transfer-encoding', 'chunked']],
    body: '5\r\nhello\r\n0\r\n\r\n' },
  { path: to('many', END), method: 'POST', body: 'x'.repeat(20_000) },
  { path: to('many', END), method: 'POST', body: 'x'.repeat(200_000) },
  { path: chain('default', 'default') }, { path: chain('default', 'many') },
  { path: chain('many', 'many', 'many') }, { path: chain('many', 'many', 'many', 'many') },
  { path: to('listed', 'http://other.test/only') }, { path: chain('listed', 'listed') },
  { path: chain('listed', 'default') },
  { path: chain('once', 'once') }, { path: chain('once', 'once', 'once') }, { path: chain('once', 'twice', 'once') },
  { path: chain('once', 'twice', 'once', 'twice') }, { path: chain('once', 'twice', 'twice', 'twice') },
  { path: chain('safe', 'safe') }, { path: to('safe', 'https://localhost/end') },
];

/** Envoy keeps an upper-case scheme and host; weft folds both (S13), so the test has none. */
async function statsOf(proxy: RunningProxy): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.portOf(ADMIN)}/stats`)).text();
  const counters = /^(http\.main\.(passthrough_|downstream_rq_(to|co|[0-9]xx))|cluster\.up\.upstream_(int|rq_))/;
  const lines = text.split('\n').map((line) => line.split(': ') as [string, string]);
  return new Map(lines.filter(([name, value]) => counters.test(name) && /^[0-9]+$/.test(value))
    .map(([name, value]) => [name, Number(value)]));
}

/** Counters that the requests changed, by as much. Zeros and what only one of the two proxies counts are left out. */
function changes(before: Map<string, number>, after: Map<string, number>): Map<string, number> {
  const changed = [...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return new Map(changed.filter(([name, value]) => value > 0 && !name.includes('external')));
}

/**
 * Log lines of one key. Where a redirect was refused Envoy's tell of the route that it would have gone to, and its
 * scheme twice; the cluster of a line is the next request's there. A body counts again with each request, in both.
 */
function linesOf(log: string, key: string): string[] {
  return log.split('\n').filter((line) => line.startsWith(`line|${key}|`)).map((line) => {
    const fields = line.split('|');
    const followed = fields[7] === 'internal_redirect';
    return fields.filter((_, i) => !(i === 10 || (i === 3 || i === 9) && !followed && fields[6] === '302')).join('|');
  });
}

test('S86 redirects are followed as Envoy follows them, and no further', { skip }, async () => {
  await using upstream = await RedirectingUpstream.start();
  const plan = { own: [LISTENER, ADMIN], shared: new Map([[UPSTREAM, upstream.port]]), listener: LISTENER };
  await using pair = await SideBySide.start(envoy, file, plan);
  const outcomes = new Map<string, unknown[]>();
  const counted: Map<string, number>[] = [];
  for (const proxy of [pair.envoy, pair.weft]) {
    const before = await statsOf(proxy);
    const found: unknown[] = [];
    for (const [i, request] of REQUESTS.entries()) {
      const key = `k${i}`;
      const headers = [...request.headers ?? [], ['x-key', key] as const];
      const seen = upstream.received(key).length;
      const { status, headers: fields, body } = await exchange(
        proxy.portOf(LISTENER), requestText({ ...request, headers }), request.method === 'HEAD',
      );
      const shown = fields.filter(([name]) => name.startsWith('x-') && !name.includes('service-time')
        || name === 'location' || name === 'via');
      found.push([request.path, status, shown.map(String).toSorted(), body, upstream.received(key).slice(seen)]);
    }
    outcomes.set(proxy.name, found);
    counted.push(changes(before, await statsOf(proxy)));
  }
  const [theirs, ours] = [outcomes.get('envoy')!, outcomes.get('weft')!];
  for (const [i, wanted] of theirs.entries()) assert.deepEqual(ours[i], wanted);
  for (const [name, value] of counted[0]!) assert.equal(counted[1]!.get(name) ?? 0, value, name);
  await sameLines(pair);
});

async function sameLines(pair: SideBySide): Promise<void> {
  const last = `line|k${REQUESTS.length - 1}|`;
  const logs = await Promise.all([pair.envoy, pair.weft].map(async (proxy) => {
    await proxy.process.until(async () => (await pair.logOf(proxy)).includes(last));
    return await pair.logOf(proxy);
  }));
  for (const i of REQUESTS.keys()) {
    assert.deepEqual(linesOf(logs[1]!, `k${i}`), linesOf(logs[0]!, `k${i}`), REQUESTS[i]!.path);
  }
}
