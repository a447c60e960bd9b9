// One rule of VirtualService.http: what it matches and what becomes of the request (networking.istio.io).
import {
  bool, bytes, double, enumeration, headerName, headerValue, string, uint32,
} from '../../proxy/config/scalar.ts';
import { RouteAction } from '../../proxy/config/route-action.ts';
import {
  atMostOne, exactlyOne, list, map, message, optional, Refusal, required, type Static,
} from '../../proxy/config/schema.ts';
import { honours } from './data-plane.ts';
import { Destination } from './destination.ts';
import { goDuration, label, objectName, regex } from './scalar.ts';
import { StringMatch } from './string-match.ts';

export const HttpMatch = message('istio.networking.v1.HTTPMatchRequest', {
  name: optional(string(), "Appended to the route's name."),
  uri: optional(StringMatch, 'Path.'),
  scheme: optional(StringMatch, 'Scheme.'),
  method: optional(StringMatch, 'Method.'),
  authority: optional(StringMatch, 'Authority.'),
  headers: optional(map(StringMatch),
    'Headers; `{}` asks that one is there. `@request.auth.claims.a` is a claim of the '
    + "request's token, at gateways."),
  withoutHeaders: optional(map(StringMatch), 'Headers that must not match.'),
  queryParams: optional(map(StringMatch), 'Query parameters.'),
  ignoreUriCase: optional(bool(), 'Case of exact and prefix uri does not count. Default false.'),
  port: optional(uint32({ minimum: 1, maximum: 65_535 }), 'Port that was called.'),
  sourceLabels: optional(map(string()), 'Only for proxies with these labels.'),
  sourceNamespace: optional(string(), 'Only for proxies of this namespace.'),
  gateways: optional(list(string({ minLength: 1 })), "In place of the VirtualService's gateways."),
}, {
  warned: { 'there are no statistics by route': ['stat_prefix'] },
  check: (match) => {
    if (match.uri?.regex === '*') return new Refusal('is not a regular expression; leave uri out', ['uri', 'regex']);
    for (const field of ['headers', 'withoutHeaders'] as const) {
      const wrong = badMatchName(match[field] ?? {});
      if (wrong !== undefined) return new Refusal('is not a header name', [field, wrong]);
    }
    if (Object.keys(match).length > 0) return undefined;
    return new Refusal('must not be empty; leave match out to match everything');
  },
});
export interface HttpMatch extends Static<typeof HttpMatch> {}

/** A key that is neither a header's name nor a claim's. */
function badMatchName(headers: Readonly<Record<string, unknown>>): string | undefined {
  return Object.keys(headers).find((name) => badName({ [name]: true }) !== undefined
    && !/^@request\.auth\.claims(\.[^.[\]]+)+$|^@request\.auth\.claims(\[[^[\]]+\])+$/.test(name));
}

/** A key that cannot be a header's name. */
function badName(headers: Readonly<Record<string, unknown>>): string | undefined {
  return Object.keys(headers).find((name) => !/^:?[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name));
}

export const HeaderOperations = message('istio.networking.v1.Headers.HeaderOperations', {
  set: optional(map(headerValue()), 'Put in place of what is there.'),
  add: optional(map(headerValue()), 'Added to what is there.'),
  remove: optional(list(headerName()), 'Taken away.'),
}, {
  check: (operations) => {
    for (const field of ['set', 'add'] as const) {
      const names = Object.keys(operations[field] ?? {});
      const wrong = badName(operations[field] ?? {}) ?? names.find((name) => /^:(?!authority$)/i.test(name));
      if (wrong !== undefined) return new Refusal('is not a header that can be changed', [field, wrong]);
    }
    return undefined;
  },
});
export interface HeaderOperations extends Static<typeof HeaderOperations> {}

export const HeaderRules = message('istio.networking.v1.Headers', {
  request: optional(HeaderOperations, 'On the way to the service.'),
  response: optional(HeaderOperations, 'On the way back.'),
});
export interface HeaderRules extends Static<typeof HeaderRules> {}

export const RouteDestination = message('istio.networking.v1.HTTPRouteDestination', {
  destination: required(Destination, 'Where to.'),
  weight: optional(uint32({ maximum: 1_000_000 }), 'Share of the sum of weights; 0 is none. Alone it does not count.'),
  headers: optional(HeaderRules, 'Header changes for this destination.'),
});
export interface RouteDestination extends Static<typeof RouteDestination> {}

export const Redirect = message('istio.networking.v1.HTTPRedirect', {
  uri: optional(string({ form: 'header-value' }), 'Whole new path.'),
  authority: optional(string({ form: 'header-value' }), 'New authority.'),
  port: optional(uint32({ minimum: 1, maximum: 65_535 }), 'New port.'),
  derivePort: optional(enumeration(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']), 'Where a port comes from.'),
  scheme: optional(string({ oneOf: ['http', 'https'] }), 'New scheme.'),
  redirectCode: optional(uint32(), '301, 302, 303, 307 or 308. Default 301.'),
  prefixRewrite: optional(string({ form: 'header-value' }), 'What replaces the matched prefix.'),
}, {
  oneOf: [atMostOne('uri', 'prefix_rewrite'), atMostOne('port', 'derive_port')],
  check: ({ redirectCode = 301 }) => ([301, 302, 303, 307, 308].includes(redirectCode)
    ? undefined : new Refusal('must be one of 301, 302, 303, 307, 308', ['redirectCode'])),
});
export interface Redirect extends Static<typeof Redirect> {}

export const DirectResponse = message('istio.networking.v1.HTTPDirectResponse', {
  status: required(uint32({ minimum: 200, maximum: 599 }), 'Status.'),
  body: optional(message('istio.networking.v1.HTTPBody', {
    string: optional(string(), 'Text.'),
    bytes: optional(bytes(), 'Base64.'),
  }, { oneOf: [atMostOne('string', 'bytes')] }), 'Body; none when absent.'),
});
export interface DirectResponse extends Static<typeof DirectResponse> {}

export const Rewrite = message('istio.networking.v1.HTTPRewrite', {
  uri: optional(string({ minLength: 1, form: 'header-value' }), 'In place of the matched prefix or path.'),
  authority: optional(string({ minLength: 1, form: 'header-value' }), 'New authority.'),
  uriRegexRewrite: optional(message('istio.networking.v1.RegexRewrite', {
    match: required(regex(), 'RE2; what it matches is replaced.'),
    rewrite: required(string({ form: 'header-value' }), 'Replacement with \\1 for groups.'),
  }), 'Rewrite of the path.'),
}, {
  oneOf: [atMostOne('uri', 'uri_regex_rewrite')],
});
export interface Rewrite extends Static<typeof Rewrite> {}

/** Names of google.rpc.Code, in the order of their numbers. */
export const GRPC_STATUS = [
  'OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS',
  'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED',
  'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
] as const;

/** Words of retryOn; a number is a status. From Envoy's retry_on and retry_grpc_on. */
export const RETRY_WORDS: readonly string[] = [
  '5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure', 'envoy-ratelimited', 'retriable-4xx',
  'refused-stream', 'retriable-status-codes', 'cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted',
  'unavailable',
];

export const Retries = message('istio.networking.v1.HTTPRetry', {
  attempts: optional(uint32({ maximum: 1000 }), 'Retries after the first try; 0 (default) turns them off.'),
  perTryTimeout: optional(goDuration({ atLeastMs: 1 }), "Time of each try; the route's timeout when absent."),
  retryOn: optional(string(), `Words by commas: ${RETRY_WORDS.join(', ')}, or status codes.`),
  retryRemoteLocalities: optional(bool(), 'Every second retry goes on to localities of the next priority. Default '
    + 'false.'),
  retryIgnorePreviousHosts: optional(bool(), 'Prefer endpoints that were not tried. Default true.'),
  backoff: optional(goDuration({ atLeastMs: 1 }), 'Base of the back-off. Default 25ms.'),
}, {
  check: ({ attempts = 0, retryOn = '', perTryTimeout, backoff }) => {
    // As Istio's own validation: nobody writes conditions for retries that are off.
    if (attempts === 0 && (retryOn !== '' || perTryTimeout !== undefined || backoff !== undefined)) {
      return new Refusal('needs attempts above 0: without it retries are off');
    }
    const wrong = retryOn.split(',').map((word) => word.trim()).find((word) => word !== '' && !isRetryWord(word));
    if (wrong === undefined) return undefined;
    const known = `${RETRY_WORDS.join(', ')}, or a status`;
    return new Refusal(`unknown condition '${wrong.slice(0, 40)}'; must be of ${known}`, ['retryOn']);
  },
});
export interface Retries extends Static<typeof Retries> {}

function isRetryWord(word: string): boolean {
  return RETRY_WORDS.includes(word) || /^[1-5][0-9]{2}$/.test(word);
}

const Percentage = message('istio.networking.v1.Percent', {
  value: optional(double({ minimum: 0, maximum: 100 }), 'Percent.'),
});

const MIRRORS = honours(RouteAction, 'request_mirror_policies');
const NO_MIRRORS = new Refusal('is not supported: requests are not mirrored yet');

export const MirrorPolicy = message('istio.networking.v1.HTTPMirrorPolicy', {
  destination: required(Destination, 'Where the copies go.'),
  percentage: optional(Percentage, 'Share of requests that are copied; all when absent.'),
});
export interface MirrorPolicy extends Static<typeof MirrorPolicy> {}

export const Fault = message('istio.networking.v1.HTTPFaultInjection', {
  delay: optional(message('istio.networking.v1.HTTPFaultInjection.Delay', {
    fixedDelay: required(goDuration({ atLeastMs: 1 }), 'Time before the request is forwarded.'),
    percentage: optional(Percentage, 'Share of requests; none when absent.'),
  }, {
    refused: { 'Istio does not implement it': ['exponential_delay'] },
    legacy: { percent: optional(uint32({ maximum: 100 }), 'percentage.value') },
    fold: (value, { percent }) => {
      if (percent !== undefined) value.percentage ??= { value: percent };
      return undefined;
    },
  }), 'Delay.'),
  abort: optional(message('istio.networking.v1.HTTPFaultInjection.Abort', {
    httpStatus: optional(uint32({ minimum: 200, maximum: 599 }), 'Status of the answer.'),
    grpcStatus: optional(enumeration(GRPC_STATUS), 'gRPC status of the answer, by its name.'),
    percentage: optional(Percentage, 'Share of requests; none when absent.'),
  }, {
    refused: { 'give httpStatus or grpcStatus; Istio does not implement it': ['http2_error'] },
    oneOf: [exactlyOne('http_status', 'grpc_status')],
  }), 'Abort.'),
}, {
  check: (fault) => (fault.delay === undefined && fault.abort === undefined
    ? new Refusal('needs delay or abort') : undefined),
});
export interface Fault extends Static<typeof Fault> {}

export const CorsPolicy = message('istio.networking.v1.CorsPolicy', {
  allowOrigins: optional(list(StringMatch), 'Origins that may.'),
  allowMethods: optional(list(string({ form: 'header-value' })), 'Methods.'),
  allowHeaders: optional(list(headerName()), 'Request headers.'),
  exposeHeaders: optional(list(headerName()), 'Response headers that scripts may read.'),
  maxAge: optional(goDuration(), 'How long a preflight answer holds.'),
  allowCredentials: optional(bool(), 'Cookies and authorization may be sent.'),
  unmatchedPreflights: optional(enumeration(['UNSPECIFIED', 'FORWARD', 'IGNORE']), 'What becomes of others; FORWARD.'),
}, {
  legacy: { allowOrigin: optional(list(string()), 'allowOrigins.exact') },
  fold: (value, { allowOrigin }) => {
    if (allowOrigin !== undefined) value.allowOrigins ??= allowOrigin.map((exact) => ({ exact }));
    return undefined;
  },
});
export interface CorsPolicy extends Static<typeof CorsPolicy> {}

export const Delegate = message('istio.networking.v1.Delegate', {
  name: required(objectName(), 'A VirtualService without hosts.'),
  namespace: optional(label(), "Its namespace; the rule's own when absent."),
});
export interface Delegate extends Static<typeof Delegate> {}

export const HttpRule = message('istio.networking.v1.HTTPRoute', {
  name: optional(string(), 'Name for logs.'),
  match: optional(list(HttpMatch), 'Any of these; everything when absent.'),
  route: optional(list(RouteDestination, { min: 1 }), 'Destinations by weight.'),
  redirect: optional(Redirect, 'Answer with a redirect.'),
  delegate: optional(Delegate, 'Rules of another VirtualService, within what this one matches.'),
  directResponse: optional(DirectResponse, 'Answer without a service.'),
  rewrite: optional(Rewrite, 'Change of path or authority.'),
  timeout: optional(goDuration(), 'Whole request with its retries; none when absent.'),
  retries: optional(Retries, 'Retries; the mesh default when absent.'),
  fault: optional(Fault, 'Injected faults.'),
  corsPolicy: optional(CorsPolicy, 'Cross-origin rules.'),
  headers: optional(HeaderRules, 'Header changes for the route.'),
  mirrors: optional(list(MirrorPolicy), 'Copies of requests to others, whose answers nobody hears.'),
}, {
  legacy: {
    mirror: optional(Destination, 'mirrors[0].destination'),
    mirrorPercentage: optional(Percentage, 'mirrors[0].percentage'),
    mirrorPercent: optional(uint32({ maximum: 100 }), 'mirrors[0].percentage.value'),
  },
  fold: (value, { mirror, mirrorPercentage, mirrorPercent }) => {
    if (mirror === undefined) return undefined;
    if (!MIRRORS) return NO_MIRRORS.under('mirror');
    if (value.mirrors !== undefined) return new Refusal('must not be set beside mirrors', ['mirror']);
    const percentage = mirrorPercentage ?? (mirrorPercent === undefined ? undefined : { value: mirrorPercent });
    value.mirrors = [{ destination: mirror, ...(percentage !== undefined && { percentage }) }];
    return undefined;
  },
  check: (rule) => {
    if (rule.mirrors !== undefined && !MIRRORS) return NO_MIRRORS.under('mirrors');
    const known = ['route', 'redirect', 'directResponse', 'delegate'];
    const actions = known.filter((action) => Object.hasOwn(rule, action));
    if (actions.length === 0) return new Refusal('needs a route, a redirect, a directResponse or a delegate');
    if (actions.length > 1) return new Refusal(`has ${actions.join(' and ')}; must have one of them`);
    if (rule.route === undefined && rule.delegate === undefined && rule.rewrite !== undefined) {
      return new Refusal(`must not be set beside ${actions.join()}`, ['rewrite']);
    }
    return badSplit(rule.route ?? []);
  },
});
export interface HttpRule extends Static<typeof HttpRule> {}

function badSplit(destinations: readonly RouteDestination[]): Refusal | undefined {
  if (destinations.length < 2) return undefined;
  const total = destinations.reduce((sum, { weight = 0 }) => sum + weight, 0);
  if (total === 0) return new Refusal('weights must add up to more than 0', ['route']);
  const at = destinations.findIndex(({ headers }) => {
    const { set = {}, add = {} } = headers?.request ?? {};
    return [...Object.keys(set), ...Object.keys(add)].some((name) => /^(host|:authority)$/i.test(name));
  });
  if (at < 0) return undefined;
  return new Refusal('the host can be changed for the whole route only, not for one of its parts', ['route', at]);
}
