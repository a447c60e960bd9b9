// The router, last filter of every HTTP chain (envoy.extensions.filters.http.router.v3).
import { bool } from './scalar.ts';
import { message, optional, type Static } from './schema.ts';

export const Router = message('envoy.extensions.filters.http.router.v3.Router', {
  suppressEnvoyHeaders: optional(bool(), 'No x-envoy- headers are added. Default false.'),
}, {
  refused: {
    'request headers that cannot be read are ignored': ['strict_check_headers'],
    'x-envoy-expected-rq-timeout-ms of clients is not read': ['respect_expected_rq_timeout'],
    'tries are not logged; use the connection manager\'s access_log': ['upstream_log', 'upstream_log_options'],
    'filters stand in the connection manager': ['upstream_http_filters'],
  },
  warned: {
    'stats are always kept': ['dynamic_stats', 'suppress_grpc_request_failure_code_stats'],
    'spawn_upstream_span says it': ['start_child_span'],
    'bytes after a CONNECT are held until it is answered': ['reject_connect_request_early_data'],
  },
});
export interface Router extends Static<typeof Router> {}
