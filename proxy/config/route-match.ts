// Which requests a route is for (envoy.config.route.v3.RouteMatch).
import { HeaderMatcher, QueryParameterMatcher } from './header-matcher.ts';
import { RegexMatcher } from './matcher.ts';
import { MetadataMatcher } from './metadata-matcher.ts';
import { RuntimeFractionalPercent } from './percent.ts';
import { bool, flag, string } from './scalar.ts';
import { exactlyOne, list, message, optional, Refusal, type Static } from './schema.ts';
import { PathMatchPolicy } from './uri-template.ts';

const GrpcRouteMatchOptions = message('envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions', {});

export const RouteMatch = message('envoy.config.route.v3.RouteMatch', {
  prefix: optional(string(), 'Beginning of the path, / for all; /a also matches /abc.'),
  path: optional(string(), 'The whole path without query.'),
  safeRegex: optional(RegexMatcher, 'Regular expression over the whole path without query.'),
  pathSeparatedPrefix: optional(string({ minLength: 1 }), 'As prefix, but /a matches /a and /a/b and not /abc.'),
  pathMatchPolicy: optional(PathMatchPolicy, 'The whole path, by URI template.'),
  connectMatcher: optional(flag(), 'CONNECT requests, which no other path match admits.'),
  caseSensitive: optional(bool(), 'Case of prefix and path counts; default true.'),
  runtimeFraction: optional(RuntimeFractionalPercent, 'Share of the requests that match otherwise; default all.'),
  headers: optional(list(HeaderMatcher), 'All of these match.'),
  grpc: optional(GrpcRouteMatchOptions, 'Present: requests of gRPC alone.'),
  queryParameters: optional(list(QueryParameterMatcher), 'All of these match.'),
  dynamicMetadata: optional(list(MetadataMatcher), 'All of these match what filters said of the request so far.'),
}, {
  refused: {
    'routes are not matched by this': ['cookies', 'tls_context'],
    'no filter sets it': ['filter_state'],
  },
  oneOf: [exactlyOne('prefix', 'path', 'safe_regex', 'connect_matcher', 'path_separated_prefix', 'path_match_policy')],
  check: ({ pathSeparatedPrefix: prefix }) => (prefix === undefined || /^[^?#]+[^?#/]$/.test(prefix)
    ? undefined
    : new Refusal('must have no ? or #, not end with /, and be longer than one character', ['pathSeparatedPrefix'])),
});
export interface RouteMatch extends Static<typeof RouteMatch> {}
