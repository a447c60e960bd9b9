// Tracing: who gets the spans and what is on them (envoy.config.trace.v3, envoy.type.tracing.v3).
import { bool, enumeration, headerName, string } from './scalar.ts';
import { any, exactlyOne, message, optional, required, type Static } from './schema.ts';

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

export const CustomTag = message('envoy.type.tracing.v3.CustomTag', {
  tag: required(string({ minLength: 1 }), 'Name of the tag.'),
  literal: optional(CustomTagLiteral, 'A fixed value.'),
  environment: optional(CustomTagEnvironment, 'From the environment.'),
  requestHeader: optional(CustomTagHeader, 'From a request header.'),
}, {
  refused: { 'a tag is a literal, an environment variable or a request header': ['metadata', 'value'] },
  warned: { 'tags are text': ['value_type'] },
  oneOf: [exactlyOne('literal', 'environment', 'request_header', 'metadata', 'value')],
});
export interface CustomTag extends Static<typeof CustomTag> {}

export const ZipkinConfig = message('envoy.config.trace.v3.ZipkinConfig', {
  collectorCluster: required(string({ minLength: 1 }), 'Cluster of the collector.'),
  collectorEndpoint: required(string({ minLength: 1 }), 'Path, usually /api/v2/spans.'),
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
  refused: { 'name the collector with collector_cluster and collector_endpoint': ['collector_service'] },
  warned: {
    'spawn_upstream_span says it': ['split_spans_for_request'],
    'trace ids are random': ['timestamp_trace_ids'],
  },
});
export interface ZipkinConfig extends Static<typeof ZipkinConfig> {}

export const TracingProvider = message('envoy.config.trace.v3.Tracing.Http', {
  name: required(string({ minLength: 1 }), 'Free name, usually envoy.tracers.zipkin.'),
  typedConfig: required(any('tracing provider', [ZipkinConfig]), 'Who gets the spans.'),
});
export interface TracingProvider extends Static<typeof TracingProvider> {}
