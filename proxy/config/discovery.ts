// The messages of the xDS protocol itself (envoy.service.discovery.v3), which our client and our server share.
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE, VIRTUAL_HOST_TYPE }
  from './type-url.ts';
import type { Wire } from './wire.ts';

/** An Any whose bytes are left as they travel: one resource that cannot be decoded must not spoil its neighbours. */
export interface OpaqueAny {
  readonly '@type': string;
  readonly value: Uint8Array;
}

/** google.rpc.Status; `code` is gRPC's. */
export interface RpcStatus {
  readonly code?: number;
  readonly message?: string;
  readonly details?: readonly OpaqueAny[];
}

/** envoy.config.core.v3.Node as it is sent. */
export interface DiscoveryNode {
  readonly id?: string;
  readonly cluster?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly locality?: { readonly region?: string; readonly zone?: string; readonly subZone?: string };
  readonly userAgentName?: string;
  readonly userAgentVersion?: string;
  readonly clientFeatures?: readonly string[];
}

/** From client to server in the incremental variant. */
export interface DeltaDiscoveryRequest {
  readonly node?: DiscoveryNode;
  readonly typeUrl?: string;
  readonly resourceNamesSubscribe?: readonly string[];
  readonly resourceNamesUnsubscribe?: readonly string[];
  /** Name to version, in the first request for a type on a stream. */
  readonly initialResourceVersions?: Readonly<Record<string, string>>;
  /** Set: answers that response; with `errorDetail` it refuses it. */
  readonly responseNonce?: string;
  readonly errorDetail?: RpcStatus;
}

export interface DeltaResource {
  readonly name?: string;
  readonly version?: string;
  readonly resource?: OpaqueAny;
  /** Names by which it was asked for (VHDS). */
  readonly aliases?: readonly string[];
}

/** From server to client in the incremental variant. */
export interface DeltaDiscoveryResponse {
  readonly systemVersionInfo?: string;
  readonly resources?: readonly DeltaResource[];
  readonly typeUrl?: string;
  readonly removedResources?: readonly string[];
  readonly nonce?: string;
}

/** From client to server in the state-of-the-world variant. */
export interface DiscoveryRequest {
  readonly versionInfo?: string;
  readonly node?: DiscoveryNode;
  readonly resourceNames?: readonly string[];
  readonly typeUrl?: string;
  readonly responseNonce?: string;
  readonly errorDetail?: RpcStatus;
}

/** From server to client in the state-of-the-world variant. */
export interface DiscoveryResponse {
  readonly versionInfo?: string;
  readonly resources?: readonly OpaqueAny[];
  readonly typeUrl?: string;
  readonly nonce?: string;
}

interface Messages {
  readonly DeltaDiscoveryRequest: DeltaDiscoveryRequest;
  readonly DeltaDiscoveryResponse: DeltaDiscoveryResponse;
  readonly DiscoveryRequest: DiscoveryRequest;
  readonly DiscoveryResponse: DiscoveryResponse;
}

/** Bytes and back, for one message. Decoding throws for bytes that are none. */
export interface DiscoveryCodec<T> {
  encode(message: T): Buffer;
  decode(bytes: Buffer): T;
}

export function discoveryCodec<K extends keyof Messages>(wire: Wire, name: K): DiscoveryCodec<Messages[K]> {
  const type = `envoy.service.discovery.v3.${name}`;
  return {
    encode: (message) => wire.encode(type, message),
    decode: (bytes) => wire.decode(type, bytes, 'opaque') as Messages[K],
  };
}

/** gRPC paths of the aggregated service. */
export const ADS_DELTA_PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
export const ADS_SOTW_PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';

const SERVICES: ReadonlyMap<string, readonly [service: string, resources: string]> = new Map([
  [CLUSTER_TYPE, ['cluster.v3.ClusterDiscoveryService', 'Clusters']],
  [ENDPOINT_TYPE, ['endpoint.v3.EndpointDiscoveryService', 'Endpoints']],
  [LISTENER_TYPE, ['listener.v3.ListenerDiscoveryService', 'Listeners']],
  [ROUTE_TYPE, ['route.v3.RouteDiscoveryService', 'Routes']],
  [VIRTUAL_HOST_TYPE, ['route.v3.VirtualHostDiscoveryService', 'VirtualHosts']],
  [SECRET_TYPE, ['secret.v3.SecretDiscoveryService', 'Secrets']],
]);

/** gRPC path of the service of one type. */
export function discoveryPath(typeUrl: string, variant: 'delta' | 'sotw'): string {
  const [service, resources] = SERVICES.get(typeUrl)!;
  return `/envoy.service.${service}/${variant === 'delta' ? 'Delta' : 'Stream'}${resources}`;
}

/**
 * Largest message that either side takes: hundreds of thousands of endpoints. A message is decoded whole, and takes a
 * multiple of its size then.
 */
export const DISCOVERY_MESSAGE_BYTES_MAX: number = 64 * 1024 * 1024;

/** One resource that a client refuses. Ours says so in `error_detail.details` as well, as a Struct. */
export interface ResourceRefusal {
  readonly name: string;
  readonly reason: string;
}

const STRUCT = 'google.protobuf.Struct';
const STRUCT_TYPE = `type.googleapis.com/${STRUCT}`;
const INVALID_ARGUMENT = 3;
const REFUSALS_MAX = 50;
const REASON_MAX = 1000;

/** The error of a NACK: each resource with its reason, in words and as data. */
export function refusalStatus(wire: Wire, kind: string, refusals: readonly ResourceRefusal[]): RpcStatus {
  const told = refusals.slice(0, REFUSALS_MAX)
    .map(({ name, reason }) => ({ name, reason: reason.slice(0, REASON_MAX) }));
  const lines = told.map(({ name, reason }) => `${kind} '${name}': ${reason}`);
  if (refusals.length > told.length) lines.push(`and ${refusals.length - told.length} more`);
  const details = [{ '@type': STRUCT_TYPE, value: wire.encode(STRUCT, { refused: told }) }];
  return { code: INVALID_ARGUMENT, message: lines.join('; '), details };
}

/** The resources that a client of ours refused, or undefined when the peer didn't say it as data. */
export function refusalsOf(wire: Wire, status: RpcStatus): readonly ResourceRefusal[] | undefined {
  for (const { '@type': type, value } of status.details ?? []) {
    if (type !== STRUCT_TYPE) continue;
    const refused = decodeStruct(wire, value)['refused'];
    if (Array.isArray(refused)) return refused.filter(isRefusal);
  }
  return undefined;
}

function decodeStruct(wire: Wire, value: Uint8Array): Record<string, unknown> {
  try {
    return wire.decode(STRUCT, value);
  } catch {
    return {};
  }
}

function isRefusal(value: unknown): value is ResourceRefusal {
  if (typeof value !== 'object' || value === null) return false;
  const { name, reason } = value as Record<string, unknown>;
  return typeof name === 'string' && typeof reason === 'string';
}
