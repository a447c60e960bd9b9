// Makes the protobuf schema of xDS from the .proto files that a development dependency ships (design.md section 3).
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import protobuf from 'protobufjs';
import type { SchemaFile } from '../proxy/config/wire-schema.ts';
import { ISTIO_ALPN, ISTIO_STATS, PEER_METADATA } from './istio-schema.ts';
import { NAME_TABLE, NAME_TABLE_FILE } from './name-table-schema.ts';

const PROTO_PACKAGE = '@grpc/grpc-js-xds';
const INCLUDE = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'];

/** What configuration may hold and its services; what these import comes with them. */
const PROTO_FILES = [
  'envoy/service/discovery/v3/ads.proto',
  'envoy/service/ratelimit/v3/rls.proto',
  'envoy/service/secret/v3/sds.proto',
  'envoy/config/cluster/v3/cluster.proto',
  'envoy/config/endpoint/v3/endpoint.proto',
  'envoy/config/listener/v3/listener.proto',
  'envoy/config/rbac/v3/rbac.proto',
  'envoy/config/route/v3/route.proto',
  'envoy/config/trace/v3/opentelemetry.proto',
  'envoy/config/trace/v3/zipkin.proto',
  'envoy/extensions/access_loggers/file/v3/file.proto',
  'envoy/extensions/access_loggers/stream/v3/stream.proto',
  'envoy/extensions/filters/http/buffer/v3/buffer.proto',
  'envoy/extensions/filters/http/cors/v3/cors.proto',
  'envoy/extensions/filters/http/credential_injector/v3/credential_injector.proto',
  'envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto',
  'envoy/extensions/filters/http/fault/v3/fault.proto',
  'envoy/extensions/filters/http/grpc_stats/v3/config.proto',
  'envoy/extensions/filters/http/grpc_web/v3/grpc_web.proto',
  'envoy/extensions/filters/http/jwt_authn/v3/config.proto',
  'envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto',
  'envoy/extensions/filters/http/oauth2/v3/oauth.proto',
  'envoy/extensions/filters/http/on_demand/v3/on_demand.proto',
  'envoy/extensions/filters/http/ratelimit/v3/rate_limit.proto',
  'envoy/extensions/filters/http/rbac/v3/rbac.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
  'envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.proto',
  'envoy/extensions/filters/http/stateful_session/v3/stateful_session.proto',
  'envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto',
  'envoy/extensions/filters/listener/original_dst/v3/original_dst.proto',
  'envoy/extensions/filters/listener/original_src/v3/original_src.proto',
  'envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.proto',
  'envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.proto',
  'envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config.proto',
  ...['least_request', 'maglev', 'random', 'ring_hash', 'round_robin', 'subset', 'wrr_locality']
    .map((name) => `envoy/extensions/load_balancing_policies/${name}/v3/${name}.proto`),
  'envoy/extensions/path/match/uri_template/v3/uri_template_match.proto',
  'envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite.proto',
  'envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto',
  'envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto',
  'envoy/extensions/filters/network/connection_limit/v3/connection_limit.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit.proto',
  'envoy/extensions/filters/network/rbac/v3/rbac.proto',
  'envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto',
  'envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.proto',
  'envoy/extensions/network/dns_resolver/getaddrinfo/v3/getaddrinfo_dns_resolver.proto',
  'envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.proto',
  'envoy/extensions/http/injected_credentials/generic/v3/generic.proto',
  'envoy/extensions/http/injected_credentials/oauth2/v3/oauth2.proto',
  'envoy/extensions/http/stateful_session/cookie/v3/cookie.proto',
  'envoy/extensions/http/stateful_session/header/v3/header.proto',
  'envoy/extensions/request_id/uuid/v3/uuid.proto',
  'envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts.proto',
  'envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config.proto',
  'envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto',
  'envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto',
  'envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.proto',
  'envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto',
  'envoy/extensions/transport_sockets/tls/v3/secret.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.proto',
  'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
  'google/rpc/status.proto',
  'udpa/type/v1/typed_struct.proto',
  'xds/type/v3/typed_struct.proto',
];

/** Files that only declare options, which are dropped. */
const ANNOTATIONS =
  /^((validate|(udpa|xds|envoy)\/annotations)\/|google\/(protobuf\/descriptor|api\/annotations)\.)/;

/** Options that change how a field is read; all others are for other tools. */
const KEPT_OPTIONS = new Set(['packed', 'proto3_optional']);

const TLS = 'envoy.extensions.transport_sockets.tls.v3';
const CARES = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';
const ZIPKIN = 'envoy.config.trace.v3.ZipkinConfig';
const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3';

const CREDENTIALS = 'envoy.extensions.http.injected_credentials';
const OAUTH2 = `${CREDENTIALS}.oauth2.v3.OAuth2`;
const RBAC = 'envoy.config.rbac.v3';
const ZONE_AWARE = 'envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig';
const ROUTE = 'envoy.config.route.v3';
const RATE_LIMIT = `${ROUTE}.RateLimit`;
const GLOBAL_RATE_LIMIT = 'envoy.extensions.filters.http.ratelimit.v3';
const EXT_AUTHZ = 'envoy.extensions.filters.http.ext_authz.v3';
const SESSION = 'envoy.extensions.filters.http.stateful_session.v3';
const HTTP_TYPE = 'envoy.type.http.v3';
const RUNTIME_FRACTION = 'envoy.config.core.v3.RuntimeFractionalPercent';
const LOCAL_RATE_LIMIT = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';

/** Fields of the model that are newer than the .proto files: message, name, number, type. Numbers are Envoy 1.40's. */
const NEWER_FIELDS: readonly (readonly [string, string, number, string, rule?: 'repeated'])[] = [
  [ZIPKIN, 'collectorService', 9, 'envoy.config.core.v3.HttpService'],
  ['envoy.config.cluster.v3.Cluster', 'dnsJitter', 58, 'google.protobuf.Duration'],
  [CARES, 'queryTimeoutSeconds', 6, 'google.protobuf.UInt64Value'],
  [CARES, 'queryTries', 7, 'google.protobuf.UInt32Value'],
  [`${TLS}.UpstreamTlsContext`, 'autoHostSni', 6, 'bool'],
  [`${TLS}.UpstreamTlsContext`, 'autoSniSanValidation', 7, 'bool'],
  [ZIPKIN, 'traceContextOption', 8, `${ZIPKIN}.TraceContextOption`],
  [`${TCP_PROXY}.TcpProxy`, 'upstreamConnectMode', 21, `${TCP_PROXY}.UpstreamConnectMode`],
  [`${ROUTE}.VirtualHost`, 'requestBodyBufferLimit', 25, 'google.protobuf.UInt64Value'],
  [`${ROUTE}.Route`, 'requestBodyBufferLimit', 20, 'google.protobuf.UInt64Value'],
  [`${ROUTE}.RouteAction`, 'hostRewrite', 44, 'string'],
  [`${ROUTE}.RouteAction`, 'pathRewrite', 45, 'string'],
  [`${ROUTE}.RedirectAction`, 'pathRewrite', 10, 'string'],
  ['envoy.extensions.filters.http.oauth2.v3.OAuth2Config', 'endSessionEndpoint', 23, 'string'],
  ['envoy.extensions.filters.http.oauth2.v3.OAuth2Config', 'statPrefix', 22, 'string'],
  ['envoy.extensions.filters.http.fault.v3.FaultAbort', 'responseBody', 6, 'string'],
  [RATE_LIMIT, 'hitsAddend', 5, `${RATE_LIMIT}.HitsAddend`],
  [`${RATE_LIMIT}.Action`, 'queryParameters', 12, `${RATE_LIMIT}.Action.QueryParameters`],
  [`${RATE_LIMIT}.HitsAddend`, 'number', 1, 'google.protobuf.UInt64Value'],
  [`${RATE_LIMIT}.Action.QueryParameters`, 'queryParameterName', 1, 'string'],
  [`${RATE_LIMIT}.Action.QueryParameters`, 'descriptorKey', 2, 'string'],
  [`${RATE_LIMIT}.Action.QueryParameters`, 'skipIfAbsent', 3, 'bool'],
  [`${RBAC}.Permission`, 'sourcedMetadata', 14, `${RBAC}.SourcedMetadata`],
  [`${RBAC}.Principal`, 'sourcedMetadata', 13, `${RBAC}.SourcedMetadata`],
  [`${RBAC}.SourcedMetadata`, 'metadataMatcher', 1, 'envoy.type.matcher.v3.MetadataMatcher'],
  [`${RBAC}.SourcedMetadata`, 'metadataSource', 2, `${RBAC}.MetadataSource`],
  [ZONE_AWARE, 'forceLocalityDirectRouting', 4, 'bool'],
  [ZONE_AWARE, 'forceLocalZone', 5, `${ZONE_AWARE}.ForceLocalZone`],
  [ZONE_AWARE, 'localityBasis', 6, `${ZONE_AWARE}.LocalityBasis`],
  [`${ZONE_AWARE}.ForceLocalZone`, 'minSize', 1, 'google.protobuf.UInt32Value'],
  [`${CREDENTIALS}.generic.v3.Generic`, 'headerValuePrefix', 3, 'string'],
  [OAUTH2, 'endpointParams', 5, `${OAUTH2}.EndpointParameter`, 'repeated'],
  [`${OAUTH2}.EndpointParameter`, 'name', 1, 'string'],
  [`${OAUTH2}.EndpointParameter`, 'value', 2, 'string'],
  [LOCAL_RATE_LIMIT, 'rateLimits', 17, RATE_LIMIT, 'repeated'],
  [`${GLOBAL_RATE_LIMIT}.RateLimit`, 'filterEnabled', 14, RUNTIME_FRACTION],
  [`${GLOBAL_RATE_LIMIT}.RateLimit`, 'filterEnforced', 15, RUNTIME_FRACTION],
  [`${GLOBAL_RATE_LIMIT}.RateLimit`, 'rateLimits', 17, RATE_LIMIT, 'repeated'],
  [`${GLOBAL_RATE_LIMIT}.RateLimitPerRoute`, 'rateLimits', 3, RATE_LIMIT, 'repeated'],
  [`${EXT_AUTHZ}.ExtAuthz`, 'maxDeniedResponseBodyBytes', 30, 'uint32'],
  [`${EXT_AUTHZ}.HttpService`, 'pathOverride', 10, 'string'],
  [`${SESSION}.StatefulSession`, 'statPrefix', 3, 'string'],
  [`${SESSION}.StatefulSession`, 'statusOnStrictDestinationNotFound', 4, 'uint32'],
  [`${HTTP_TYPE}.Cookie`, 'attributes', 4, `${HTTP_TYPE}.CookieAttribute`, 'repeated'],
  [`${HTTP_TYPE}.CookieAttribute`, 'name', 1, 'string'],
  [`${HTTP_TYPE}.CookieAttribute`, 'value', 2, 'string'],
];

/** The enums of those fields: where they stand, their name and values. */
const NEWER_ENUMS: readonly (readonly [string, string, Record<string, number>])[] = [
  [RBAC, 'MetadataSource', { DYNAMIC: 0, ROUTE: 1 }],
  [ZONE_AWARE, 'LocalityBasis', { HEALTHY_HOSTS_NUM: 0, HEALTHY_HOSTS_WEIGHT: 1 }],
  [ZIPKIN, 'TraceContextOption', { USE_B3: 0, USE_B3_WITH_W3C_PROPAGATION: 1 }],
  [TCP_PROXY, 'UpstreamConnectMode', { IMMEDIATE: 0, ON_DOWNSTREAM_DATA: 1, ON_DOWNSTREAM_TLS_HANDSHAKE: 2 }],
];

/** The messages of those fields: where they stand, and their name. */
const NEWER_MESSAGES = [[RATE_LIMIT, 'HitsAddend'], [`${RATE_LIMIT}.Action`, 'QueryParameters'],
  [HTTP_TYPE, 'CookieAttribute'], [ZONE_AWARE, 'ForceLocalZone'], [RBAC, 'SourcedMetadata'],
  [OAUTH2, 'EndpointParameter']] as const;

/** Of weft's own messages: numbers are a promise, as in every .proto. */
const OIDC_LOGIN = {
  ClaimToHeader: { fields: { claim: { type: 'string', id: 1 }, header: { type: 'string', id: 2 } } },
  OidcLogin: {
    nested: { ClientAuthentication: { values: { AUTO: 0, CLIENT_SECRET_BASIC: 1, CLIENT_SECRET_POST: 2 } } },
    fields: {
      issuer: { type: 'string', id: 1 },
      clientId: { type: 'string', id: 2 },
      clientSecret: { type: `${TLS}.SdsSecretConfig`, id: 3 },
      cookieSecret: { type: `${TLS}.SdsSecretConfig`, id: 4 },
      trustedCa: { type: 'envoy.config.core.v3.DataSource', id: 5 },
      clientAuthentication: { type: 'ClientAuthentication', id: 6 },
      redirectPath: { type: 'string', id: 7 },
      logoutPath: { type: 'string', id: 8 },
      postLogoutPath: { type: 'string', id: 9 },
      scopes: { rule: 'repeated', type: 'string', id: 10 },
      resources: { rule: 'repeated', type: 'string', id: 11 },
      claimToHeaders: { rule: 'repeated', type: 'ClaimToHeader', id: 12 },
      claims: { rule: 'repeated', type: 'string', id: 13 },
      forwardAccessToken: { type: 'bool', id: 14 },
      withoutRefresh: { type: 'bool', id: 15 },
      withoutUserInfo: { type: 'bool', id: 16 },
      sessionDuration: { type: 'google.protobuf.Duration', id: 17 },
      cookieName: { type: 'string', id: 18 },
      passThroughMatcher: { rule: 'repeated', type: `${ROUTE}.HeaderMatcher`, id: 19 },
      denyRedirectMatcher: { rule: 'repeated', type: `${ROUTE}.HeaderMatcher`, id: 20 },
      timeout: { type: 'google.protobuf.Duration', id: 21 },
      statPrefix: { type: 'string', id: 22 },
    },
  },
} satisfies NonNullable<protobuf.INamespace['nested']>;

const OPENAPI = {
  Value: {
    nested: { Type: { values: { ANY: 0, STRING: 1, INTEGER: 2, NUMBER: 3, BOOLEAN: 4 } } },
    fields: {
      type: { type: 'Type', id: 1 },
      values: { rule: 'repeated', type: 'string', id: 2 },
      minimum: { type: 'google.protobuf.DoubleValue', id: 3 },
      maximum: { type: 'google.protobuf.DoubleValue', id: 4 },
      minLength: { type: 'google.protobuf.UInt32Value', id: 5 },
      maxLength: { type: 'google.protobuf.UInt32Value', id: 6 },
      pattern: { type: 'string', id: 7 },
    },
  },
  Parameter: {
    nested: {
      Place: { values: { UNKNOWN: 0, QUERY: 1, HEADER: 2, PATH: 3, COOKIE: 4 } },
      List: { values: { ONE: 0, REPEATED: 1, COMMAS: 2 } },
    },
    fields: {
      name: { type: 'string', id: 1 },
      place: { type: 'Place', id: 2 },
      isRequired: { type: 'bool', id: 3 },
      list: { type: 'List', id: 4 },
      value: { type: 'Value', id: 5 },
    },
  },
  Operation: {
    fields: {
      method: { type: 'string', id: 1 },
      parameters: { rule: 'repeated', type: 'Parameter', id: 2 },
      needsBody: { type: 'bool', id: 3 },
      contentTypes: { rule: 'repeated', type: 'string', id: 4 },
    },
  },
  Path: {
    fields: { template: { type: 'string', id: 1 }, operations: { rule: 'repeated', type: 'Operation', id: 2 } },
  },
  OpenApi: {
    fields: {
      name: { type: 'string', id: 1 },
      paths: { rule: 'repeated', type: 'Path', id: 2 },
      hosts: { rule: 'repeated', type: 'string', id: 3 },
      prefix: { type: 'string', id: 4 },
      dryRun: { type: 'bool', id: 5 },
      statPrefix: { type: 'string', id: 6 },
    },
  },
} satisfies NonNullable<protobuf.INamespace['nested']>;

/** Configuration of Envoy's peak EWMA, which is newer than the .proto files, under both of its names. */
const PEAK_EWMA = {
  PeakEwma: {
    fields: {
      decayTime: { type: 'google.protobuf.Duration', id: 1 },
      aggregationInterval: { type: 'google.protobuf.Duration', id: 2 },
      maxSamplesPerHost: { type: 'google.protobuf.UInt32Value', id: 3 },
      defaultRtt: { type: 'google.protobuf.Duration', id: 4 },
      penaltyValue: { type: 'google.protobuf.DoubleValue', id: 5 },
    },
  },
} satisfies NonNullable<protobuf.INamespace['nested']>;

/** Writes the schema to `file` unless one is there that was made from the same inputs; says whether it wrote. */
export function makeSchema(file: string): boolean {
  const packageFile = protoPackage();
  const inputs = hashOf([packageFile, findPackageJSON('protobufjs', import.meta.url) ?? '', import.meta.filename,
    NAME_TABLE_FILE]);
  if (isUpToDate(file, inputs)) return false;
  const content: SchemaFile = { inputs, schema: readProtos(join(dirname(packageFile), 'deps')) };
  mkdirSync(dirname(file), { recursive: true });
  // Renamed into place: a proxy that starts meanwhile must not read half of it.
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, JSON.stringify(content));
  renameSync(partial, file);
  return true;
}

function protoPackage(): string {
  try {
    const found = findPackageJSON(PROTO_PACKAGE, import.meta.url);
    if (found !== undefined) return found;
  } catch {
    // Said below.
  }
  throw new Error(`${PROTO_PACKAGE} is not installed, and the .proto files of xDS come with it: run "npm ci" with `
    + 'development dependencies. Without it proxies run from static files only');
}

/** The versions of the two packages stand in their package.json; this file holds the rest. */
function hashOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}

function isUpToDate(file: string, inputs: string): boolean {
  if (!existsSync(file)) return false;
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as Partial<SchemaFile>).inputs === inputs;
  } catch {
    return false;
  }
}

function readProtos(folder: string): protobuf.INamespace {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    if (ANNOTATIONS.test(target)) return null;
    return INCLUDE.map((name) => join(folder, name, target)).find((path) => existsSync(path)) ?? target;
  };
  root.loadSync(PROTO_FILES, { keepCase: false });
  root.addJSON({ stats: ISTIO_STATS });
  root.define('istio.envoy.config.filter.http.alpn.v2alpha1', ISTIO_ALPN.nested);
  root.define('io.istio.http.peer_metadata', PEER_METADATA.nested);
  root.define('istio.networking.nds.v1', NAME_TABLE);
  root.define('weft.filters.http.oidc_login.v1', OIDC_LOGIN);
  root.define('weft.filters.http.openapi.v1', OPENAPI);
  for (const version of ['v3', 'v3alpha']) {
    root.define(`envoy.extensions.load_balancing_policies.peak_ewma.${version}`, PEAK_EWMA);
  }
  for (const [where, name, values] of NEWER_ENUMS) {
    (root.lookup(where) as protobuf.Namespace).add(new protobuf.Enum(name, values));
  }
  for (const [where, name] of NEWER_MESSAGES) {
    const outer = root.lookup(where) as protobuf.Namespace;
    if (outer.get(name) === null) outer.add(new protobuf.Type(name));
  }
  for (const [where, ...field] of NEWER_FIELDS) addField(root.lookupType(where), ...field);
  root.resolveAll();
  const schema = root.toJSON({ keepComments: false });
  strip(schema);
  return schema;
}

/** Nothing is done where the .proto files have caught up; a type that has changed since is replaced. */
function addField(message: protobuf.Type, name: string, id: number, type: string, rule?: string): void {
  const known = message.fields[name];
  if (known !== undefined && type.includes('.') && !type.endsWith(known.type)) message.remove(known);
  if (message.fields[name] === undefined) message.add(new protobuf.Field(name, id, type, rule));
}

/** What reflection JSON holds beside what we read; fields, messages and enums are all of this form. */
interface Described {
  options?: Record<string, unknown>;
  protoName?: string;
  readonly nested?: Record<string, Described>;
  readonly fields?: Record<string, Described>;
}

/** Options are half of the file, and the snake_case names can be told from the camelCase ones. */
function strip(described: Described): void {
  delete described.protoName;
  const options = Object.entries(described.options ?? {}).filter(([name]) => KEPT_OPTIONS.has(name));
  if (options.length > 0) described.options = Object.fromEntries(options);
  else delete described.options;
  for (const part of Object.values(described.nested ?? {})) strip(part);
  for (const part of Object.values(described.fields ?? {})) strip(part);
}
