// HTTPRoute and GRPCRoute: requests by what they say, to backends by weight (gateway.networking.k8s.io).
import { enumeration, headerName, string, uint32 } from '../../../proxy/config/scalar.ts';
import { list, message, optional, Refusal, required, type Static } from '../../../proxy/config/schema.ts';
import { objectHead } from '../object-meta.ts';
import { goDuration, goDurationMs, matching, objectName, regex } from '../scalar.ts';
import { backendFields, hostname, needsPort, ParentRef } from './reference.ts';
import { GrpcRouteFilter, HttpRouteFilter, repeated } from './route-filter.ts';

const NO_DEFAULTS = optional(enumeration(['None'], {
  refused: { All: 'routes name their gateways' },
}), 'Only None.');

/** What routes of every kind begin with. */
export const routeHead = {
  parentRefs: optional(list(ParentRef, { max: 32 }), 'Gateways, ListenerSets and Services that it is attached to.'),
  useDefaultGateways: NO_DEFAULTS,
};

const MATCH_TYPE = enumeration(['Exact', 'RegularExpression']);

const ValueMatch = message('k8s.gateway.v1.HTTPHeaderMatch', {
  type: optional(MATCH_TYPE, 'How the value is compared; Exact when absent.'),
  name: required(headerName(), 'Name; of several of one name the first holds.'),
  value: required(string({ minLength: 1, maxBytes: 4096 }), 'Value.'),
}, { check: badRegex });
export interface ValueMatch extends Static<typeof ValueMatch> {}

interface Typed {
  readonly type?: string;
  readonly value?: string;
}

function badRegex({ type, value = '' }: Typed): Refusal | undefined {
  if (type !== 'RegularExpression') return undefined;
  const read = regex()['~node'];
  const found = read.kind === 'leaf' ? read.read(value) : undefined;
  return found instanceof Refusal ? found.under('value') : undefined;
}

const PATH_FORM = /^\/([-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$/;
const BAD_PARTS = /\/\/|\/\.\.?(\/|$)|%2f/i;

const PathMatch = message('k8s.gateway.v1.HTTPPathMatch', {
  type: optional(enumeration(['Exact', 'PathPrefix', 'RegularExpression']), 'PathPrefix when absent: by whole parts, '
    + 'so that /a is not the beginning of /ab.'),
  value: optional(string({ maxBytes: 1024 }), '/ when absent.'),
}, {
  check: ({ type = 'PathPrefix', value = '/' }) => {
    if (type === 'RegularExpression') return badRegex({ type, value });
    if (PATH_FORM.test(value) && !BAD_PARTS.test(value)) return undefined;
    return new Refusal("must be a path that begins with '/', without empty, '.' or "
      + "'..' parts and encoded slashes", ['value']);
  },
});

export const HttpRouteMatch = message('k8s.gateway.v1.HTTPRouteMatch', {
  path: optional(PathMatch, 'Path; all when absent.'),
  headers: optional(list(ValueMatch, { max: 16 }), 'All of these.'),
  queryParams: optional(list(ValueMatch, { max: 16 }), 'All of these.'),
  method: optional(enumeration(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']),
    'Method; all when absent.'),
});
export interface HttpRouteMatch extends Static<typeof HttpRouteMatch> {}

export const HttpBackendRef = message('k8s.gateway.v1.HTTPBackendRef', {
  ...backendFields,
  filters: optional(list(HttpRouteFilter, { max: 16 }), 'For requests to it.'),
}, { check: (backend) => needsPort(backend) ?? repeated(backend.filters ?? []) });
export interface HttpBackendRef extends Static<typeof HttpBackendRef> {}

const shortDuration = goDuration();

const Retry = message('k8s.gateway.v1.HTTPRouteRetry', {
  codes: optional(list(uint32({ minimum: 400, maximum: 599 })), 'Statuses that are tried again.'),
  attempts: optional(uint32({ minimum: 1, maximum: 1000 }), 'Retries; 1 when absent.'),
  backoff: optional(goDuration({ atLeastMs: 1 }), 'Least time between two tries.'),
});
export interface Retry extends Static<typeof Retry> {}

const SessionPersistence = message('k8s.gateway.v1.SessionPersistence', {
  sessionName: optional(string({ minLength: 1, maxBytes: 128, form: 'header-value' }), 'Name of the cookie or header; '
    + 'made from the route when absent.'),
  absoluteTimeout: optional(shortDuration, 'Life of a permanent cookie.'),
  type: optional(enumeration(['Cookie', 'Header']), 'Cookie when absent.'),
  cookieConfig: optional(message('k8s.gateway.v1.CookieConfig', {
    lifetimeType: optional(enumeration(['Permanent', 'Session']), 'Session when absent: until the client forgets it.'),
  }), 'For Cookie.'),
}, {
  refused: { 'nobody remembers when a session was last used': ['idle_timeout'] },
  check: ({ absoluteTimeout, cookieConfig, type = 'Cookie' }) => {
    if (type === 'Header' && cookieConfig !== undefined) {
      return new Refusal('has no meaning: type is Header', ['cookieConfig']);
    }
    return cookieConfig?.lifetimeType === 'Permanent' && absoluteTimeout === undefined
      ? new Refusal('needs absoluteTimeout: lifetimeType is Permanent') : undefined;
  },
});
export interface SessionPersistence extends Static<typeof SessionPersistence> {}

const Timeouts = message('k8s.gateway.v1.HTTPRouteTimeouts', {
  request: optional(shortDuration, 'Whole request with its retries; 0s and absent: none.'),
  backendRequest: optional(shortDuration, 'Each try; 0s and absent: none.'),
}, {
  check: ({ request, backendRequest }) => {
    const [whole, each] = [goDurationMs(request ?? '0s') ?? 0, goDurationMs(backendRequest ?? '0s') ?? 0];
    return whole > 0 && each > whole ? new Refusal('must not be longer than request', ['backendRequest']) : undefined;
  },
});

export const HttpRouteRule = message('k8s.gateway.v1.HTTPRouteRule', {
  name: optional(objectName(), 'Name, in logs and spans.'),
  matches: optional(list(HttpRouteMatch, { max: 64 }), 'Any of these; everything when absent.'),
  filters: optional(list(HttpRouteFilter, { max: 16 }), 'What is done to the requests.'),
  backendRefs: optional(list(HttpBackendRef, { max: 16 }), 'Backends by weight; without any the answer is 500.'),
  timeouts: optional(Timeouts, 'Limits.'),
  retry: optional(Retry, 'Retries; the mesh default when absent.'),
  sessionPersistence: optional(SessionPersistence, 'Sessions that stay with their endpoint.'),
}, {
  check: ({ matches = [], filters = [], backendRefs = [] }) => {
    const twice = repeated(filters);
    if (twice !== undefined) return twice;
    if (backendRefs.length > 0 && filters.some(({ type }) => type === 'RequestRedirect')) {
      return new Refusal('must not be set beside RequestRedirect', ['backendRefs']);
    }
    const all = [...filters, ...backendRefs.flatMap((backend) => backend.filters ?? [])];
    const replaces = all.some(({ requestRedirect, urlRewrite }) =>
      (requestRedirect?.path ?? urlRewrite?.path)?.type === 'ReplacePrefixMatch');
    const isPrefix = matches.length <= 1 && (matches[0]?.path?.type ?? 'PathPrefix') === 'PathPrefix';
    return replaces && !isPrefix
      ? new Refusal('must be one PathPrefix for replacePrefixMatch', ['matches']) : undefined;
  },
});
export interface HttpRouteRule extends Static<typeof HttpRouteRule> {}

interface Ruled {
  readonly rules?: readonly { readonly name?: string }[];
}

function checkNames({ rules = [] }: Ruled): Refusal | undefined {
  const names = rules.flatMap(({ name }) => name ?? []);
  const at = names.findIndex((name, index) => names.indexOf(name) < index);
  return at < 0 ? undefined : new Refusal(`two rules are named '${names[at] ?? ''}'`, ['rules']);
}

export const HttpRoute = message('k8s.gateway.v1.HTTPRoute', {
  ...objectHead,
  spec: required(message('k8s.gateway.v1.HTTPRouteSpec', {
    ...routeHead,
    hostnames: optional(list(hostname(), { max: 16 }), "Hosts of requests; the listener's when absent. For Services "
      + 'they do not count.'),
    rules: optional(list(HttpRouteRule, { max: 16 }), 'Rules; one for everything when absent.'),
  }, { check: checkNames }), 'Rules.'),
});
export interface HttpRoute extends Static<typeof HttpRoute> {}

const MethodMatch = message('k8s.gateway.v1.GRPCMethodMatch', {
  type: optional(MATCH_TYPE, 'Exact when absent.'),
  service: optional(string({ maxBytes: 1024 }), 'Service; all when absent.'),
  method: optional(string({ maxBytes: 1024 }), 'Method; all when absent.'),
}, {
  check: ({ type = 'Exact', service, method }) => {
    if (service === undefined && method === undefined) return new Refusal('needs service or method');
    for (const [field, value] of [['service', service], ['method', method]] as const) {
      if (value === undefined) continue;
      const wrong = type === 'Exact' ? badWord(field, value) : badRegex({ type, value });
      if (wrong !== undefined) return new Refusal(wrong.reason, [field]);
    }
    return undefined;
  },
});

function badWord(field: 'service' | 'method', value: string): Refusal | undefined {
  const form = field === 'method' ? matching(/^[A-Za-z_][A-Za-z_0-9]*$/, 'a method of gRPC')
    : matching(/^\.?[a-zA-Z_][a-zA-Z_0-9]*(\.[a-zA-Z_][a-zA-Z_0-9]*)*$/, 'a service of gRPC');
  const node = form['~node'];
  const found = node.kind === 'leaf' ? node.read(value) : undefined;
  return found instanceof Refusal ? found : undefined;
}

export const GrpcRouteMatch = message('k8s.gateway.v1.GRPCRouteMatch', {
  method: optional(MethodMatch, 'Method; all when absent.'),
  headers: optional(list(ValueMatch, { max: 16 }), 'All of these.'),
});
export interface GrpcRouteMatch extends Static<typeof GrpcRouteMatch> {}

export const GrpcBackendRef = message('k8s.gateway.v1.GRPCBackendRef', {
  ...backendFields,
  filters: optional(list(GrpcRouteFilter, { max: 16 }), 'For requests to it.'),
}, { check: (backend) => needsPort(backend) ?? repeated(backend.filters ?? []) });

export const GrpcRouteRule = message('k8s.gateway.v1.GRPCRouteRule', {
  name: optional(objectName(), 'Name, in logs and spans.'),
  matches: optional(list(GrpcRouteMatch, { max: 64 }), 'Any of these; everything when absent.'),
  filters: optional(list(GrpcRouteFilter, { max: 16 }), 'What is done to the requests.'),
  backendRefs: optional(list(GrpcBackendRef, { max: 16 }), 'Backends by weight; without any there is no answer.'),
  sessionPersistence: optional(SessionPersistence, 'Sessions that stay with their endpoint.'),
}, { check: ({ filters = [] }) => repeated(filters) });
export interface GrpcRouteRule extends Static<typeof GrpcRouteRule> {}

export const GrpcRoute = message('k8s.gateway.v1.GRPCRoute', {
  ...objectHead,
  spec: required(message('k8s.gateway.v1.GRPCRouteSpec', {
    ...routeHead,
    hostnames: optional(list(hostname(), { max: 16 }), "Hosts of requests; the listener's when absent."),
    rules: optional(list(GrpcRouteRule, { max: 16 }), 'Rules; one for everything when absent.'),
  }, { check: checkNames }), 'Rules.'),
});
export interface GrpcRoute extends Static<typeof GrpcRoute> {}
