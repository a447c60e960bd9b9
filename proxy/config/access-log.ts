// Access logs and their filters (envoy.config.accesslog.v3, envoy.extensions.access_loggers.file.v3 and .stream.v3).
import { HeaderMatcher } from './header-matcher.ts';
import { FractionalPercent, RuntimeUInt32 } from './percent.ts';
import { bool, enumeration, flag, string, struct } from './scalar.ts';
import { any, atMostOne, exactlyOne, list, message, optional, recursive, required, type Schema,
  type Static } from './schema.ts';
import { SubstitutionFormatString } from './substitution-format.ts';

export const ComparisonFilter = message('envoy.config.accesslog.v3.ComparisonFilter', {
  op: optional(enumeration(['EQ', 'GE', 'LE', 'NE']), 'Default EQ.'),
  value: required(RuntimeUInt32, 'What it is compared with.'),
});
export interface ComparisonFilter extends Static<typeof ComparisonFilter> {}

export const StatusCodeFilter = message('envoy.config.accesslog.v3.StatusCodeFilter', {
  comparison: required(ComparisonFilter, 'By response status.'),
});

export const DurationFilter = message('envoy.config.accesslog.v3.DurationFilter', {
  comparison: required(ComparisonFilter, 'By duration of the request in milliseconds.'),
});

export const RuntimeFilter = message('envoy.config.accesslog.v3.RuntimeFilter', {
  runtimeKey: required(string({ minLength: 1 }), 'Required by Envoy; there is no runtime, percent_sampled holds.'),
  percentSampled: optional(FractionalPercent, 'Share of requests that are logged; default none.'),
}, {
  warned: { 'the choice is always independent': ['use_independent_randomness'] },
});

export const HeaderFilter = message('envoy.config.accesslog.v3.HeaderFilter', {
  header: required(HeaderMatcher, 'By a request header.'),
});

export const RESPONSE_FLAGS = ['LH', 'UH', 'UT', 'LR', 'UR', 'UF', 'UC', 'UO', 'NR', 'DI', 'FI', 'RL', 'UAEX',
  'RLSE', 'DC',
  'URX', 'SI', 'IH', 'DPE', 'UMSDR', 'RFCF', 'NFCF', 'DT', 'UPE', 'NC', 'OM', 'DF', 'DO', 'DR', 'UDO'] as const;

export const ResponseFlagFilter = message('envoy.config.accesslog.v3.ResponseFlagFilter', {
  flags: optional(list(string({ oneOf: RESPONSE_FLAGS })), 'Any of these flags; none given: any flag at all.'),
});

export const GrpcStatusFilter = message('envoy.config.accesslog.v3.GrpcStatusFilter', {
  statuses: optional(list(enumeration([
    'OK', 'CANCELED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS',
    'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED',
    'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
  ])), 'Any of these; without grpc-status what the HTTP status stands for, also where it was no call of gRPC.'),
  exclude: optional(bool(), 'All but these. Default false.'),
});
export interface GrpcStatusFilter extends Static<typeof GrpcStatusFilter> {}

/** In the order of their numbers. */
const LOG_TYPES = ['NotSet', 'TcpUpstreamConnected', 'TcpPeriodic', 'TcpConnectionEnd', 'DownstreamStart',
  'DownstreamPeriodic', 'DownstreamEnd', 'UpstreamPoolReady', 'UpstreamPeriodic', 'UpstreamEnd',
  'DownstreamTunnelSuccessfullyEstablished', 'UdpTunnelUpstreamConnected', 'UdpPeriodic', 'UdpSessionEnd'] as const;

export const LogTypeFilter = message('envoy.config.accesslog.v3.LogTypeFilter', {
  types: optional(list(enumeration(LOG_TYPES)), 'Any of these. Lines are written at the end of a request '
    + '(DownstreamEnd) or of a TCP connection (TcpConnectionEnd), and never of another type.'),
  exclude: optional(bool(), 'All but these. Default false.'),
});
export interface LogTypeFilter extends Static<typeof LogTypeFilter> {}

const both = (name: 'AndFilter' | 'OrFilter') => message(`envoy.config.accesslog.v3.${name}`, {
  filters: required(list(recursive<AccessLogFilter>((): Schema => AccessLogFilter), { min: 2 }), 'At least two.'),
});

export const AccessLogFilter = message('envoy.config.accesslog.v3.AccessLogFilter', {
  statusCodeFilter: optional(StatusCodeFilter, 'By response status.'),
  durationFilter: optional(DurationFilter, 'By duration.'),
  notHealthCheckFilter: optional(flag(), 'Not health checks, which weft does not tell apart: everything is logged.'),
  runtimeFilter: optional(RuntimeFilter, 'A share of all.'),
  andFilter: optional(both('AndFilter'), 'All of them.'),
  orFilter: optional(both('OrFilter'), 'Any of them.'),
  headerFilter: optional(HeaderFilter, 'By a request header.'),
  responseFlagFilter: optional(ResponseFlagFilter, 'By response flags.'),
  grpcStatusFilter: optional(GrpcStatusFilter, 'By gRPC status.'),
  traceableFilter: optional(flag(), 'Requests that are traced.'),
  logTypeFilter: optional(LogTypeFilter, 'By what the line is about.'),
}, {
  refused: { 'logs are not filtered by metadata': ['metadata_filter'] },
  warned: { 'expressions are not understood: what they would choose from is logged whole': ['extension_filter'] },
  oneOf: [exactlyOne('status_code_filter', 'duration_filter', 'not_health_check_filter', 'traceable_filter',
    'runtime_filter',
    'and_filter', 'or_filter', 'header_filter', 'response_flag_filter', 'grpc_status_filter', 'extension_filter',
    'metadata_filter', 'log_type_filter')],
});
export interface AccessLogFilter extends Static<typeof AccessLogFilter> {}

export const FileAccessLog = message('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
  path: required(string({ minLength: 1 }), 'File that is appended to; /dev/stdout and /dev/stderr work.'),
  logFormat: optional(SubstitutionFormatString, 'Default: Envoy\'s text line.'),
}, {
  legacy: {
    format: optional(string(), 'log_format.text_format'),
    jsonFormat: optional(struct(), 'log_format.json_format'),
    typedJsonFormat: optional(struct(), 'log_format.json_format'),
  },
  fold: (value, { format, jsonFormat, typedJsonFormat }) => {
    const json = typedJsonFormat ?? jsonFormat;
    if (format !== undefined && format !== '') value.logFormat = { textFormatSource: { inlineString: format } };
    if (json !== undefined) value.logFormat = { jsonFormat: json };
    return undefined;
  },
  oneOf: [atMostOne('format', 'json_format', 'typed_json_format', 'log_format')],
});
export interface FileAccessLog extends Static<typeof FileAccessLog> {}

export const StdoutAccessLog = message('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog', {
  logFormat: optional(SubstitutionFormatString, 'Default: Envoy\'s text line.'),
});
export interface StdoutAccessLog extends Static<typeof StdoutAccessLog> {}

export const StderrAccessLog = message('envoy.extensions.access_loggers.stream.v3.StderrAccessLog', {
  logFormat: optional(SubstitutionFormatString, 'Default: Envoy\'s text line.'),
});
export interface StderrAccessLog extends Static<typeof StderrAccessLog> {}

const NO_SERVICE = 'lines are written to files, and sent to no service';

export const AccessLog = message('envoy.config.accesslog.v3.AccessLog', {
  name: optional(string(), 'Free name.'),
  filter: optional(AccessLogFilter, 'Which requests are logged; default all.'),
  typedConfig: required(any('access logger', [FileAccessLog, StdoutAccessLog, StderrAccessLog], {
    'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig': NO_SERVICE,
    'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig': NO_SERVICE,
    'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig': NO_SERVICE,
  }), 'Where the lines go.'),
});
export interface AccessLog extends Static<typeof AccessLog> {}
