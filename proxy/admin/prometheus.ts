// Prometheus exposition: families and labels as Envoy names them, written by prom-client from one snapshot.
import type { Metric } from 'prom-client';
import type { HistogramSnapshot, StatSnapshot } from '../telemetry/stat-snapshot.ts';
import { BUCKETS } from '../telemetry/stats.ts';
import type { AdminResponse } from './admin-response.ts';

interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly type: StatSnapshot['kind'];
  readonly values: Sample[];
}

/** Upper bounds as Prometheus writes them. */
const BOUNDS: readonly string[] = [...BUCKETS.map(String), '+Inf'];

/** `…_rq_503` and `…_rq_5xx` are one family each, with the code as a label. */
const CODE = /^(.+_rq)_([1-9][0-9]{2})$/;
const CLASS = /^(.+_rq)_([1-9])xx$/;

export async function prometheusText(stats: readonly StatSnapshot[]): Promise<AdminResponse> {
  const { Registry } = await import('prom-client');
  const registry = new Registry();
  for (const family of familiesOf(stats)) registry.registerMetric(metricOf(family));
  return { status: 200, contentType: registry.contentType, body: await registry.metrics() };
}

/** An object with `get` is all that a registry asks of a metric; its own classes cannot be given totals. */
function metricOf({ name, type, values }: Family): Metric {
  const help = name.replaceAll('_', ' ');
  const metric = { name, help, type, get: () => Promise.resolve({ name, help, type, values, aggregator: 'sum' }) };
  return metric as unknown as Metric;
}

function familiesOf(stats: readonly StatSnapshot[]): Family[] {
  const families = new Map<string, Family>();
  for (const stat of stats) {
    const [name, extra] = familyOf(stat.name.family);
    let family = families.get(name);
    if (family === undefined) {
      family = { name, type: stat.kind, values: [] };
      families.set(name, family);
    }
    // One family has one type: a second one of that name cannot be told to Prometheus.
    if (family.type === stat.kind) addSamples(family, stat, Object.fromEntries([...extra, ...stat.name.labels]));
  }
  return [...families.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function familyOf(family: string): readonly [name: string, labels: readonly (readonly [string, string])[]] {
  const code = CODE.exec(family);
  if (code !== null) return [validName(code[1]!), [['envoy_response_code', code[2]!]]];
  const codeClass = CLASS.exec(family);
  if (codeClass !== null) return [validName(`${codeClass[1]!}_xx`), [['envoy_response_code_class', codeClass[2]!]]];
  return [validName(family), []];
}

/** What is configured may be part of a family's name. */
function validName(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_:]/g, '_');
}

function addSamples(family: Family, stat: StatSnapshot, labels: Record<string, string>): void {
  if (stat.kind !== 'histogram') family.values.push({ labels, value: stat.value });
  else family.values.push(...histogramSamples(family.name, stat, labels));
}

function histogramSamples(name: string, histogram: HistogramSnapshot, labels: Record<string, string>): Sample[] {
  const samples: Sample[] = [];
  let below = 0;
  for (const [i, le] of BOUNDS.entries()) {
    below += histogram.buckets[i]!;
    samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: below });
  }
  samples.push({ metricName: `${name}_sum`, labels, value: histogram.sum });
  samples.push({ metricName: `${name}_count`, labels, value: histogram.count });
  return samples;
}
