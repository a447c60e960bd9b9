// Sessions that stick to an endpoint (envoy.extensions.filters.http.stateful_session.v3 and its kinds of state).
import { bool, duration, headerName, headerValue, string, uint32 } from './scalar.ts';
import { any, exactlyOne, list, message, optional, Refusal, required, type Static } from './schema.ts';

const CookieAttribute = message('envoy.type.http.v3.CookieAttribute', {
  name: required(headerValue(), 'Such as SameSite.'),
  value: optional(headerValue(), 'Empty: the name alone.'),
});

const Cookie = message('envoy.type.http.v3.Cookie', {
  name: required(string({ minLength: 1, form: 'header-value' }), 'The cookie that names the session\'s endpoint.'),
  ttl: optional(duration(), 'How long a cookie is good for; absent and 0s: as long as the client keeps it.'),
  path: optional(headerValue(), 'Its path; requests elsewhere have no session. Default everywhere.'),
  attributes: optional(list(CookieAttribute), 'Further attributes of it.'),
});

export const CookieBasedSessionState = message(
  'envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState', {
    cookie: required(Cookie, 'Clients are given it, with the address of their endpoint in it, and it is taken at its '
      + 'word: a client may choose among the endpoints of its cluster, and no others.'),
  },
);
export interface CookieBasedSessionState extends Static<typeof CookieBasedSessionState> {}

export const HeaderBasedSessionState = message(
  'envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState', {
    name: required(headerName(), 'Header of requests and responses, with the address of the endpoint in it.'),
  },
);
export interface HeaderBasedSessionState extends Static<typeof HeaderBasedSessionState> {}

const SessionState = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: required(string({ minLength: 1 }), 'Free name, usually envoy.http.stateful_session.cookie or .header.'),
  typedConfig: required(any('session state', [CookieBasedSessionState, HeaderBasedSessionState]), 'Where it is kept.'),
});

export const StatefulSession = message('envoy.extensions.filters.http.stateful_session.v3.StatefulSession', {
  sessionState: optional(SessionState, 'How a request names its endpoint; absent: none does.'),
  strict: optional(bool(), 'A request whose endpoint is gone, or not in the health that override_host_status asks for, '
    + 'is answered 503. Default false: it goes to another.'),
  statPrefix: optional(string(), 'Counters are http.<connection manager>.stateful_session.<this>.*; none where '
    + 'absent.'),
  statusOnStrictDestinationNotFound: optional(uint32({ maximum: 599 }), 'Status instead of 503 for strict.'),
}, {
  check: ({ statusOnStrictDestinationNotFound: status = 0 }) => (status === 0 || status >= 200 ? undefined
    : new Refusal('must be 200 to 599', ['statusOnStrictDestinationNotFound'])),
});
export interface StatefulSession extends Static<typeof StatefulSession> {}

export const StatefulSessionPerRoute = message(
  'envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute', {
    disabled: optional(bool(), 'There are no sessions here.'),
    statefulSession: optional(StatefulSession, 'In place of the filter\'s own; without counters.'),
  }, {
    oneOf: [exactlyOne('disabled', 'stateful_session')],
    check: ({ disabled }) => (disabled === false ? new Refusal('must be true', ['disabled']) : undefined),
  },
);
export interface StatefulSessionPerRoute extends Static<typeof StatefulSessionPerRoute> {}
