// What rate limits count (envoy.config.route.v3.RateLimit, envoy.type.v3.TokenBucket), for both rate limit filters.
import { HeaderMatcher, QueryParameterMatcher } from './header-matcher.ts';
import { STATUS_CODES } from './http-status.ts';
import type { StatusName } from './http-status.ts';
import { MetadataKey } from './metadata-key.ts';
import { bool, duration, enumeration, flag, headerName, string, uint32, uint64 } from './scalar.ts';
import { exactlyOne, list, message, optional, required, type Static } from './schema.ts';

const ACTION = 'envoy.config.route.v3.RateLimit.Action';
const NO_FORMATS = { 'the value is fixed': ['default_value'] };

export const TokenBucket = message('envoy.type.v3.TokenBucket', {
  maxTokens: required(uint32({ minimum: 1 }), 'Tokens that a full bucket holds: the burst.'),
  tokensPerFill: optional(uint32({ minimum: 1 }), 'Tokens of each fill interval; default 1.'),
  fillInterval: required(duration({ above: 0 }), 'They come evenly over it. At least 50ms.'),
});
export interface TokenBucket extends Static<typeof TokenBucket> {}

export const HttpStatus = message('envoy.type.v3.HttpStatus', {
  code: required(enumeration(Object.keys(STATUS_CODES).filter(isStatus), { numbers: STATUS_CODES }), 'Status: its '
    + 'number, or Envoy\'s name for it, such as TooManyRequests.'),
});

function isStatus(name: string): name is Exclude<StatusName, 'Empty'> {
  return name !== 'Empty';
}
export interface HttpStatus extends Static<typeof HttpStatus> {}

const RequestHeaders = message(`${ACTION}.RequestHeaders`, {
  headerName: required(headerName(), 'Header whose first value counts.'),
  descriptorKey: required(string({ minLength: 1 }), 'Key of the entry.'),
  skipIfAbsent: optional(bool(), 'Without the header this entry is left out, not the limit. Default false.'),
});

const QueryParameters = message(`${ACTION}.QueryParameters`, {
  queryParameterName: required(string({ minLength: 1 }), 'Parameter whose first value counts.'),
  descriptorKey: required(string({ minLength: 1 }), 'Key of the entry.'),
  skipIfAbsent: optional(bool(), 'Without the parameter this entry is left out, not the limit. Default false.'),
});

const MaskedRemoteAddress = message(`${ACTION}.MaskedRemoteAddress`, {
  v4PrefixMaskLen: optional(uint32({ maximum: 32 }), 'Bits of IPv4 addresses; default 32.', 'v4_prefix_mask_len'),
  v6PrefixMaskLen: optional(uint32({ maximum: 128 }), 'Bits of IPv6 addresses; default 128.', 'v6_prefix_mask_len'),
});

const GenericKey = message(`${ACTION}.GenericKey`, {
  descriptorValue: required(string({ minLength: 1 }), 'Value of the entry.'),
  descriptorKey: optional(string(), 'Key of the entry; default generic_key.'),
}, { refused: NO_FORMATS });

const HeaderValueMatch = message(`${ACTION}.HeaderValueMatch`, {
  descriptorKey: optional(string(), 'Key of the entry; default header_match.'),
  descriptorValue: required(string({ minLength: 1 }), 'Value of the entry.'),
  expectMatch: optional(bool(), 'false: the limit holds where the headers do not match. Default true.'),
  headers: required(list(HeaderMatcher, { min: 1 }), 'All of these must match.'),
}, { refused: NO_FORMATS });

const QueryParameterValueMatch = message(`${ACTION}.QueryParameterValueMatch`, {
  descriptorKey: optional(string(), 'Key of the entry; default query_match.'),
  descriptorValue: required(string({ minLength: 1 }), 'Value of the entry.'),
  expectMatch: optional(bool(), 'false: the limit holds where the parameters do not match. Default true.'),
  queryParameters: required(list(QueryParameterMatcher, { min: 1 }), 'All of these must match.'),
}, { refused: NO_FORMATS });

const MetaData = message(`${ACTION}.MetaData`, {
  descriptorKey: required(string({ minLength: 1 }), 'Key of the entry.'),
  metadataKey: required(MetadataKey, 'Where the value is.'),
  defaultValue: optional(string(), 'Value where there is none.'),
  source: optional(enumeration(['DYNAMIC', 'ROUTE_ENTRY']), 'DYNAMIC, the default: what filters said of the request, '
    + 'such as its token\'s claims; else the route\'s metadata.'),
  skipIfAbsent: optional(bool(), 'Without a value this entry is left out, not the limit. Default false.'),
});

export const RateLimitAction = message(ACTION, {
  sourceCluster: optional(flag(), 'source_cluster: node.cluster of this proxy.'),
  destinationCluster: optional(flag(), 'destination_cluster: the cluster that the route chose.'),
  requestHeaders: optional(RequestHeaders, 'A header\'s value.'),
  queryParameters: optional(QueryParameters, 'A query parameter\'s value.'),
  remoteAddress: optional(flag(), 'remote_address: the client\'s, by x-forwarded-for where that is trusted.'),
  maskedRemoteAddress: optional(MaskedRemoteAddress, 'masked_remote_address: the client\'s network.'),
  genericKey: optional(GenericKey, 'A fixed value.'),
  headerValueMatch: optional(HeaderValueMatch, 'A fixed value, where headers match.'),
  queryParameterValueMatch: optional(QueryParameterValueMatch, 'A fixed value, where query parameters match.'),
  metadata: optional(MetaData, 'A value of the request\'s or of the route\'s metadata.'),
}, {
  refused: {
    'use metadata': ['dynamic_metadata'],
    'descriptors cannot be plugged in': ['extension'],
    'use remote_address or masked_remote_address': ['remote_address_match'],
  },
  oneOf: [exactlyOne('source_cluster', 'destination_cluster', 'request_headers', 'query_parameters', 'remote_address',
    'masked_remote_address', 'generic_key', 'header_value_match', 'query_parameter_value_match', 'metadata',
    'dynamic_metadata', 'extension', 'remote_address_match')],
});
export interface RateLimitAction extends Static<typeof RateLimitAction> {}

const HitsAddend = message('envoy.config.route.v3.RateLimit.HitsAddend', {
  number: optional(uint64({ maximum: 1_000_000_000 }), 'What a request counts; default 1.'),
}, { refused: { 'what a request counts is fixed': ['format', 'is_negative_hits'] } });

const rateLimitFields = {
  stage: optional(uint32({ maximum: 10 }), 'Only filters of this stage look at it; default 0.'),
  actions: required(list(RateLimitAction, { min: 1 }), 'The entries of the descriptor; one that does not apply takes '
    + 'the limit away.'),
};

const RATE_LIMIT_OPTIONS = {
  refused: {
    'limits are the filter\'s, or the rate limit service\'s': ['limit'],
    'requests are counted when they come': ['apply_on_stream_done'],
    'the filter\'s enable_x_ratelimit_headers holds': ['x_ratelimit_option'],
  },
};
const NO_RUNTIME = { 'there is no runtime that could disable it': ['disable_key'] };

/** On routes and virtual hosts, where both rate limit filters look at it. */
export const RateLimit = message('envoy.config.route.v3.RateLimit', rateLimitFields, {
  ...RATE_LIMIT_OPTIONS,
  warned: {
    ...NO_RUNTIME,
    'as in Envoy, requests count 1 here; put the rate limit into the filter\'s own rate_limits': ['hits_addend'],
  },
});
export interface RateLimit extends Static<typeof RateLimit> {}

/** In a filter's own configuration. */
export const FilterRateLimit = message('envoy.config.route.v3.RateLimit', {
  ...rateLimitFields,
  hitsAddend: optional(HitsAddend, 'What a request counts.'),
}, { ...RATE_LIMIT_OPTIONS, warned: NO_RUNTIME });
export interface FilterRateLimit extends Static<typeof FilterRateLimit> {}
