// /stats: flat names and values as Envoy prints them, as text and as JSON.
import { quantile } from '../telemetry/stat-snapshot.ts';
import type { HistogramSnapshot, NumberSnapshot, StatSnapshot } from '../telemetry/stat-snapshot.ts';
import type { StatName } from '../telemetry/stats.ts';
import type { AdminResponse } from './admin-response.ts';
import { flag, json, text } from './admin-response.ts';
import { searchFilter } from './name-filter.ts';
import { prometheusText } from './prometheus.ts';

const QUANTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];
const KINDS: ReadonlyMap<string, string> = new Map([
  ['Counters', 'counter'], ['Gauges', 'gauge'], ['Histograms', 'histogram'],
]);

/** Endpoints' figures are shown by /clusters. */
function isShown({ name }: StatSnapshot): boolean {
  return !name.flat.startsWith('endpoint.');
}

/** Envoy shows what was ever written; a value of 0 cannot be told from that here. */
function isUsed(stat: StatSnapshot): boolean {
  return stat.kind === 'histogram' ? stat.count > 0 : stat.value !== 0;
}

/** Answers /stats with ?filter, ?usedonly, ?type and ?format. Throws ConfigError for a bad filter. */
export async function statsResponse(stats: readonly StatSnapshot[], query: URLSearchParams): Promise<AdminResponse> {
  const format = query.get('format') ?? 'text';
  const selected = select(stats, query);
  switch (format) {
    case 'text':
      return text(statsText(selected));
    case 'json':
      return json(statsJson(selected));
    case 'prometheus':
      return prometheusText(selected);
    default:
      return text(`unknown format "${format}": use text, json or prometheus\n`, 400);
  }
}

/** What a query selects, by the rules of /stats. */
export function select(stats: readonly StatSnapshot[], query: URLSearchParams): StatSnapshot[] {
  const matches = searchFilter(query.get('filter'));
  const usedOnly = flag(query, 'usedonly');
  const kind = KINDS.get(query.get('type') ?? '');
  return stats.filter((stat) => {
    if (!isShown(stat) || (usedOnly && !isUsed(stat)) || (kind !== undefined && stat.kind !== kind)) return false;
    return matches(displayName(stat.name));
  });
}

/** Stats that exist with labels only are shown in Prometheus's way. */
function displayName({ flat, family, labels }: StatName): string {
  if (flat !== '') return flat;
  return `${family}{${labels.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}}`;
}

type Named<T> = readonly (readonly [name: string, stat: T])[];

function byName<T extends StatSnapshot>(stats: readonly T[]): Named<T> {
  const named = stats.map((stat) => [displayName(stat.name), stat] as const);
  return named.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

const numbersOf = (stats: readonly StatSnapshot[]): Named<NumberSnapshot> =>
  byName(stats.filter((stat) => stat.kind !== 'histogram'));

const histogramsOf = (stats: readonly StatSnapshot[]): Named<HistogramSnapshot> =>
  byName(stats.filter((stat) => stat.kind === 'histogram'));

/** Numbers by name, then histograms by name. */
function statsText(stats: readonly StatSnapshot[]): string {
  const numbers = numbersOf(stats).map(([name, { value }]) => `${name}: ${value}\n`);
  const histograms = histogramsOf(stats).map(([name, histogram]) => `${name}: ${quantilesText(histogram)}\n`);
  return numbers.join('') + histograms.join('');
}

/** `P50(nan,1.5)`: of the last interval, which is not kept, and of all time. */
function quantilesText(histogram: HistogramSnapshot): string {
  if (histogram.count === 0) return 'No recorded values';
  return QUANTILES.map((percent) => `P${percent}(nan,${rounded(quantile(histogram, percent / 100))})`).join(' ');
}

function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

function statsJson(stats: readonly StatSnapshot[]): unknown {
  const numbers: unknown[] = numbersOf(stats).map(([name, { value }]) => ({ name, value }));
  const histograms = histogramsOf(stats).map(([name, histogram]) => ({
    name,
    values: QUANTILES.map((percent) => {
      return { interval: null, cumulative: histogram.count === 0 ? null : rounded(quantile(histogram, percent / 100)) };
    }),
  }));
  if (histograms.length === 0) return { stats: numbers };
  return { stats: [...numbers, { histograms: { supported_quantiles: QUANTILES, computed_quantiles: histograms } }] };
}
