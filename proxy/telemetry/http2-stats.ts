// Counters of HTTP/2 connections by Envoy's names: under `http2.` downstream, under the cluster's `http2.` upstream.
import { statName } from './stat-name.ts';
import type { StatScope } from './stat-name.ts';
import type { Counter, Stats } from './stats.ts';

const COUNTERS = {
  rxReset: 'rx_reset',
  txReset: 'tx_reset',
  rxMessagingError: 'rx_messaging_error',
  headerOverflow: 'header_overflow',
  trailers: 'trailers',
  txFlushTimeout: 'tx_flush_timeout',
  keepaliveTimeout: 'keepalive_timeout',
  outboundControlFlood: 'outbound_control_flood',
  inboundEmptyFramesFlood: 'inbound_empty_frames_flood',
  inboundPriorityFramesFlood: 'inbound_priority_frames_flood',
  inboundWindowUpdateFramesFlood: 'inbound_window_update_frames_flood',
  // Weft's own.
  inboundControlFramesFlood: 'inbound_control_frames_flood',
  resetFlood: 'reset_flood',
} as const;

export type Http2Stats = Readonly<Record<keyof typeof COUNTERS, Counter>>;

/** All downstream connections of a worker share one. */
export const http2Scope: StatScope = { flat: 'http2.', family: 'envoy_http2_', labels: [] };

/** In `scope` the names are `<prefix><name>`. */
export function http2Stats(stats: Stats, scope: StatScope, prefix = ''): Http2Stats {
  const counters = Object.entries(COUNTERS).map(([key, name]) => [key, stats.counter(statName(scope, prefix + name))]);
  return Object.fromEntries(counters) as Record<keyof typeof COUNTERS, Counter>;
}
