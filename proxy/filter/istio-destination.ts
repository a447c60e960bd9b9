// The service that a request went to, read from names that configuration gave: never from what a client wrote (S88).
import { UNKNOWN } from '../telemetry/workload.ts';
import type { Label } from './istio-metrics.ts';

/**
 * `name` is Istio's cluster name (`outbound|9080|v1|reviews.default.svc.cluster.local`) or an inbound route's
 * decorator (`reviews.default.svc.cluster.local:9080/*`); any other cluster name stands for itself.
 */
export function destinationOf(name: string, namespace: string): Label[] {
  const host = hostOf(name);
  if (host === '') return labels(UNKNOWN, UNKNOWN, namespace);
  const [service = '', second = '', third] = host.split('.', 3);
  return third === 'svc' ? labels(host, service, second) : labels(host, host, namespace);
}

function labels(service: string, name: string, namespace: string): Label[] {
  return [
    ['destination_service', service], ['destination_service_name', name], ['destination_service_namespace', namespace],
  ];
}

function hostOf(name: string): string {
  const bar = name.lastIndexOf('|');
  if (bar !== -1) return name.slice(bar + 1);
  const slash = name.indexOf('/');
  if (slash === -1) return name;
  const authority = name.slice(0, slash);
  const colon = authority.lastIndexOf(':');
  return colon === -1 ? authority : authority.slice(0, colon);
}
