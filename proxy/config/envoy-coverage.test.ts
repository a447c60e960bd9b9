// Holds the data model against Envoy's own protos, as the package @grpc/grpc-js-xds ships them.
import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import protobuf from 'protobufjs';
import { camelCase } from './schema.ts';
import type { MessageNode, MessageSchema, Schema } from './schema.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const DEPS = fileURLToPath(new URL('../../node_modules/@grpc/grpc-js-xds/deps/', import.meta.url));
const INCLUDES = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((folder) => join(DEPS, folder));
/** descriptor.proto, whose options the validation rules extend. */
const PROTOBUF = fileURLToPath(new URL('../../node_modules/protobufjs/', import.meta.url));

const FOLDERS = [
  'config/{ratelimit,core,route,listener,cluster,endpoint,bootstrap,rbac,accesslog,trace}/v3',
  'type/{,matcher/,tracing/}v3',
  'extensions/access_loggers/{file,stream}/v3',
  'extensions/filters/{http,listener,common}/{router,buffer,oauth2,rbac,fault,cors,grpc_stats,grpc_web,*_inspector}/v3',
  'extensions/{filters/listener,transport_sockets}/proxy_protocol/v3',
  'extensions/filters/http/jwt_authn/v3',
  'extensions/{filters/http/credential_injector,http/injected_credentials/{generic,oauth2}}/v3',
  'extensions/{common/ratelimit,filters/http/local_ratelimit,filters/http/ratelimit}/v3',
  'extensions/filters/http/ext_authz/v3',
  'extensions/{filters/http/stateful_session,http/stateful_session/{cookie,header}}/v3',
  'extensions/filters/network/{rbac,http_connection_manager,tcp_proxy,connection_limit,local_ratelimit}/v3',
  'extensions/{transport_sockets/tls,transport_sockets/raw_buffer,upstreams/http,request_id/uuid}/v3',
  'extensions/path/{match,rewrite}/uri_template/v3',
  'extensions/load_balancing_policies/{common,round_robin,least_request,random}/v3',
  'extensions/load_balancing_policies/{ring_hash,maglev,subset,wrr_locality}/v3',
  'extensions/network/dns_resolver/{cares,getaddrinfo}/v3',
  'extensions/{retry/host/previous_hosts,http/header_formatters/preserve_case}/v3',
  'extensions/internal_redirect/{allow_listed_routes,previous_routes,safe_cross_scheme}/v3',
];

/** Fields of Envoy 1.40, which is newer than the shipped protos; a name that is neither here nor there is a typo. */
const NEWER_FIELDS = [
  ['Admin', 'allow_paths'],
  ['BindConfig', 'validate_network_namespaces'],
  ['Bootstrap', 'enable_worker_cpu_affinity stats_eviction_interval'],
  ['CertificateValidationContext', 'suppress_client_ca_list'],
  ['CircuitBreakers.Thresholds.RetryBudget', 'budget_interval'],
  ['Cluster', 'dns_jitter per_connection_buffer_high_watermark_timeout queuing_policies stats_matcher'],
  ['Cluster', 'transport_socket_matcher'],
  ['CaresDnsResolverConfig', 'edns0_max_payload_size max_udp_channel_duration query_timeout_seconds query_tries'],
  ['CaresDnsResolverConfig', 'reinit_channel_on_timeout rotate_nameservers'],
  ['GetAddrInfoDnsResolverConfig', 'num_resolver_threads num_retries'],
  ['CommonTlsContext', 'custom_tls_certificate_selector'],
  ['CustomTag', 'value value_type'],
  ['DirectResponseAction', 'body_format'],
  ['DownstreamTlsContext', 'prefer_client_ciphers'],
  ['Endpoint', 'observability_name'],
  ['CheckSettings', 'emit_client_span grpc_service http_service'],
  ['ExtAuthz', 'clear_route_cache_headers emit_client_span emit_filter_state_stats enforce_response_header_limits'],
  ['ExtAuthz', 'filter_metadata max_denied_response_body_bytes shadow_mode'],
  ['HttpService', 'formatters path_override retry_policy'],
  ['FaultAbort', 'response_body'],
  ['Http1ProtocolOptions', 'ignore_http_11_upgrade'],
  ['Http2ProtocolOptions', 'disallow_obs_text enable_huffman_encoding max_header_field_size_kb max_metadata_size'],
  ['Http2ProtocolOptions', 'stream_reset_burst stream_reset_rate'],
  ['Generic', 'header_value_prefix'],
  ['OAuth2', 'endpoint_params'],
  ['GenericSecret', 'secrets'],
  ['HttpConnectionManager.SetCurrentClientCertDetails', 'format issuer'],
  ['HttpConnectionManager.Tracing', 'no_context_propagation operation upstream_operation'],
  ['HttpConnectionManager', 'drain_timeout_jitter forward_client_cert_matcher forward_proto_config'],
  ['HttpConnectionManager', 'http1_safe_max_connection_duration record_route_resolution_stats stream_flush_timeout'],
  ['HttpProtocolOptions', 'hash_policy max_connection_duration_jitter max_response_headers_kb outlier_detection'],
  ['HttpProtocolOptions', 'request_mirror_policies retry_policy'],
  ['JwtAuthentication', 'stat_prefix'],
  ['JwtCacheConfig', 'jwt_max_token_size'],
  ['JwtClaimToHeader', 'claim_path'],
  ['JwtRequirement', 'extract_only_without_validation'],
  ['LocalRateLimit', 'enable_retry_after_header max_dynamic_descriptors rate_limits'],
  ['LocalRateLimitDescriptor', 'shadow_mode'],
  ['LocalityLbConfig.ZoneAwareLbConfig', 'force_local_zone force_locality_direct_routing locality_basis'],
  ['Listener', 'fcds_config per_connection_buffer_high_watermark_timeout stats_matcher tcp_keepalive'],
  ['OAuth2Config', 'allow_failed_matcher allowed_redirect_domains code_verifier_token_expires_in cookie_configs'],
  ['OAuth2Config', 'csrf_token_expires_in disable_access_token_set_cookie disable_refresh_token_set_cookie'],
  ['OAuth2Config', 'disable_token_encryption end_session_endpoint forward_id_token original_request_uri'],
  ['OAuth2Config', 'post_logout_redirect_uri private_key_jwt_config retry_policy stat_prefix token_cookie_chunking'],
  ['OAuth2Config', 'use_access_token_expiry_for_id_token_cookie'],
  ['OAuth2Credentials', 'cookie_domain'],
  ['OutlierDetection', 'detect_degraded_hosts'],
  ['Permission', 'sourced_metadata'],
  ['Policy', 'cel_config'],
  ['ConsistentHashingLbConfig', 'hash_policy'],
  ['Principal', 'custom sourced_metadata'],
  ['RBAC', 'delay_deny'],
  ['ProxyProtocol', 'tlv_location'],
  ['ProxyProtocolConfig', 'added_tlvs'],
  ['ProxyProtocolUpstreamTransport', 'allow_unspecified_address tlv_as_pool_key'],
  ['RateLimit', 'enable_retry_after_header failure_mode_deny_percent filter_enabled filter_enforced'],
  ['RateLimit', 'metadata_namespace rate_limits'],
  ['RateLimit', 'apply_on_stream_done hits_addend x_ratelimit_option'],
  ['RateLimit.Action', 'query_parameters remote_address_match'],
  ['RateLimit.Action.GenericKey', 'default_value'],
  ['RateLimit.Action.HeaderValueMatch', 'default_value'],
  ['RateLimit.Action.QueryParameterValueMatch', 'default_value'],
  ['RedirectAction', 'path_rewrite'],
  ['RetryPolicy', 'refresh_cluster_on_retry'],
  ['Route', 'request_body_buffer_limit route_specifiers'],
  ['RouteAction', 'flush_timeout host_rewrite path_rewrite'],
  ['RouteAction.RequestMirrorPolicy', 'host_rewrite_literal request_headers_mutations'],
  ['Cookie', 'attributes'],
  ['SPIFFECertValidatorConfig', 'trust_bundles'],
  ['SPIFFECertValidatorConfig.TrustDomain', 'workload_trust_domain'],
  ['StatefulSession', 'stat_prefix status_on_strict_destination_not_found'],
  ['RouteConfiguration', 'route_specifiers vhost_header'],
  ['RouteMatch', 'cookies filter_state'],
  ['Router', 'reject_connect_request_early_data'],
  ['SocketAddress', 'network_namespace_filepath'],
  ['TcpProxy', 'backoff_options check_drain_close max_downstream_connection_duration_jitter_percentage'],
  ['TcpProxy', 'max_early_data_bytes proxy_protocol_tlv_merge_policy proxy_protocol_tlvs upstream_connect_mode'],
  ['TlsCertificate', 'tls_params'],
  ['TlsInspector', 'close_connection_on_client_hello_parsing_errors enable_ja4_fingerprinting max_client_hello_size'],
  ['TlsParameters', 'compliance_policies'],
  ['UpstreamTlsContext', 'auto_host_sni auto_sni_san_validation'],
  ['VirtualHost', 'request_body_buffer_limit route_specifiers'],
  ['WeightedCluster', 'use_hash_policy'],
  ['ZipkinConfig', 'collector_service timestamp_trace_ids trace_context_option'],
] as const;

/** Fields whose type is another one in Envoy 1.40. */
const CHANGED: ReadonlySet<string> = new Set([
  'envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute.rate_limits',
]);

const NEWER: ReadonlySet<string> = new Set([
  ...NEWER_FIELDS.flatMap(([message, fields]) => fields.split(' ').map((field) => `${message}.${field}`)),
  'Op.NE',
]);

describe('data model against Envoy', () => {
  const messages = new Map<string, MessageNode[]>();
  let root: protobuf.Root;

  before(async () => {
    root = loadProtos();
    for (const file of globSync('*.ts', { cwd: HERE, exclude: ['*.test.ts', 'wire*.ts'] })) {
      const exports = await import(pathToFileURL(join(HERE, file)).href) as Record<string, unknown>;
      for (const value of Object.values(exports)) if (isSchema(value)) collect(value, messages);
    }
  });

  test('every field of every declared message is honoured, warned about or refused', () => {
    const missing: string[] = [];
    for (const [type, node] of declared()) {
      for (const { name } of type.fieldsArray) if (!node.spellings.has(name)) missing.push(`${node.name}.${name}`);
    }
    assert.deepEqual(missing, []);
  });

  test('no declared name is invented', () => {
    const invented = new Set<string>();
    for (const [type, node] of declared()) {
      for (const { snake } of node.spellings.values()) {
        const name = `${shortName(node)}.${snake}`;
        if (type.fields[snake] === undefined && !NEWER.has(name)) invented.add(name);
      }
    }
    assert.deepEqual([...invented].toSorted(), []);
  });

  test('JSON names are those of protobuf', () => {
    for (const [, node] of declared()) {
      for (const { key, snake } of node.spellings.values()) assert.equal(key, camelCase(snake), node.name);
    }
  });

  test('fields have the kind of value that Envoy gives them', () => {
    const wrong: string[] = [];
    for (const [type, node] of declared()) {
      for (const spelling of node.spellings.values()) {
        const field = type.fields[spelling.snake];
        if ('reason' in spelling || field === undefined || CHANGED.has(`${node.name}.${spelling.snake}`)) continue;
        const fault = kindFault(field.resolve(), spelling.field.schema);
        if (fault !== undefined) wrong.push(`${node.name}.${spelling.snake}: ${fault}`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  test('enum names exist, and oneofs are whole', () => {
    for (const [type, node] of declared()) {
      for (const { members } of node.groups) {
        const oneof = members.map((member) => type.fields[member]?.partOf ?? undefined).find(Boolean);
        const absent = oneof?.fieldsArray.filter(({ name }) => !members.includes(name)).map(({ name }) => name) ?? [];
        assert.deepEqual(absent, [], `${node.name} ${oneof?.name ?? ''}`);
      }
    }
  });

  /** Declared messages with their protobuf type; those that the shipped protos do not know are left out. */
  function* declared(): Iterable<[protobuf.Type, MessageNode]> {
    let count = 0;
    for (const [name, nodes] of messages) {
      const type = root.lookup(name);
      if (!(type instanceof protobuf.Type)) continue;
      for (const node of nodes) {
        count++;
        yield [type, node];
      }
    }
    assert.ok(count > 130, `only ${count} messages were compared`);
  }
});

function shortName(node: MessageNode): string {
  return node.name.replace(/^.*\.v[0-9]\w*\./, '');
}

/** Resolves imports in the shipped folders; opencensus, which they lack, is left out with what needs it. */
function loadProtos(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    if (target.includes('opencensus')) return null;
    const candidates = [...INCLUDES, PROTOBUF].map((folder) => join(folder, target));
    return [target, ...candidates].find((path) => existsSync(path)) ?? null;
  };
  const files = FOLDERS.flatMap((folder) => globSync(`envoy-api/envoy/${folder}/*.proto`, { cwd: DEPS }));
  root.loadSync(files.map((file) => join(DEPS, file)), { keepCase: true });
  return root;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && '~node' in value;
}

function collect(schema: Schema, into: Map<string, MessageNode[]>): void {
  const node = schema['~node'];
  if (node.kind === 'list') collect(node.item, into);
  else if (node.kind === 'map') collect(node.value, into);
  else if (node.kind === 'recursive') collect(node.target(), into);
  else if (node.kind === 'any') for (const message of node.messages.values()) collect(message, into);
  else if (node.kind === 'message') {
    const known = into.get(node.name) ?? [];
    if (known.includes(node)) return;
    into.set(node.name, [...known, node]);
    for (const spelling of node.spellings.values()) if ('field' in spelling) collect(spelling.field.schema, into);
  }
}

const WELL_KNOWN: Readonly<Record<string, string>> = {
  BoolValue: 'boolean', UInt32Value: 'integer', UInt64Value: 'integer', DoubleValue: 'number',
  Duration: 'string', Struct: 'object',
};
const SCALARS: Readonly<Record<string, string>> = {
  bool: 'boolean', string: 'string', bytes: 'string', double: 'number',
};

/** What is wrong with a field's schema; undefined when nothing is. */
function kindFault(field: protobuf.Field, schema: Schema): string | undefined {
  if (field instanceof protobuf.MapField) return entryFault(field, schema, 'map');
  return field.repeated ? entryFault(field, schema, 'list') : valueFault(field, schema);
}

function entryFault(field: protobuf.Field, schema: Schema, kind: 'map' | 'list'): string | undefined {
  const node = schema['~node'];
  if (node.kind !== kind) return `must be a ${kind}`;
  return valueFault(field, node.kind === 'list' ? node.item : node.kind === 'map' ? node.value : schema);
}

function valueFault({ type, resolvedType }: protobuf.Field, schema: Schema): string | undefined {
  const node = schema['~node'].kind === 'recursive' ? schema['~node'].target()['~node'] : schema['~node'];
  const { type: keyword, enum: values } = schema as unknown as { type?: string; enum?: string[] };
  if (resolvedType instanceof protobuf.Enum) {
    const isUnknown = (value: string): boolean =>
      resolvedType.values[value] === undefined && !NEWER.has(`${resolvedType.name}.${value}`);
    const unknown = values?.filter(isUnknown) ?? ['(not an enum)'];
    return unknown.length === 0 ? undefined : `unknown values ${unknown.join(', ')}`;
  }
  if (resolvedType === null) {
    const expected = SCALARS[type] ?? 'integer';
    return keyword === expected ? undefined : `must be ${expected}, is ${keyword}`;
  }
  if (resolvedType.name === 'Any') return node.kind === 'any' ? undefined : 'must be any';
  const wellKnown = resolvedType.fullName.startsWith('.google.protobuf.') ? WELL_KNOWN[resolvedType.name] : undefined;
  if (wellKnown !== undefined) return keyword === wellKnown ? undefined : `must be ${wellKnown}`;
  if (node.kind === 'leaf') {
    return resolvedType.fieldsArray.length === 0 ? undefined : `must be ${resolvedType.fullName}`;
  }
  const name = (schema as MessageSchema)['~name'] ?? (node.kind === 'message' ? node.name : '');
  return `.${name}` === resolvedType.fullName ? undefined : `must be ${resolvedType.fullName}, is ${name}`;
}
