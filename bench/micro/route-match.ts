// What a look-up in the route table costs: tables of 1 to 10,000 virtual hosts, and routes of each kind. Prints ns a
// request.
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import { RequestHead } from '../../proxy/http/message.ts';
import { Headers } from '../../proxy/http/headers.ts';
import { SeededRandom } from '../../proxy/base/random.ts';
import { compileRouteTable } from '../../proxy/route/route-table.ts';
import type { RouteTable } from '../../proxy/route/route-table.ts';

const ROUNDS = 5;
const LOOKUPS = 200_000;
const HEADERS = ['user-agent', 'wrk', 'accept', '*/*', 'x-request-id', '1', 'x-forwarded-for', '10.0.0.1',
  'x-forwarded-proto', 'http',
  'end-user', 'jason', 'accept-encoding', 'gzip'];

function head(authority: string, path: string): RequestHead {
  return new RequestHead('GET', authority, path, new Headers(HEADERS.slice()));
}

function hosts(count: number): RouteConfiguration {
  return {
    virtualHosts: Array.from({ length: count }, (_, i) => ({
      name: `v${i}`,
      domains: [`svc-${i}.ns.svc.cluster.local`, `svc-${i}.ns.svc.cluster.local:9080`, `svc-${i}.ns`,
        `*.gw-${i}.example.com`, `10.0.${i >> 8}.${i & 255}`],
      routes: [{ match: { prefix: '/' }, route: { cluster: `c${i}`, timeout: '0s' } }],
    })),
  };
}

/** Routes of one kind. */
function routes(match: (i: number) =>
  NonNullable<NonNullable<RouteConfiguration['virtualHosts']>[number]['routes']>[number]['match'],
count = 50): RouteConfiguration {
  const list = Array.from({ length: count }, (_, i) => ({ match: match(i), route: { cluster: 'c' } }));
  return { virtualHosts: [{ name: 'v', domains: ['*'], routes: list }] };
}

function measure(name: string, config: RouteConfiguration, requests: readonly RequestHead[]): void {
  const start = process.hrtime.bigint();
  const table = compileRouteTable(config, () => undefined);
  const compileMs = Number(process.hrtime.bigint() - start) / 1e6;
  const best = Math.min(...Array.from({ length: ROUNDS }, () => round(table, requests)));
  const cost = `${name.padEnd(44)} ${best.toFixed(0).padStart(7)} ns/op`;
  process.stdout.write(`${cost}   compiled in ${compileMs.toFixed(1)} ms\n`);
}

function round(table: RouteTable, requests: readonly RequestHead[]): number {
  let found = 0;
  const start = process.hrtime.bigint();
  for (let i = 0; i < LOOKUPS; i++) if (table.match(requests[i % requests.length]!, undefined,
    0.5) !== undefined) found++;
  const ns = Number(process.hrtime.bigint() - start) / LOOKUPS;
  if (found !== LOOKUPS) throw new Error(`${found} of ${LOOKUPS} matched`);
  return ns;
}

const random = new SeededRandom(1);
for (const count of [1, 100, 10_000]) {
  const pick = (): number => random.below(count);
  const exact = Array.from({ length: 1024 },
    () => head(`svc-${pick()}.ns.svc.cluster.local:9080`, '/productpage?u=normal'));
  const wild = Array.from({ length: 1024 }, () => head(`www.gw-${pick()}.example.com`, '/'));
  measure(`${count} virtual hosts, exact domain`, hosts(count), exact);
  measure(`${count} virtual hosts, suffix wildcard`, hosts(count), wild);
}
const path = [head('a', '/api/v1/items/49?x=1')];
measure('50 prefix routes, last matches', routes((i) => ({ prefix: `/api/v1/items/${i}` })), path);
measure('50 exact routes, last matches', routes((i) => ({ path: `/api/v1/items/${i}` })), path);
measure('50 header routes, last matches',
  routes((i) => ({ prefix: '/', headers: i === 49 ? [] : [{ name: 'end-user', stringMatch: { exact: `u${i}` } }] })),
  path);
measure('50 regex routes, prefiltered, last matches',
  routes((i) => ({ safeRegex: { regex: `/api/v${i - 48}/[a-z]+/[0-9]+` } })), path);
const anyOf1000 = Array.from({ length: 1024 }, () => head('a', `/api/v1/items/${random.below(1000)}/x?x=1`));
const exactOf1000 = Array.from({ length: 1024 }, () => head('a', `/api/v1/items/${random.below(1000)}?x=1`));
const SHOPS = ['a', 'shop', 'warehouse', 'a-long-name-of-a-service', 'inventory-of-parts'];
const nameOf = (i: number): string => `/${SHOPS[i % SHOPS.length]!}/${'x'.repeat(i % 17)}/${i}`;
const named = Array.from({ length: 1024 }, () => head('a', `${nameOf(random.below(1000))}/y`));
measure('1,000 separated prefixes, any matches', routes((i) => ({ pathSeparatedPrefix: `/api/v1/items/${i}` }), 1000),
  anyOf1000);
measure('1,000 separated prefixes of 40 lengths', routes((i) => ({ pathSeparatedPrefix: nameOf(i) }), 1000), named);
measure('1,000 exact routes, any matches', routes((i) => ({ path: `/api/v1/items/${i}` }), 1000), exactOf1000);
measure('1,000 regex routes, any matches', routes((i) => ({ safeRegex: { regex: `/api/v1/items/${i}/.*` } }), 1000),
  anyOf1000);
const tenants = Array.from({ length: 1024 }, () => (
  new RequestHead('GET', 'a', '/x', new Headers([...HEADERS, 'tenant', `t${random.below(1000)}`]))));
measure('1,000 header routes, any matches',
  routes((i) => ({ prefix: '/', headers: [{ name: 'tenant', stringMatch: { exact: `t${i}` } }] }), 1000), tenants);
const mixed = Array.from({ length: 1024 }, () => new RequestHead('GET', 'a',
  `/${SHOPS[random.below(5)]!}/api/${random.below(200)}/x`,
  new Headers([...HEADERS, 'tenant', `t${random.below(4)}`])));
measure('1,000 mixed routes, any matches', routes((i) => {
  const beginning = `/${SHOPS[i % 5]!}/api/${Math.floor(i / 5)}/`;
  if (i % 4 === 0) return { safeRegex: { regex: `${beginning}[a-z]+` } };
  if (i % 4 > 1) return { prefix: beginning };
  return { prefix: beginning, headers: [{ name: 'tenant', stringMatch: { prefix: 't' } }] };
}, 1000), mixed);
measure('1 regex route that runs the engine',
  { virtualHosts: [{ name: 'v', domains: ['*'],
  routes: [{ match: { safeRegex: { regex: '/api/v1/[a-z]+/[0-9]+' } }, route: { cluster: 'c' } }] }] }, path);
measure('1 literal regex route', { virtualHosts: [{ name: 'v', domains: ['*'],
  routes: [{ match: { safeRegex: { regex: '/api/.*' } }, route: { cluster: 'c' } }] }] }, path);
