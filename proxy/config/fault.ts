// Fault injection (envoy.extensions.filters.http.fault.v3, envoy.extensions.filters.common.fault.v3).
import { HeaderMatcher } from './header-matcher.ts';
import { FractionalPercent } from './percent.ts';
import { duration, string, uint32 } from './scalar.ts';
import { exactlyOne, list, message, optional, required, type Static } from './schema.ts';

const FROM_HEADERS = 'clients cannot choose the fault by header';

export const FaultDelay = message('envoy.extensions.filters.common.fault.v3.FaultDelay', {
  fixedDelay: required(duration({ above: 0 }), 'How long the request is held.'),
  percentage: optional(FractionalPercent, 'Share of requests; default none.'),
}, {
  refused: { [FROM_HEADERS]: ['header_delay'] },
  oneOf: [exactlyOne('fixed_delay', 'header_delay')],
});
export interface FaultDelay extends Static<typeof FaultDelay> {}

export const FaultAbort = message('envoy.extensions.filters.http.fault.v3.FaultAbort', {
  httpStatus: optional(uint32({ minimum: 200, maximum: 599 }), 'Status of the answer.'),
  grpcStatus: optional(uint32(), 'gRPC status of the answer.'),
  percentage: optional(FractionalPercent, 'Share of requests; default none.'),
}, {
  refused: { [FROM_HEADERS]: ['header_abort'] },
  warned: { 'the body is Envoy\'s "fault filter abort"': ['response_body'] },
  oneOf: [exactlyOne('http_status', 'grpc_status', 'header_abort')],
});
export interface FaultAbort extends Static<typeof FaultAbort> {}

/** The filter's own configuration, and the one of a route in typed_per_filter_config. */
export const HTTPFault = message('envoy.extensions.filters.http.fault.v3.HTTPFault', {
  delay: optional(FaultDelay, 'Holds requests.'),
  abort: optional(FaultAbort, 'Answers requests, after the delay.'),
  upstreamCluster: optional(string(), 'Only requests to this cluster; default all.'),
  headers: optional(list(HeaderMatcher), 'Only requests whose headers match all of these.'),
  maxActiveFaults: optional(uint32(), 'Requests under a fault at one time, in each worker thread; default no limit.'),
}, {
  refused: {
    'responses are not slowed down': ['response_rate_limit'],
    'requests are not matched by node': ['downstream_nodes'],
  },
  warned: {
    'there is no runtime': ['delay_percent_runtime', 'abort_percent_runtime', 'delay_duration_runtime',
      'abort_http_status_runtime', 'max_active_faults_runtime', 'response_rate_limit_percent_runtime',
      'abort_grpc_status_runtime'],
    'stats per downstream cluster are not kept': ['disable_downstream_cluster_stats'],
    'no filter reads it': ['filter_metadata'],
  },
});
export interface HTTPFault extends Static<typeof HTTPFault> {}
