// Telemetry: which requests leave spans and log lines (telemetry.istio.io).
import { bool, double, enumeration, headerName, string } from '../../proxy/config/scalar.ts';
import { exactlyOne, list, map, message, optional, required, type Static } from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { ALL_WORKLOADS, foldTarget, LEGACY_TARGET, targetRefs, WorkloadSelector } from './selector.ts';

const MODE = enumeration(['CLIENT_AND_SERVER', 'CLIENT', 'SERVER']);

const TelemetryMatch = message('istio.telemetry.v1.Telemetry.WorkloadSelector', {
  mode: optional(MODE, 'CLIENT is traffic that leaves, SERVER that arrives; both when absent.'),
});

export const CustomTag = message('istio.telemetry.v1.Tracing.CustomTag', {
  literal: optional(message('istio.telemetry.v1.Tracing.Literal', {
    value: required(string({ minLength: 1 }), 'Value.'),
  }), 'A fixed value.'),
  environment: optional(message('istio.telemetry.v1.Tracing.Environment', {
    name: required(string({ minLength: 1 }), 'Environment variable of the proxy.'),
    defaultValue: optional(string(), 'Where it is not set.'),
  }), 'From the environment.'),
  header: optional(message('istio.telemetry.v1.Tracing.RequestHeader', {
    name: required(headerName(), 'Request header.'),
    defaultValue: optional(string(), 'Where it is absent.'),
  }), 'From a request header.'),
}, {
  refused: { 'a tag is a literal, an environment variable or a request header': ['formatter'] },
  oneOf: [exactlyOne('literal', 'environment', 'header', 'formatter')],
});
export interface CustomTag extends Static<typeof CustomTag> {}

export const Tracing = message('istio.telemetry.v1.Tracing', {
  match: optional(TelemetryMatch, 'Direction.'),
  providers: optional(list(message('istio.telemetry.v1.ProviderRef.Tracing', {
    name: required(string({ oneOf: ['zipkin'] }), 'zipkin: the control plane itself, or what it was started with.'),
  }), { max: 1 }), 'Who gets the spans.'),
  randomSamplingPercentage: optional(double({ minimum: 0, maximum: 100 }), 'Share of new traces. Default 1.'),
  disableSpanReporting: optional(bool(), 'No spans at all. Default false.'),
  customTags: optional(map(CustomTag), 'Tags by name; replace those of a wider scope.'),
}, {
  warned: {
    "spans carry Istio's tags": ['enable_istio_tags'],
    'the decision follows the request id': ['use_request_id_for_trace_sampling'],
  },
  refused: { 'contexts are always propagated': ['disable_context_propagation'] },
});
export interface Tracing extends Static<typeof Tracing> {}

export const AccessLogging = message('istio.telemetry.v1.AccessLogging', {
  match: optional(TelemetryMatch, 'Direction.'),
  providers: optional(list(message('istio.telemetry.v1.ProviderRef.AccessLog', {
    name: required(string({ oneOf: ['envoy'] }), "envoy: a line to the proxy's standard output."),
  })), 'Where lines go.'),
  disabled: optional(bool(), 'No lines. Default false.'),
}, {
  refused: { 'expressions are not supported yet': ['filter'] },
});
export interface AccessLogging extends Static<typeof AccessLogging> {}

export const TelemetrySpec = message('istio.telemetry.v1.Telemetry', {
  selector: optional(WorkloadSelector, ALL_WORKLOADS),
  targetRefs,
  tracing: optional(list(Tracing), 'Spans.'),
  accessLogging: optional(list(AccessLogging), 'Log lines.'),
}, {
  legacy: LEGACY_TARGET,
  fold: foldTarget,
  warned: { "the mesh's standard metrics are always kept": ['metrics'] },
});
export interface TelemetrySpec extends Static<typeof TelemetrySpec> {}

export const Telemetry = message('istio.Telemetry', {
  ...objectHead,
  spec: optional(TelemetrySpec, 'Settings.'),
});
export interface Telemetry extends Static<typeof Telemetry> {}
