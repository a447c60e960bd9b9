// Limits of connections (envoy.extensions.filters.network.connection_limit.v3 and .local_ratelimit.v3).
import { TokenBucket } from './rate-limit.ts';
import { bool, duration, string, uint64 } from './scalar.ts';
import { message, optional, required, type Static } from './schema.ts';

export const RuntimeFeatureFlag = message('envoy.config.core.v3.RuntimeFeatureFlag', {
  defaultValue: required(bool(), 'Whether it is on.'),
}, { warned: { 'there is no runtime; default_value always holds': ['runtime_key'] } });
export interface RuntimeFeatureFlag extends Static<typeof RuntimeFeatureFlag> {}

export const ConnectionLimit = message('envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit', {
  statPrefix: required(string({ minLength: 1 }), 'Stats are connection_limit.<stat_prefix>.*.'),
  maxConnections: required(uint64({ minimum: 1 }), 'Connections of the chain at one time, over all worker threads.'),
  delay: optional(duration(), 'A connection beyond is kept for so long before it is closed, and counts meanwhile; '
    + 'closed at once when absent.'),
  runtimeEnabled: optional(RuntimeFeatureFlag, 'Default on.'),
});
export interface ConnectionLimit extends Static<typeof ConnectionLimit> {}

export const NetworkRateLimit = message('envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit', {
  statPrefix: required(string({ minLength: 1 }), 'Stats are local_rate_limit.<stat_prefix>.*.'),
  tokenBucket: required(TokenBucket, 'Each connection takes a token, or is closed. All worker threads share it.'),
  runtimeEnabled: optional(RuntimeFeatureFlag, 'Default on.'),
  shareKey: optional(string(), 'Filters of one key share their bucket where it is the same. Default: none shares.'),
});
export interface NetworkRateLimit extends Static<typeof NetworkRateLimit> {}
