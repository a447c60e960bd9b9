// Where configuration is fetched from (envoy.config.core.v3: config_source.proto, grpc_service.proto).
import { HeaderValue } from './header-value-option.ts';
import { duration, enumeration, flag, headerValue, string } from './scalar.ts';
import { exactlyOne, list, message, optional, required, type Static } from './schema.ts';

const API_VERSION = enumeration(['AUTO', 'V3'], {
  refused: { V2: 'the v2 API is gone' },
  numbers: { AUTO: 0, V2: 1, V3: 2 },
});

export const EnvoyGrpc = message('envoy.config.core.v3.GrpcService.EnvoyGrpc', {
  clusterName: required(string({ minLength: 1 }), 'Static cluster that names the server; its TLS settings hold.'),
  authority: optional(headerValue(), ':authority of the calls; default the cluster name.'),
}, {
  warned: {
    'streams are opened again with weft\'s own back-off': ['retry_policy'],
    'weft\'s limit for one message holds': ['max_receive_message_length'],
    'no Envoy headers are sent on gRPC': ['skip_envoy_headers'],
  },
});
export interface EnvoyGrpc extends Static<typeof EnvoyGrpc> {}

export const GrpcService = message('envoy.config.core.v3.GrpcService', {
  envoyGrpc: optional(EnvoyGrpc, 'The server, as a cluster.'),
  initialMetadata: optional(list(HeaderValue), 'Headers sent with every call.'),
}, {
  refused: { 'name a cluster with envoy_grpc instead': ['google_grpc'] },
  warned: { 'xDS streams have no deadline; they are opened again with weft\'s own back-off': ['timeout',
    'retry_policy'] },
  oneOf: [exactlyOne('envoy_grpc', 'google_grpc')],
});
export interface GrpcService extends Static<typeof GrpcService> {}

export const ApiConfigSource = message('envoy.config.core.v3.ApiConfigSource', {
  apiType: required(enumeration(['GRPC', 'DELTA_GRPC'], {
    refused: {
      REST: 'weft speaks xDS over gRPC; use DELTA_GRPC',
      AGGREGATED_GRPC: 'weft has one ADS stream, in ads_config; use { ads: {} }',
      AGGREGATED_DELTA_GRPC: 'weft has one ADS stream, in ads_config; use { ads: {} }',
      DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE: 'choose DELTA_GRPC',
    },
    numbers: { REST: 1, GRPC: 2, DELTA_GRPC: 3, AGGREGATED_GRPC: 5, AGGREGATED_DELTA_GRPC: 6 },
  }), 'Protocol: incremental (DELTA_GRPC) or state of the world.'),
  transportApiVersion: optional(API_VERSION, 'V3; default AUTO means the same.'),
  grpcServices: required(list(GrpcService, { min: 1 }), 'The server; Envoy uses the first.'),
}, {
  refused: {
    'it belongs to REST; use grpc_services': ['cluster_names'],
    'validators of received configuration cannot be plugged in': ['config_validators'],
  },
  warned: {
    'it belongs to REST': ['refresh_delay', 'request_timeout'],
    'weft requests on change only': ['rate_limit_settings'],
    'the node is sent with the first message of a stream': ['set_node_on_first_message_only'],
  },
});
export interface ApiConfigSource extends Static<typeof ApiConfigSource> {}

export const WatchedDirectory = message('envoy.config.core.v3.WatchedDirectory', {
  path: required(string({ minLength: 1 }), 'Folder; whatever happens in it counts.'),
});
export interface WatchedDirectory extends Static<typeof WatchedDirectory> {}

export const PathConfigSource = message('envoy.config.core.v3.PathConfigSource', {
  path: required(string({ minLength: 1 }), 'A DiscoveryResponse as .yaml, .yml, .json or .pb, which is read again when '
    + 'another file is moved to its place; what is written into it in place is not.'),
  watchedDirectory: optional(WatchedDirectory, 'Folder whose changes have the file read again, whatever file it is.'),
});
export interface PathConfigSource extends Static<typeof PathConfigSource> {}

export const ConfigSource = message('envoy.config.core.v3.ConfigSource', {
  ads: optional(flag(), 'The ADS stream of dynamic_resources.ads_config.'),
  apiConfigSource: optional(ApiConfigSource, 'A stream of its own.'),
  pathConfigSource: optional(PathConfigSource, 'A file, watched.'),
  path: optional(string({ minLength: 1 }), 'Older spelling of path_config_source.path.'),
  initialFetchTimeout: optional(duration(), 'How long start-up waits for the first answer; default 15s, 0s waits for '
    + 'ever.'),
  resourceApiVersion: optional(API_VERSION, 'V3; default AUTO means the same.'),
}, {
  refused: {
    'say where from: ads, api_config_source or path_config_source': ['self'],
    'xdstp:// resource names are not supported': ['authorities'],
  },
  oneOf: [exactlyOne('path', 'path_config_source', 'api_config_source', 'ads', 'self')],
});
export interface ConfigSource extends Static<typeof ConfigSource> {}
