// A scraper finds the application's metrics and the sidecar's at one place: the sidecar asks the application.
import { ANNOTATIONS } from './pod-annotations.ts';
import type { FaultList } from './fault-list.ts';
import type { InjectionPlan } from './injection-plan.ts';
import type { PodMeta, Values } from './pod.ts';

export interface MergedMetrics {
  /** What the sidecar asks; undefined where the pod has none of its own. */
  readonly application: Values | undefined;
  /** Those that say where to scrape, in place of the author's. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** undefined: the pod's annotations stay as they are. */
export function metricsOf(
  { annotations = {} }: PodMeta, { mergeMetrics, statusPort }: InjectionPlan, faults: FaultList,
): MergedMetrics | undefined {
  const scrape = annotations['prometheus.io/scrape'];
  if (!mergeMetrics || scrape === 'false') return undefined;
  const scheme = annotations['prometheus.io/scheme'] ?? 'http';
  const port = annotations['prometheus.io/port'] ?? '';
  if (scrape === 'true' && scheme !== 'http') {
    faults.warn([...ANNOTATIONS, 'prometheus.io/scheme'], 'metrics by TLS are not merged; they are scraped as before');
    return undefined;
  }
  if (scrape === 'true' && port !== '' && !/^[0-9]{1,5}$/.test(port)) {
    faults.error([...ANNOTATIONS, 'prometheus.io/port'], 'must be a port');
    return undefined;
  }
  const path = annotations['prometheus.io/path'] ?? '';
  return {
    application: scrape === 'true' && port !== String(statusPort) ? { scrape, path, port } : undefined,
    annotations: {
      'prometheus.io/scrape': 'true', 'prometheus.io/port': String(statusPort),
      'prometheus.io/path': '/stats/prometheus',
    },
  };
}
