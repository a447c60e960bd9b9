// Figures of gRPC calls (envoy.extensions.filters.http.grpc_stats.v3).
import { bool, string } from './scalar.ts';
import { atMostOne, list, message, optional, required, type Static } from './schema.ts';

const GrpcMethods = message('envoy.config.core.v3.GrpcMethodList.Service', {
  name: required(string({ minLength: 1 }), 'Full name of the service.'),
  methodNames: required(list(string(), { min: 1 }), 'Names of its methods.'),
});

export const GrpcMethodList = message('envoy.config.core.v3.GrpcMethodList', {
  services: optional(list(GrpcMethods), 'Services with their methods.'),
});
export interface GrpcMethodList extends Static<typeof GrpcMethodList> {}

/** The filter. Calls are counted under cluster.<name>.grpc. */
export const GrpcStats = message('envoy.extensions.filters.http.grpc_stats.v3.FilterConfig', {
  emitFilterState: optional(bool(), 'Numbers of messages for access logs (FILTER_STATE) and Istio\'s metrics. Default '
    + 'false.'),
  individualMethodStatsAllowlist: optional(GrpcMethodList, 'These methods have counters of their own; all others share '
    + 'theirs.'),
  statsForAllMethods: optional(bool(), 'Every method has counters of its own, up to a limit: clients choose the names. '
    + 'Default false.'),
  enableUpstreamStats: optional(bool(), 'upstream_rq_time: from the end of a request to the end of its response. '
    + 'Default false.'),
  replaceDotsInGrpcServiceName: optional(bool(), 'With stats_for_all_methods: dots in names of services become '
    + 'underscores. Default false.'),
}, {
  oneOf: [atMostOne('individual_method_stats_allowlist', 'stats_for_all_methods')],
});
export interface GrpcStats extends Static<typeof GrpcStats> {}
