// Makes a disagreement small: one virtual host, one route, and only the fields and headers without which the two agree.
import { decode } from '../../proxy/config/decode.ts';
import { RouteConfiguration } from '../../proxy/config/route.ts';
import type { RouteCase } from './route-case.ts';

/** Which of the cases still disagree; one start of both proxies for all of them. */
export type Judge = (cases: readonly RouteCase[]) => Promise<readonly boolean[]>;

const ROUNDS = 6;
/** Listeners of one start. */
const CANDIDATES_MAX = 60;

export async function shrink(found: RouteCase, judge: Judge): Promise<RouteCase> {
  let best = await firstThat(judge, [...oneRoute(found), ...oneVirtualHost(found)]) ?? found;
  for (let round = 0; round < ROUNDS; round++) {
    const removals = pathsOf(best).filter((path) => isValid(without(best, [path]))).slice(0, CANDIDATES_MAX);
    const verdicts = await judge(removals.map((path) => without(best, [path])));
    const harmless = removals.filter((_, i) => verdicts[i]);
    if (harmless.length === 0) return best;
    // As many at once as go together: each alone is harmless, so that the first of the list always does.
    const together = harmless.map((_, i) => without(best, harmless.slice(0, harmless.length - i)));
    best = await firstThat(judge, together.filter(isValid)) ?? without(best, [harmless[0]!]);
  }
  return best;
}

async function firstThat(judge: Judge, cases: readonly RouteCase[]): Promise<RouteCase | undefined> {
  const some = cases.slice(0, CANDIDATES_MAX);
  const verdicts = await judge(some);
  return some.find((_, i) => verdicts[i]);
}

function oneVirtualHost({ table, request }: RouteCase): RouteCase[] {
  return table.routes.virtualHosts!.map((host) => (
    { table: { ...table, routes: { ...table.routes, virtualHosts: [host] } }, request }));
}

function oneRoute(found: RouteCase): RouteCase[] {
  return oneVirtualHost(found).flatMap(({ table, request }) => {
    const host = table.routes.virtualHosts![0]!;
    return host.routes!.map((route) => (
      { table: { ...table, routes: { ...table.routes, virtualHosts: [{ ...host, routes: [route] }] } }, request }));
  });
}

type Path = readonly (string | number)[];

/** Where something stands that may be left out, deepest last, so that much goes with little. */
function pathsOf(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  const keys: (string | number)[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  const own = at.length === 0 ? [] : keys.map((key) => [...at, key]);
  const below = keys.flatMap((key) => pathsOf((value as Record<string | number, unknown>)[key], [...at, key]));
  return [...own, ...below].toSorted((a, b) => a.length - b.length)
    .filter((path) => !['table,manager', 'table,routes', 'table,routes,validateClusters', 'request,path',
      'request,host'].includes(path.join()));
}

/** A copy without what stands at these paths. */
function without(found: RouteCase, paths: readonly Path[]): RouteCase {
  const copy = structuredClone(found);
  // Elements of lists from the end, so that the places of the others stay.
  for (const path of paths.toSorted(byPlace)) {
    const parent = path.slice(0, -1).reduce<unknown>(
      (value, key) => (value as Record<string | number, unknown> | undefined)?.[key], copy,
    );
    const last = path.at(-1)!;
    if (Array.isArray(parent)) parent.splice(Number(last), 1);
    else if (parent !== undefined) delete (parent as Record<string, unknown>)[last];
  }
  return copy;
}

function byPlace(a: Path, b: Path): number {
  const at = a.findIndex((key, i) => key !== b[i]);
  if (at === -1 || at >= b.length) return -1;
  return typeof a[at] === 'number' ? Number(b[at]) - Number(a[at]) : 1;
}

function isValid({ table, request }: RouteCase): boolean {
  if (request.headers?.some((field) => field.length !== 2)) return false;
  const { routes } = table;
  if (!routes.virtualHosts?.every((host) => host.routes !== undefined && host.name !== undefined)) return false;
  return decode(RouteConfiguration, routes).value !== undefined;
}
