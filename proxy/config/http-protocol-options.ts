// Protocol options of HTTP connections on both sides (envoy.config.core.v3, envoy.extensions.upstreams.http.v3).
import { Percent } from './percent.ts';
import { bool, duration, enumeration, flag, string, uint32 } from './scalar.ts';
import { any, exactlyOne, message, optional, required, type Static } from './schema.ts';

export const HttpProtocolOptions = message('envoy.config.core.v3.HttpProtocolOptions', {
  idleTimeout: optional(duration(), 'A connection without requests is closed after this; default 1h, 0s is never.'),
  maxConnectionDuration: optional(duration(), 'A connection is drained after this; default none.'),
  maxHeadersCount: optional(uint32({ minimum: 1 }), 'More headers than this are refused; default 100.'),
  maxStreamDuration: optional(duration(), 'A request is ended after this, whatever it does; default none.'),
  headersWithUnderscoresAction: optional(
    enumeration(['ALLOW', 'REJECT_REQUEST', 'DROP_HEADER']),
    'Names with _ , which some servers read as -; default ALLOW. Anything else is wise where clients are strangers.',
  ),
  maxRequestsPerConnection: optional(uint32(), 'A connection is drained after this many; default 0, no limit.'),
}, {
  warned: {
    'durations have no jitter': ['max_connection_duration_jitter'],
    'the limit of weft for response heads holds': ['max_response_headers_kb'],
  },
});
export interface HttpProtocolOptions extends Static<typeof HttpProtocolOptions> {}

export const PreserveCaseFormatterConfig = message(
  'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig', {
    forwardReasonPhrase: optional(bool(), 'The sender\'s reason phrase is passed on. Default false.'),
  }, {
    warned: { 'headers that the proxy adds are lower-case': ['formatter_type_on_envoy_headers'] },
  },
);
export interface PreserveCaseFormatterConfig extends Static<typeof PreserveCaseFormatterConfig> {}

const StatefulFormatter = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: required(string({ minLength: 1 }), 'Free name.'),
  typedConfig: required(any('header formatter', [PreserveCaseFormatterConfig]), 'Keeps the sender\'s spelling.'),
});

export const HeaderKeyFormat = message('envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat', {
  properCaseWords: optional(flag(), 'Content-Type for content-type.'),
  statefulFormatter: optional(StatefulFormatter, 'The sender\'s spelling is kept.'),
}, {
  oneOf: [exactlyOne('proper_case_words', 'stateful_formatter')],
});
export interface HeaderKeyFormat extends Static<typeof HeaderKeyFormat> {}

export const Http1ProtocolOptions = message('envoy.config.core.v3.Http1ProtocolOptions', {
  allowAbsoluteUrl: optional(bool(), 'Request targets with scheme and host, as sent to explicit proxies; default '
    + 'true.'),
  acceptHttp10: optional(bool(), 'HTTP/1.0 requests are served instead of answered 426. Default false.',
    'accept_http_10'),
  defaultHostForHttp10: optional(string(), 'Host of HTTP/1.0 requests that name none.', 'default_host_for_http_10'),
  headerKeyFormat: optional(HeaderKeyFormat, 'Spelling of header names that are sent; default lower case.'),
  enableTrailers: optional(bool(), 'Trailers are passed on; default false: they are dropped.'),
}, {
  refused: {
    'a message with both is refused, because readers disagree on where it ends': ['allow_chunked_length'],
    'request targets are sent in origin form': ['send_fully_qualified_url'],
  },
  warned: {
    'a malformed message always ends its connection': ['override_stream_error_on_invalid_http_message'],
    'weft has one parser': ['use_balsa_parser'],
    'any token is accepted as a method': ['allow_custom_methods'],
    'upgrades that upgrade_configs does not name are ignored': ['ignore_http_11_upgrade'],
  },
});
export interface Http1ProtocolOptions extends Static<typeof Http1ProtocolOptions> {}

export const KeepaliveSettings = message('envoy.config.core.v3.KeepaliveSettings', {
  interval: optional(duration({ atLeast: 0.001 }), 'A PING is sent after this; default none.'),
  timeout: required(duration({ atLeast: 0.001 }), 'A connection is closed when nothing comes for so long '
    + 'after a PING.'),
  intervalJitter: optional(Percent, 'The interval becomes longer by up to this share; default 15 %.'),
  connectionIdleInterval: optional(duration({ atLeast: 0.001 }), 'A request after so long a silence is '
    + 'preceded by a PING; default none.'),
});
export interface KeepaliveSettings extends Static<typeof KeepaliveSettings> {}

export const Http2ProtocolOptions = message('envoy.config.core.v3.Http2ProtocolOptions', {
  hpackTableSize: optional(uint32(), 'Bytes of the table by which the peer compresses; default 4096.',
    'hpack_table_size'),
  maxConcurrentStreams: optional(uint32({ minimum: 1 }), 'Open streams of a connection; default weft\'s 100.',
    'max_concurrent_streams'),
  initialStreamWindowSize: optional(uint32({ minimum: 65_535, maximum: 2_147_483_647 }), 'Bytes that a peer may send '
    + 'ahead on a stream; default weft\'s 64 KiB.', 'initial_stream_window_size'),
  initialConnectionWindowSize: optional(uint32({ minimum: 65_535, maximum: 2_147_483_647 }), 'The same for a '
    + 'connection; default weft\'s 1 MiB.', 'initial_connection_window_size'),
  allowConnect: optional(bool(), 'Extended CONNECT (WebSocket over HTTP/2) is offered. Default false.',
    'allow_connect'),
  connectionKeepalive: optional(KeepaliveSettings, 'Dead peers are found out by PING; default not.',
    'connection_keepalive'),
}, {
  warned: {
    'weft has its own budgets for floods of frames': [
      'max_outbound_frames', 'max_outbound_control_frames', 'max_consecutive_inbound_frames_with_empty_payload',
      'max_inbound_priority_frames_per_stream', 'max_inbound_window_update_frames_per_data_frame_sent',
      'stream_reset_burst', 'stream_reset_rate',
    ],
    'a malformed message always ends its stream, and leaves the connection': [
      'stream_error_on_invalid_http_messaging', 'override_stream_error_on_invalid_http_message',
    ],
    'weft\'s HTTP/2 settings hold': [
      'allow_metadata', 'custom_settings_parameters', 'use_oghttp2_codec',
      'max_metadata_size', 'enable_huffman_encoding', 'max_header_field_size_kb', 'disallow_obs_text',
    ],
  },
});
export interface Http2ProtocolOptions extends Static<typeof Http2ProtocolOptions> {}

export const UpstreamHttpProtocolOptions = message('envoy.config.core.v3.UpstreamHttpProtocolOptions', {
  autoSni: optional(bool(), 'SNI is the request\'s authority. Default false.'),
  autoSanValidation: optional(bool(), 'The certificate must name the request\'s authority. Default false.'),
}, {
  refused: { 'auto_sni reads the authority': ['override_auto_sni_header'] },
});
export interface UpstreamHttpProtocolOptions extends Static<typeof UpstreamHttpProtocolOptions> {}

export const ExplicitHttpConfig = message('envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig', {
  httpProtocolOptions: optional(Http1ProtocolOptions, 'HTTP/1.1.'),
  http2ProtocolOptions: optional(Http2ProtocolOptions, 'HTTP/2.', 'http2_protocol_options'),
}, {
  refused: { 'HTTP/3 is not supported': ['http3_protocol_options'] },
  oneOf: [exactlyOne('http_protocol_options', 'http2_protocol_options', 'http3_protocol_options')],
});
export interface ExplicitHttpConfig extends Static<typeof ExplicitHttpConfig> {}

const DownstreamHttpConfig = message('envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig', {
  httpProtocolOptions: optional(Http1ProtocolOptions, 'Where the request came by HTTP/1.'),
  http2ProtocolOptions: optional(Http2ProtocolOptions, 'Where the request came by HTTP/2.', 'http2_protocol_options'),
}, {
  refused: { 'HTTP/3 is not supported': ['http3_protocol_options'] },
});

const AutoHttpConfig = message('envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig', {
  httpProtocolOptions: optional(Http1ProtocolOptions, 'Where the server chooses HTTP/1.1, or nothing.'),
  http2ProtocolOptions: optional(Http2ProtocolOptions, 'Where the server chooses HTTP/2.', 'http2_protocol_options'),
}, {
  refused: {
    'HTTP/3 is not supported': ['http3_protocol_options'],
    'alternatives that servers announce lead to HTTP/3': ['alternate_protocols_cache_options'],
  },
});

/** The cluster's entry in typed_extension_protocol_options. */
export const UpstreamProtocolOptions = message('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
  commonHttpProtocolOptions: optional(HttpProtocolOptions, 'Timeouts and limits of connections.'),
  upstreamHttpProtocolOptions: optional(UpstreamHttpProtocolOptions, 'SNI and certificate names taken from the '
    + 'request.'),
  explicitHttpConfig: optional(ExplicitHttpConfig, 'One protocol; default HTTP/1.1.'),
  useDownstreamProtocolConfig: optional(DownstreamHttpConfig, 'The protocol by which the request came.'),
  autoConfig: optional(AutoHttpConfig, 'The protocol that the server chooses by ALPN; needs TLS.'),
}, {
  refused: {
    'filters stand in the connection manager': ['http_filters', 'header_validation_config'],
    'routes say it': ['request_mirror_policies', 'hash_policy', 'retry_policy'],
    'what counts as an error is fixed': ['outlier_detection'],
  },
  oneOf: [exactlyOne('explicit_http_config', 'use_downstream_protocol_config', 'auto_config')],
});
export interface UpstreamProtocolOptions extends Static<typeof UpstreamProtocolOptions> {}
