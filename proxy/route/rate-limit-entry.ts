// One entry of a rate limit's descriptor (envoy.config.route.v3.RateLimit.Action): a key, and a value of the request.
import { wireText } from '../base/ascii.ts';
import { parseIp } from '../base/cidr.ts';
import { ConfigError } from '../base/error.ts';
import { percentDecoded } from '../base/percent-decoding.ts';
import type { Metadata } from '../config/node.ts';
import type { RateLimitAction } from '../config/rate-limit.ts';
import type { RequestHead } from '../http/message.ts';
import { metadataAt } from '../telemetry/dynamic-metadata.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { compileHeaderMatches, matchesAll } from './header-match.ts';
import { readHeader } from './header-reader.ts';
import { maskedAddress } from './masked-address.ts';
import { QueryMatch, queryValue } from './query-match.ts';

/** What descriptors are made of. */
export interface DescriptorFacts {
  readonly request: RequestHead;
  readonly info: StreamInfo;
  /** The cluster that the route chose. */
  readonly cluster: string;
}

/** Adds its key and value to `entries`; false: the whole rate limit does not hold for this request. */
export type DescriptorEntry = (facts: DescriptorFacts, ownCluster: string, entries: string[]) => boolean;

type Of<K extends keyof RateLimitAction> = NonNullable<RateLimitAction[K]>;

/** Throws ConfigError below `path`. `metadata` is the route's. */
export function compileDescriptorEntry(
  action: RateLimitAction, metadata: Metadata | undefined, path: string,
): DescriptorEntry {
  const { requestHeaders, queryParameters, maskedRemoteAddress, genericKey, headerValueMatch, metadata: data } = action;
  if (action.sourceCluster !== undefined) {
    return (_facts, ownCluster, entries) => push(entries, 'source_cluster', ownCluster);
  }
  if (action.destinationCluster !== undefined) {
    return ({ cluster }, _own, entries) => push(entries, 'destination_cluster', cluster);
  }
  if (requestHeaders !== undefined) return headerEntry(requestHeaders);
  if (queryParameters !== undefined) return queryEntry(queryParameters);
  if (action.remoteAddress !== undefined) return ({ info }, _own, entries) => remoteAddress(info, entries);
  if (maskedRemoteAddress !== undefined) return networkEntry(maskedRemoteAddress);
  if (genericKey !== undefined) {
    return fixedEntry(genericKey.descriptorKey || 'generic_key', genericKey.descriptorValue);
  }
  if (headerValueMatch !== undefined) return headerMatchEntry(headerValueMatch, `${path}.headerValueMatch`);
  if (action.queryParameterValueMatch !== undefined) {
    return queryMatchEntry(action.queryParameterValueMatch, `${path}.queryParameterValueMatch`);
  }
  if (data !== undefined) return data.source === 'ROUTE_ENTRY' ? metadataEntry(data, metadata) : claimEntry(data);
  throw new ConfigError(path, 'needs an action');
}

function push(entries: string[], key: string, value: string): true {
  entries.push(key, value);
  return true;
}

/** Keys and values are as they stand on the wire, whether they come from configuration or from the request. */
function fixedEntry(key: string, value: string): DescriptorEntry {
  const [wireKey, wireValue] = [wireText(key), wireText(value)];
  return (_facts, _own, entries) => push(entries, wireKey, wireValue);
}

function headerEntry({ headerName, descriptorKey, skipIfAbsent = false }: Of<'requestHeaders'>): DescriptorEntry {
  const [name, key] = [headerName.toLowerCase(), wireText(descriptorKey)];
  return ({ request }, _own, entries) => {
    const value = readHeader(request, name);
    return value === undefined ? skipIfAbsent : push(entries, key, value);
  };
}

function queryEntry(
  { queryParameterName, descriptorKey, skipIfAbsent = false }: Of<'queryParameters'>,
): DescriptorEntry {
  const [name, key] = [wireText(queryParameterName), wireText(descriptorKey)];
  return ({ request }, _own, entries) => {
    const value = queryValue(request.path, name);
    return value === undefined ? skipIfAbsent : push(entries, key, percentDecoded(value));
  };
}

/** Clients of unix sockets have no address. */
function remoteAddress({ forwardedIp, connection }: StreamInfo, entries: string[]): boolean {
  const ip = forwardedIp || connection.remoteIp;
  return ip !== '' && push(entries, 'remote_address', ip);
}

function networkEntry({ v4PrefixMaskLen = 32, v6PrefixMaskLen = 128 }: Of<'maskedRemoteAddress'>): DescriptorEntry {
  return ({ info: { forwardedIp, connection } }, _own, entries) => {
    const ip = parseIp(forwardedIp || connection.remoteIp);
    if (ip === undefined) return false;
    const bits = ip.family === 4 ? v4PrefixMaskLen : v6PrefixMaskLen;
    return push(entries, 'masked_remote_address', maskedAddress(ip, bits));
  };
}

function headerMatchEntry(
  { descriptorKey, descriptorValue, expectMatch = true, headers }: Of<'headerValueMatch'>, path: string,
): DescriptorEntry {
  const matches = compileHeaderMatches(headers, `${path}.headers`);
  const entry = fixedEntry(descriptorKey || 'header_match', descriptorValue);
  return (facts, own, entries) => matchesAll(matches, facts.request) === expectMatch && entry(facts, own, entries);
}

function queryMatchEntry(
  { descriptorKey, descriptorValue, expectMatch = true, queryParameters }: Of<'queryParameterValueMatch'>, path: string,
): DescriptorEntry {
  const matches = queryParameters.map((each, i) => new QueryMatch(each, `${path}.queryParameters[${i}]`, true));
  const entry = fixedEntry(descriptorKey || 'query_match', descriptorValue);
  return (facts, own, entries) => matchesQuery(matches, facts.request.path) === expectMatch
    && entry(facts, own, entries);
}

function matchesQuery(matches: readonly QueryMatch[], path: string): boolean {
  for (const match of matches) if (!match.matches(path)) return false;
  return true;
}

/** The route's metadata does not change: its value is looked up here. */
function metadataEntry(
  { descriptorKey, metadataKey, defaultValue, skipIfAbsent = false }: Of<'metadata'>, metadata: Metadata | undefined,
): DescriptorEntry {
  let at: unknown = metadata?.filterMetadata;
  for (const key of [metadataKey.key, ...metadataKey.path.map((segment) => segment.key)]) {
    at = typeof at === 'object' && at !== null ? new Map(Object.entries(at)).get(key) : undefined;
  }
  const value = typeof at === 'string' && at !== '' ? at : defaultValue ?? '';
  return value === '' ? () => skipIfAbsent : fixedEntry(descriptorKey, value);
}

/** What filters said of the request: texts alone, as in Envoy. */
function claimEntry(
  { descriptorKey, metadataKey, defaultValue = '', skipIfAbsent = false }: Of<'metadata'>,
): DescriptorEntry {
  const [key, fallback] = [wireText(descriptorKey), wireText(defaultValue)];
  const path = metadataKey.path.map((segment) => segment.key);
  return ({ info }, _own, entries) => {
    const found = metadataAt(info, metadataKey.key, path);
    const value = typeof found === 'string' && found !== '' ? wireText(found) : fallback;
    return value === '' ? skipIfAbsent : push(entries, key, value);
  };
}
