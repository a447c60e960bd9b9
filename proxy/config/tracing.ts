// Tracing: who gets the spans and what is on them (envoy.config.trace.v3, envoy.type.tracing.v3).
import { HttpUri } from './http-uri.ts';
import { MetadataKey, MetadataKind } from './metadata-key.ts';
import { bool, enumeration, headerName, string } from './scalar.ts';
import { any, exactlyOne, message, optional, Refusal, required, type Static } from './schema.ts';

export const CustomTagLiteral = message('envoy.type.tracing.v3.CustomTag.Literal', {
  value: required(string({ minLength: 1 }), 'The value.'),
});

export const CustomTagEnvironment = message('envoy.type.tracing.v3.CustomTag.Environment', {
  name: required(string({ minLength: 1 }), 'Environment variable of the proxy.'),
  defaultValue: optional(string(), 'Where it is not set; empty: no tag.'),
});

export const CustomTagHeader = message('envoy.type.tracing.v3.CustomTag.Header', {
  name: required(headerName(), 'Request header.'),
  defaultValue: optional(string(), 'Where it is absent; empty: no tag.'),
});

export const CustomTagMetadata = message('envoy.type.tracing.v3.CustomTag.Metadata', {
  kind: required(MetadataKind, 'Whose metadata.'),
  metadataKey: required(MetadataKey, 'Where the value is.'),
  defaultValue: optional(string(), 'Where it is absent; empty: no tag.'),
});

export const CustomTag = message('envoy.type.tracing.v3.CustomTag', {
  tag: required(string({ minLength: 1 }), 'Name of the tag.'),
  literal: optional(CustomTagLiteral, 'A fixed value.'),
  environment: optional(CustomTagEnvironment, 'From the environment.'),
  requestHeader: optional(CustomTagHeader, 'From a request header.'),
  metadata: optional(CustomTagMetadata, 'From metadata: texts as they are, all else as JSON.'),
}, {
  refused: { 'a tag is a literal, or from environment, request header or metadata': ['value'] },
  warned: { 'tags are text': ['value_type'] },
  oneOf: [exactlyOne('literal', 'environment', 'request_header', 'metadata', 'value')],
});
export interface CustomTag extends Static<typeof CustomTag> {}

const CollectorService = message('envoy.config.core.v3.HttpService', {
  httpUri: required(HttpUri, 'Where spans are sent.'),
}, {
  refused: { 'spans are sent without headers of their own': ['request_headers_to_add', 'formatters'] },
});

export const ZipkinConfig = message('envoy.config.trace.v3.ZipkinConfig', {
  collectorCluster: optional(string({ minLength: 1 }), 'Cluster of the collector.'),
  collectorEndpoint: optional(string({ minLength: 1 }), 'Path, usually /api/v2/spans.'),
  collectorEndpointVersion: optional(enumeration(['HTTP_JSON'], {
    refused: {
      HTTP_PROTO: 'spans are sent as JSON; use HTTP_JSON',
      GRPC: 'spans are sent as JSON; use HTTP_JSON',
      DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE: 'use HTTP_JSON',
    },
    numbers: { HTTP_JSON: 1, HTTP_PROTO: 2, GRPC: 3 },
  }), 'Default HTTP_JSON.'),
  collectorHostname: optional(string(), 'Host header of the exports; default the cluster name.'),
  traceId128bit: optional(bool(), 'New trace ids have 128 bits; default false, 64 bits.', 'trace_id_128bit'),
  sharedSpanContext: optional(bool(), 'Client and server share one span id, as B3 allows; default true.'),
  traceContextOption: optional(
    enumeration(['USE_B3', 'USE_B3_WITH_W3C_PROPAGATION']),
    'Headers that carry the context; default USE_B3.',
  ),
}, {
  legacy: { collectorService: optional(CollectorService, 'collector_cluster, collector_endpoint and _hostname') },
  // The newer place for the collector goes before the older ones.
  fold: (value, { collectorService }) => {
    if (collectorService === undefined) return undefined;
    const { cluster, uri } = collectorService.httpUri;
    const [, host = '', path = ''] = /^(?:[a-z]+:\/\/)?([^/]*)(\/.*)?$/i.exec(uri) ?? [];
    if (path === '') return new Refusal('needs a path', ['collectorService', 'httpUri', 'uri']);
    Object.assign(value, { collectorCluster: cluster, collectorEndpoint: path, collectorHostname: host });
    return undefined;
  },
  warned: {
    'spawn_upstream_span says it': ['split_spans_for_request'],
    'trace ids are random': ['timestamp_trace_ids'],
  },
  check: ({ collectorCluster, collectorEndpoint }) => (collectorCluster === undefined || collectorEndpoint === undefined
    ? new Refusal('needs collector_service, or collector_cluster and collector_endpoint') : undefined),
});
export interface ZipkinConfig extends Static<typeof ZipkinConfig> {}

export const TracingProvider = message('envoy.config.trace.v3.Tracing.Http', {
  name: required(string({ minLength: 1 }), 'Free name, usually envoy.tracers.zipkin.'),
  typedConfig: required(any('tracing provider', [ZipkinConfig], {
    'envoy.config.trace.v3.OpenTelemetryConfig': 'spans are sent in Zipkin\'s form only: none are sent',
  }), 'Who gets the spans.'),
});
export interface TracingProvider extends Static<typeof TracingProvider> {}
