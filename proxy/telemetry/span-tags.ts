// Tags of spans, with Envoy's names: what a finished request says of itself, and what configuration adds.
import { ConfigError } from '../base/error.ts';
import type { CustomTag } from '../config/tracing.ts';
import { metadataAt } from './dynamic-metadata.ts';
import { requestField } from './format-header-operator.ts';
import { addGrpcTags, isGrpcError } from './grpc-span-tags.ts';
import { flagsText } from './response-flag.ts';
import type { RequestView, StreamInfo } from './stream-info.ts';
import type { NodeFacts } from './workload.ts';
import { UNKNOWN, localWorkload } from './workload.ts';

/** A tag that is longer is cut. */
const TAG_LENGTH_MAX = 1024;
const PATH_LENGTH_DEFAULT = 256;

interface MetadataTag {
  readonly tag: string;
  readonly namespace: string;
  readonly path: readonly string[];
  readonly fallback: string;
}

interface HeaderTag {
  readonly tag: string;
  readonly header: string;
  readonly fallback: string;
}

export interface SpanTagsConfig {
  readonly customTags?: readonly CustomTag[];
  readonly maxPathTagLength?: number;
}

/** Compiled tags of one connection manager. */
export class SpanTags {
  readonly #fixed: readonly string[];
  readonly #headers: readonly HeaderTag[];
  readonly #metadata: readonly MetadataTag[];
  readonly #pathLength: number;

  /** Throws ConfigError below `path`. */
  constructor(config: SpanTagsConfig, node: NodeFacts, path: string) {
    const custom = compileCustom(config.customTags ?? [], path);
    const varying = [...custom.headers, ...custom.metadata].map(({ tag }) => tag);
    const named = new Set([...varying, ...custom.fixed.filter((_, i) => i % 2 === 0)]);
    this.#fixed = [...nodeTags(node, named), ...custom.fixed];
    this.#headers = custom.headers;
    this.#metadata = custom.metadata;
    this.#pathLength = config.maxPathTagLength ?? PATH_LENGTH_DEFAULT;
  }

  /** Flat names and values of a finished request. */
  of(info: StreamInfo): string[] {
    const tags = this.#fixed.slice();
    const { request } = info;
    if (request !== undefined) this.#addRequest(tags, request);
    tags.push('peer.address', info.connection.remoteIp, 'request_size', String(info.bytesReceived));
    tags.push('http.status_code', String(info.status), 'response_size', String(info.bytesSent));
    tags.push('response_flags', flagsText(info.flags));
    if (info.requestId !== '') tags.push('guid:x-request-id', wireTag(info.requestId));
    const { clusterName } = info;
    if (clusterName !== '') tags.push('upstream_cluster', clusterName, 'upstream_cluster.name', clusterName);
    if (info.upstreamAddress !== '') tags.push('upstream_address', info.upstreamAddress);
    for (const { tag, namespace, path, fallback } of this.#metadata) {
      const value = metadataAt(info, namespace, path) ?? fallback;
      if (value !== '') tags.push(tag, wireTag(typeof value === 'string' ? value : JSON.stringify(value)));
    }
    if (info.attempts > 1) tags.push('retry.count', String(info.attempts - 1));
    addGrpcTags(tags, info, wireTag);
    if (isError(info)) tags.push('error', 'true');
    return tags;
  }

  #addRequest(tags: string[], request: RequestView): void {
    const forwarded = request.headers.get('x-envoy-original-path') ?? request.path;
    const path = forwarded.length > this.#pathLength ? forwarded.slice(0, this.#pathLength) : forwarded;
    const scheme = request.headers.get('x-forwarded-proto') ?? request.scheme;
    tags.push('http.url', wireTag(`${scheme}://${request.authority}${path}`), 'http.method', request.method);
    tags.push('http.protocol', request.protocol, 'user_agent', wireTag(request.headers.get('user-agent') ?? '-'));
    const from = request.headers.get('x-envoy-downstream-service-cluster');
    tags.push('downstream_cluster', from === undefined ? '-' : wireTag(from));
    for (const { tag, header, fallback } of this.#headers) {
      const value = requestField(request, header) ?? fallback;
      if (value !== '') tags.push(tag, wireTag(value));
    }
  }
}

/** As Envoy: no response at all, one of the 5xx, or one of gRPC's statuses that stand for them. */
export function isError(info: StreamInfo): boolean {
  return info.status === 0 || info.status >= 500 || isGrpcError(info);
}

/** Bytes of the wire as text: UTF-8 where they are. */
function wireTag(value: string): string {
  const short = value.length > TAG_LENGTH_MAX ? value.slice(0, TAG_LENGTH_MAX) : value;
  for (let i = 0; i < short.length; i++) {
    if (short.charCodeAt(i) > 0x7f) return Buffer.from(short, 'latin1').toString('utf8');
  }
  return short;
}

/** What Istio's proxies say of their workload; a custom tag of the same name wins. */
function nodeTags(node: NodeFacts, except: ReadonlySet<string>): string[] {
  const workload = localWorkload(node);
  const { MESH_ID: mesh } = node.metadata;
  const candidates: readonly (readonly [string, string])[] = [
    ['component', 'proxy'],
    ['node_id', node.id],
    ['istio.canonical_service', workload.canonicalService],
    ['istio.canonical_revision', workload.canonicalService === UNKNOWN ? UNKNOWN : workload.canonicalRevision],
    ['istio.namespace', workload.namespace],
    ['istio.cluster_id', workload.cluster],
    ['istio.mesh_id', typeof mesh === 'string' ? mesh : UNKNOWN],
  ];
  return candidates.filter(([tag, value]) => value !== '' && value !== UNKNOWN && !except.has(tag)).flat();
}

interface CompiledTags {
  readonly fixed: string[];
  readonly headers: HeaderTag[];
  readonly metadata: MetadataTag[];
}

function compileCustom(tags: readonly CustomTag[], path: string): CompiledTags {
  const fixed: string[] = [];
  const headers: HeaderTag[] = [];
  const metadata: MetadataTag[] = [];
  const seen = new Set<string>();
  for (const [i, { tag, literal, environment, requestHeader, metadata: from }] of tags.entries()) {
    if (seen.has(tag)) throw new ConfigError(`${path}.customTags[${i}].tag`, `'${tag}' is used twice`);
    seen.add(tag);
    if (requestHeader !== undefined) {
      headers.push({ tag, header: requestHeader.name.toLowerCase(), fallback: requestHeader.defaultValue ?? '' });
      continue;
    }
    if (from !== undefined) {
      const { metadataKey: { key, path: keys }, defaultValue = '' } = from;
      metadata.push({ tag, namespace: key, path: keys.map((segment) => segment.key), fallback: defaultValue });
      continue;
    }
    const value = literal?.value ?? process.env[environment?.name ?? ''] ?? environment?.defaultValue ?? '';
    if (value !== '') fixed.push(tag, value);
  }
  return { fixed, headers, metadata };
}
