// What is known about one request while it lives: written by every stage, read by stats, access log and tracing.
import type { X509Certificate } from 'node:crypto';
import type { UpstreamSource } from '../base/original-source.ts';
import type { ProxyTlv } from '../base/proxy-protocol.ts';
import type { AccessDecision } from './decision.ts';
import type { DynamicMetadata } from './dynamic-metadata.ts';
import type { ActiveSpan } from './span-record.ts';

/** Header fields as telemetry reads them; http/headers.ts is what is behind it. */
export interface HeaderView {
  get(name: string): string | undefined;
  joined(name: string): string | undefined;
  readonly count: number;
  nameAt(index: number): string;
  valueAt(index: number): string;
}

/** A request head as telemetry reads it; http/message.ts is what is behind it. */
export interface RequestView {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  readonly protocol: string;
  readonly contentLength: number;
  readonly upgrade: string | undefined;
  readonly headers: HeaderView;
}

/** A response head as telemetry reads it. */
export interface ResponseView {
  readonly status: number;
  readonly protocol: string;
  readonly contentLength: number;
  readonly upgrade: string | undefined;
  readonly headers: HeaderView;
}

/** Hosts that requests on a connection may be for. */
export interface ServedHosts {
  /** `authority` may have a port. */
  serves(authority: string): boolean;
}

/** A connection's facts that do not change; one object a connection. */
export interface ConnectionInfo {
  readonly id: number;
  /** ip:port texts, IPv6 in brackets. */
  readonly remoteAddress: string;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localIp: string;
  readonly localPort: number;
  /** The peer's own address, where it said by the PROXY protocol for whom it speaks. */
  readonly directRemote?: { readonly ip: string; readonly address: string } | undefined;
  /** What that said besides, for filters of connections. */
  readonly metadata?: DynamicMetadata | undefined;
  /** Of that: what upstreams may be told. */
  readonly proxyTlvs?: readonly ProxyTlv[] | undefined;
  /** The local address is where it wanted to go before the system redirected it here. */
  readonly redirected?: boolean;
  /** Where connections for it leave from; undefined: as their cluster says. */
  readonly upstreamSource?: UpstreamSource;
  readonly tls: TlsInfo | undefined;
  /** SNI, also on plaintext connections that were inspected. */
  readonly serverName: string | undefined;
  /** Where its listener has tenants, told apart by SNI; undefined: any. */
  readonly servedHosts?: ServedHosts | undefined;
  readonly listenerName: string;
  readonly filterChainName: string;
}

/** Facts of a TLS connection's handshake. */
export interface TlsInfo {
  readonly version: string;
  readonly cipher: string;
  readonly alpn: string | undefined;
  /** The peer's single URI SAN (SPIFFE id) from the certificate's DER, when a certificate was verified. */
  readonly peerUriSan: string | undefined;
  readonly peerDnsSans: readonly string[];
  readonly peerSubject: string | undefined;
  /** SHA-256 of the peer's certificate, lower-case hex; undefined when none was verified. */
  readonly peerCertificateHash: string | undefined;
  readonly localUriSan: string | undefined;
  /** All URI names of a verified peer. */
  readonly peerUriSans?: readonly string[] | undefined;
  /** What a verified peer showed, its own certificate first. */
  readonly peerCertificates?: readonly X509Certificate[] | undefined;
  /** Unix time in milliseconds at which a verified peer's certificates end, or ours; undefined: nobody is verified. */
  readonly endMs?: number | undefined;
  /** Where a connection of a verified peer learns that the peer is not trusted any more. */
  readonly peerTrust?: PeerTrust | undefined;
}

/** A connection that goes by its peer's certificates. */
export interface TrustHolder {
  /** As they were shown, the leaf first. */
  readonly certificates: readonly X509Certificate[];
  /** The root to which they lead is trusted no more. */
  untrusted(): void;
}

/** Keeps those that are to be told; each says when it is gone. */
export interface PeerTrust {
  hold(holder: TrustHolder): void;
  release(holder: TrustHolder): void;
}

/** Messages of a gRPC stream so far, in both directions. */
export interface GrpcMessages {
  requests: number;
  responses: number;
}

/** The endpoint that a filter asks for; the balancer is not asked. */
export interface OverrideHost {
  readonly address: string;
  /** No other will do: then the answer is `missingStatus`. */
  readonly strict: boolean;
  readonly missingStatus: number;
}

/** One request's record. Times are `clock.nowMs()`; -1 until it happened. */
export class StreamInfo {
  connection: ConnectionInfo;
  /** The client's address out of a trusted x-forwarded-for; '' where it is the connection's own. */
  forwardedIp = '';
  request: RequestView | undefined = undefined;
  response: ResponseView | undefined = undefined;
  responseTrailers: HeaderView | undefined = undefined;
  /** Whether the request came as one of gRPC's; undefined: as it says now, since nothing has changed its type. */
  grpc: boolean | undefined = undefined;
  startWallMs: number;
  startMs: number;
  requestEndMs = -1;
  responseStartMs = -1;
  endMs = -1;
  /** When the last byte of the request went upstream / the first byte came back. */
  upstreamSentMs = -1;
  upstreamFirstByteMs = -1;
  bytesReceived = 0;
  bytesSent = 0;
  status = 0;
  /** Bits of response-flag.ts. */
  flags = 0;
  detail = '';
  terminationDetail = '';
  routeName = '';
  clusterName = '';
  /** The route's virtual host. */
  virtualHostName = '';
  /** ip:port of the endpoint that answered, '' for none. */
  upstreamAddress = '';
  upstreamLocalAddress = '';
  upstreamFailure = '';
  upstreamTls: TlsInfo | undefined = undefined;
  /** Endpoint metadata of the chosen host (`istio.workload`), for Istio's labels. */
  upstreamWorkload: string | undefined = undefined;
  attempts = 0;
  /** Turned away by a circuit breaker, and the client is to be told (x-envoy-overloaded). */
  overloaded = false;
  /** Where its first try goes, if its cluster has it. */
  overrideHost: OverrideHost | undefined = undefined;
  /** Set by the filter grpc_stats (emit_filter_state) with the first message. */
  grpcMessages: GrpcMessages | undefined = undefined;
  /** What filters said of it, by namespace (see dynamic-metadata.ts); undefined while none has said anything. */
  dynamicMetadata: DynamicMetadata | undefined = undefined;
  requestId = '';
  traceId = '';
  spanId = '';
  sampled = false;
  /** Set by the tracer on sampled requests alone. */
  span: ActiveSpan | undefined = undefined;
  /** The span's name that the peer gave; '' leaves the route's. Names nothing but the span (S88). */
  spanName = '';
  /** The span's name that the peer in front is told. */
  operationToTell = '';
  /** The span's name (the route's decorator.operation); '' leaves the authority. */
  operation = '';
  healthCheck = false;
  /** Why it was denied, and by whom. */
  denial: AccessDecision | undefined = undefined;

  constructor(connection: ConnectionInfo, startMs: number, startWallMs: number) {
    this.connection = connection;
    this.startMs = startMs;
    this.startWallMs = startWallMs;
  }
}
