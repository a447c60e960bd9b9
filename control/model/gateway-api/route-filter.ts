// What rules of HTTPRoute and GRPCRoute do to requests on their way (gateway.networking.k8s.io).
import { bool, enumeration, headerName, headerValue, string, uint32 } from '../../../proxy/config/scalar.ts';
import {
  atMostOne, list, message, optional, Refusal, required, type Static,
} from '../../../proxy/config/schema.ts';
import { matching } from '../scalar.ts';
import { BackendObjectRef, LocalObjectRef, portNumber, preciseHostname } from './reference.ts';

const HttpHeader = message('k8s.gateway.v1.HTTPHeader', {
  name: required(headerName(), 'Name.'),
  value: required(headerValue(), 'Value.'),
});

export const HeaderFilter = message('k8s.gateway.v1.HTTPHeaderFilter', {
  set: optional(list(HttpHeader, { max: 16 }), 'Put in place of what is there.'),
  add: optional(list(HttpHeader, { max: 16 }), 'Added to what is there.'),
  remove: optional(list(headerName(), { max: 16 }), 'Taken away.'),
});
export interface HeaderFilter extends Static<typeof HeaderFilter> {}

export const MirrorFilter = message('k8s.gateway.v1.HTTPRequestMirrorFilter', {
  backendRef: required(BackendObjectRef, 'Where the copies go.'),
  percent: optional(uint32({ maximum: 100 }), 'Share of requests that are copied; all when absent.'),
  fraction: optional(message('k8s.gateway.v1.Fraction', {
    numerator: required(uint32(), 'Of the denominator.'),
    denominator: optional(uint32({ minimum: 1 }), '100 when absent.'),
  }, {
    check: ({ numerator, denominator = 100 }) => (numerator <= denominator ? undefined
      : new Refusal('must not be more than the denominator', ['numerator'])),
  }), 'The same as a fraction.'),
}, { oneOf: [atMostOne('percent', 'fraction')] });
export interface MirrorFilter extends Static<typeof MirrorFilter> {}

const PathModifier = message('k8s.gateway.v1.HTTPPathModifier', {
  type: required(enumeration(['ReplaceFullPath', 'ReplacePrefixMatch']), 'Which of the two.'),
  replaceFullPath: optional(string({ form: 'header-value', maxBytes: 1024 }), 'The whole new path.'),
  replacePrefixMatch: optional(string({ form: 'header-value', maxBytes: 1024 }), 'What replaces the matched prefix.'),
}, {
  check: ({ type, replaceFullPath, replacePrefixMatch }) => {
    const isFull = type === 'ReplaceFullPath';
    if ((isFull ? replaceFullPath : replacePrefixMatch) === undefined) {
      return new Refusal(`needs ${isFull ? 'replaceFullPath' : 'replacePrefixMatch'}: type is ${type}`);
    }
    return (isFull ? replacePrefixMatch : replaceFullPath) === undefined ? undefined
      : new Refusal(`has no meaning: type is ${type}`, [isFull ? 'replacePrefixMatch' : 'replaceFullPath']);
  },
});
export interface PathModifier extends Static<typeof PathModifier> {}

export const RedirectFilter = message('k8s.gateway.v1.HTTPRequestRedirectFilter', {
  scheme: optional(enumeration(['http', 'https']), 'New scheme.'),
  hostname: optional(preciseHostname(), 'New host.'),
  path: optional(PathModifier, 'New path.'),
  port: optional(portNumber(), "New port; the scheme's, else the listener's, when absent."),
  statusCode: optional(uint32(), '301, 302 (default), 303, 307 or 308.'),
}, {
  check: ({ statusCode = 302 }) => ([301, 302, 303, 307, 308].includes(statusCode)
    ? undefined : new Refusal('must be one of 301, 302, 303, 307, 308', ['statusCode'])),
});
export interface RedirectFilter extends Static<typeof RedirectFilter> {}

export const RewriteFilter = message('k8s.gateway.v1.HTTPURLRewriteFilter', {
  hostname: optional(preciseHostname(), 'New authority.'),
  path: optional(PathModifier, 'New path.'),
});
export interface RewriteFilter extends Static<typeof RewriteFilter> {}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

export const CorsFilter = message('k8s.gateway.v1.HTTPCORSFilter', {
  allowOrigins: optional(list(matching(/^\*$|^https?:\/\/((\*\.)?([a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(:[0-9]{1,5})?$/,
    "an origin, such as https://*.example.com, or '*'"), { max: 64 }), 'Origins that may.'),
  allowMethods: optional(list(enumeration([...METHODS, '*']), { max: 9 }), 'Methods.'),
  allowHeaders: optional(list(headerName(), { max: 64 }), 'Request headers.'),
  exposeHeaders: optional(list(headerName(), { max: 64 }), 'Response headers that scripts may read.'),
  maxAge: optional(uint32({ minimum: 1 }), 'Seconds that a preflight answer holds; 5 when absent.'),
  allowCredentials: optional(bool(), 'Cookies and authorization may be sent. Default false.'),
});
export interface CorsFilter extends Static<typeof CorsFilter> {}

const headers = list(string({ minLength: 1 }), { max: 64 });

const ExternalAuthFilter = message('k8s.gateway.v1.HTTPExternalAuthFilter', {
  protocol: required(enumeration(['HTTP', 'GRPC']), 'How the service is asked.'),
  backendRef: required(BackendObjectRef, 'The service.'),
  grpc: optional(message('k8s.gateway.v1.GRPCAuthConfig', {
    allowedHeaders: optional(headers, 'Headers that it is told.'),
  }), 'For GRPC.'),
  http: optional(message('k8s.gateway.v1.HTTPAuthConfig', {
    path: optional(string(), 'Before the path of the request.'),
    allowedHeaders: optional(headers, 'Headers that it is told.'),
    allowedResponseHeaders: optional(headers, 'Headers of its answer that the backend is told.'),
  }), 'For HTTP.'),
  forwardBody: optional(message('k8s.gateway.v1.ForwardBodyConfig', {
    maxSize: optional(uint32(), 'Bytes.'),
  }), 'It is told the body.'),
});

const FIELDS = {
  RequestHeaderModifier: 'requestHeaderModifier', ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror', RequestRedirect: 'requestRedirect', URLRewrite: 'urlRewrite',
  ExtensionRef: 'extensionRef', CORS: 'cors', ExternalAuth: 'externalAuth',
} as const;
const TYPES = Object.keys(FIELDS) as (keyof typeof FIELDS)[];
const GRPC_TYPES = ['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestMirror', 'ExtensionRef'] as const;

const shared = {
  requestHeaderModifier: optional(HeaderFilter, 'Headers on the way to the backend.'),
  responseHeaderModifier: optional(HeaderFilter, 'Headers on the way back.'),
  requestMirror: optional(MirrorFilter, 'Copies to another backend, whose answers nobody hears.'),
  extensionRef: optional(LocalObjectRef, 'A filter of another kind; none is known, and the requests get 500.'),
};

export const HttpRouteFilter = message('k8s.gateway.v1.HTTPRouteFilter', {
  type: required(enumeration(TYPES), 'Which of the following is set.'),
  ...shared,
  requestRedirect: optional(RedirectFilter, 'Answer with a redirect.'),
  urlRewrite: optional(RewriteFilter, 'Change of path or authority.'),
  cors: optional(CorsFilter, 'Cross-origin rules.'),
  externalAuth: optional(ExternalAuthFilter, 'Ask a service; not supported: the rule is not accepted.'),
}, { check: agrees });
export interface HttpRouteFilter extends Static<typeof HttpRouteFilter> {}

export const GrpcRouteFilter = message('k8s.gateway.v1.GRPCRouteFilter', {
  type: required(enumeration(GRPC_TYPES), 'Which of the following is set.'),
  ...shared,
}, { check: agrees });
export interface GrpcRouteFilter extends Static<typeof GrpcRouteFilter> {}

/** The field of the type is set, and no other. */
function agrees(filter: { readonly type: keyof typeof FIELDS }): Refusal | undefined {
  const field = FIELDS[filter.type];
  if (!Object.hasOwn(filter, field)) return new Refusal(`needs ${field}: type is ${filter.type}`);
  const other = Object.keys(filter).find((key) => key !== 'type' && key !== field);
  return other === undefined ? undefined : new Refusal(`has no meaning: type is ${filter.type}`, [other]);
}

/** Of types that may stand once in a list. */
export function repeated(filters: readonly HttpRouteFilter[] | readonly GrpcRouteFilter[]): Refusal | undefined {
  const seen = new Set<string>();
  for (const [at, { type }] of filters.entries()) {
    if (seen.has(type) && type !== 'RequestMirror' && type !== 'ExtensionRef') {
      return new Refusal(`stands twice: ${type}`, ['filters', at]);
    }
    seen.add(type);
  }
  if (!seen.has('RequestRedirect') || !seen.has('URLRewrite')) return undefined;
  return new Refusal('has RequestRedirect and URLRewrite; must have one of them', ['filters']);
}
