// Istio's standard metrics (stats.PluginConfig of the Istio proxy; filter istio.stats).
import { bool, enumeration, string } from './scalar.ts';
import { list, message, optional, type Static } from './schema.ts';

export const MetricConfig = message('stats.MetricConfig', {
  name: optional(string(), 'requests_total, request_duration_milliseconds, …; default all metrics.'),
  tagsToRemove: optional(list(string()), 'Labels that are left out.'),
  drop: optional(bool(), 'The metric is not reported. Default false.'),
}, {
  refused: { 'metrics are not chosen by expressions': ['match'] },
  warned: { 'labels are not computed by expressions: those are left out, or as they are by default': ['dimensions'] },
});
export interface MetricConfig extends Static<typeof MetricConfig> {}

export const IstioStats = message('stats.PluginConfig', {
  disableHostHeaderFallback: optional(bool(), 'Always so, whatever it says: a client\'s host header never names the '
    + 'destination service, because labels come from configuration only.'),
  metrics: optional(list(MetricConfig), 'Changes to the standard metrics.'),
  reporter: optional(enumeration(['UNSPECIFIED'], {
    refused: { SERVER_GATEWAY: 'waypoints are not supported' },
    numbers: { UNSPECIFIED: 0, SERVER_GATEWAY: 1 },
  }), 'By the listener\'s traffic direction.'),
}, {
  refused: { 'metrics of one\'s own are not supported': ['definitions'] },
  warned: {
    'series are kept while the proxy lives': ['rotation_interval', 'graceful_deletion_interval'],
    'metrics of TCP connections are not kept': ['tcp_reporting_duration'],
  },
});
export interface IstioStats extends Static<typeof IstioStats> {}
