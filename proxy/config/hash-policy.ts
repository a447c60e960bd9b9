// What a request is hashed by for consistent balancing (envoy.config.route.v3.RouteAction.HashPolicy).
import { RegexMatchAndSubstitute } from './matcher.ts';
import { bool, duration, headerName, headerValue, string } from './scalar.ts';
import { exactlyOne, list, message, optional, required, type Static } from './schema.ts';

const HashHeader = message('envoy.config.route.v3.RouteAction.HashPolicy.Header', {
  headerName: required(headerName(), 'Its values are hashed, in order of their text.'),
  regexRewrite: optional(RegexMatchAndSubstitute, 'Each value is rewritten before.'),
});

const CookieAttribute = message('envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute', {
  name: required(headerValue(), 'Such as SameSite.'),
  value: optional(headerValue(), 'Empty: the name alone.'),
});
export interface CookieAttribute extends Static<typeof CookieAttribute> {}

const HashCookie = message('envoy.config.route.v3.RouteAction.HashPolicy.Cookie', {
  name: required(string({ minLength: 1, form: 'header-value' }), 'Its value is hashed.'),
  ttl: optional(duration(), 'A client without the cookie is given one that lasts so long; 0s: as long as its session. '
    + 'None where absent.'),
  path: optional(headerValue(), 'Path of that cookie.'),
  attributes: optional(list(CookieAttribute), 'Further attributes of that cookie.'),
});
export interface HashCookie extends Static<typeof HashCookie> {}

const ConnectionProperties = message('envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties', {
  sourceIp: optional(bool(), 'The client\'s address is hashed.'),
});

const QueryParameter = message('envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter', {
  name: required(string({ minLength: 1 }), 'Its first value is hashed as it stands in the request; case matters.'),
});

export const HashPolicy = message('envoy.config.route.v3.RouteAction.HashPolicy', {
  header: optional(HashHeader, 'A request header.'),
  cookie: optional(HashCookie, 'A cookie.'),
  connectionProperties: optional(ConnectionProperties, 'The connection.'),
  queryParameter: optional(QueryParameter, 'A query parameter.'),
  terminal: optional(bool(), 'Later entries count only where this and those before gave nothing. Default false.'),
}, {
  refused: { 'filters keep no objects to hash': ['filter_state'] },
  oneOf: [exactlyOne('header', 'cookie', 'connection_properties', 'query_parameter', 'filter_state')],
});
export interface HashPolicy extends Static<typeof HashPolicy> {}
