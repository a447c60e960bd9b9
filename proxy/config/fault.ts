// Fault injection (envoy.extensions.filters.http.fault.v3, envoy.extensions.filters.common.fault.v3).
import { HeaderMatcher } from './header-matcher.ts';
import { FractionalPercent } from './percent.ts';
import { duration, string, uint32, uint64 } from './scalar.ts';
import { exactlyOne, list, message, optional, required, type Static } from './schema.ts';

const HeaderDelay = message('envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay', {});
const HeaderAbort = message('envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort', {});

export const FaultDelay = message('envoy.extensions.filters.common.fault.v3.FaultDelay', {
  fixedDelay: optional(duration({ above: 0 }), 'How long the request is held.'),
  headerDelay: optional(HeaderDelay, 'As long as the client says: x-envoy-fault-delay-request in milliseconds, and '
    + 'x-envoy-fault-delay-request-percentage up to the percentage here. Clients choose; not for the edge.'),
  percentage: optional(FractionalPercent, 'Share of requests; default none.'),
}, {
  oneOf: [exactlyOne('fixed_delay', 'header_delay')],
});
export interface FaultDelay extends Static<typeof FaultDelay> {}

export const FaultAbort = message('envoy.extensions.filters.http.fault.v3.FaultAbort', {
  httpStatus: optional(uint32({ minimum: 200, maximum: 599 }), 'Status of the answer.'),
  grpcStatus: optional(uint32(), 'gRPC status of the answer.'),
  headerAbort: optional(HeaderAbort, 'What the client says: x-envoy-fault-abort-request or -abort-grpc-request, and '
    + 'x-envoy-fault-abort-request-percentage up to the percentage here. Clients choose; not for the edge.'),
  percentage: optional(FractionalPercent, 'Share of requests; default none.'),
  responseBody: optional(string(), 'Default "fault filter abort".'),
}, {
  oneOf: [exactlyOne('http_status', 'grpc_status', 'header_abort')],
});
export interface FaultAbort extends Static<typeof FaultAbort> {}

const FixedLimit = message('envoy.extensions.filters.common.fault.v3.FaultRateLimit.FixedLimit', {
  limitKbps: required(uint64({ minimum: 1 }), 'KiB of body for each second.'),
});
const HeaderLimit = message('envoy.extensions.filters.common.fault.v3.FaultRateLimit.HeaderLimit', {});

export const FaultRateLimit = message('envoy.extensions.filters.common.fault.v3.FaultRateLimit', {
  fixedLimit: optional(FixedLimit, 'The same for all.'),
  headerLimit: optional(HeaderLimit, 'What the client says: x-envoy-fault-throughput-response in KiB for each second, '
    + 'and x-envoy-fault-throughput-response-percentage up to the percentage here. Clients choose; not for the edge.'),
  percentage: optional(FractionalPercent, 'Share of requests; default none.'),
}, {
  oneOf: [exactlyOne('fixed_limit', 'header_limit')],
});
export interface FaultRateLimit extends Static<typeof FaultRateLimit> {}

/** The filter's own configuration, and the one of a route in typed_per_filter_config. */
export const HTTPFault = message('envoy.extensions.filters.http.fault.v3.HTTPFault', {
  delay: optional(FaultDelay, 'Holds requests.'),
  abort: optional(FaultAbort, 'Answers requests, after the delay.'),
  responseRateLimit: optional(FaultRateLimit, 'Slows responses down.'),
  upstreamCluster: optional(string(), 'Only requests to this cluster; default all.'),
  headers: optional(list(HeaderMatcher), 'Only requests whose headers match all of these.'),
  downstreamNodes: optional(list(string()), 'Only requests whose x-envoy-downstream-service-node is one of these.'),
  maxActiveFaults: optional(uint32(), 'Requests under a fault at one time, in all filters of this stat_prefix; '
    + 'default no limit.'),
}, {
  warned: {
    'there is no runtime': ['delay_percent_runtime', 'abort_percent_runtime', 'delay_duration_runtime',
      'abort_http_status_runtime', 'max_active_faults_runtime', 'response_rate_limit_percent_runtime',
      'abort_grpc_status_runtime'],
    'stats per downstream cluster are not kept': ['disable_downstream_cluster_stats'],
    'no filter reads it': ['filter_metadata'],
  },
});
export interface HTTPFault extends Static<typeof HTTPFault> {}
