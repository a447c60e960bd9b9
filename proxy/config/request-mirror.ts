// Copies of requests to a second cluster (envoy.config.route.v3.RouteAction.RequestMirrorPolicy).
import { RuntimeFractionalPercent } from './percent.ts';
import { bool, headerName, string } from './scalar.ts';
import { exactlyOne, message, optional, type Static } from './schema.ts';

export const RequestMirrorPolicy = message('envoy.config.route.v3.RouteAction.RequestMirrorPolicy', {
  cluster: optional(string({ minLength: 1 }), 'Name of the cluster that gets the copies.'),
  clusterHeader: optional(headerName(), 'Request header that names it; requests without it are not copied.'),
  runtimeFraction: optional(RuntimeFractionalPercent, 'Share of the requests that are copied; default all.'),
  disableShadowHostSuffixAppend: optional(bool(), 'The host of a copy does not get -shadow. Default false.'),
}, {
  refused: {
    'copies are sent as the request is': ['request_headers_mutations', 'host_rewrite_literal'],
  },
  warned: { 'copies have no spans': ['trace_sampled'] },
  oneOf: [exactlyOne('cluster', 'cluster_header')],
});
export interface RequestMirrorPolicy extends Static<typeof RequestMirrorPolicy> {}
