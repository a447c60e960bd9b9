// Weft's default limits by name, each with its reason. Free of the schema library: workers read them too.
// Sizes are in bytes, times in milliseconds. What hits a limit is counted where the limit is enforced.
import { READ_BYTES } from '../base/lent-buffer.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;

export const LIMITS = {
  // HTTP/1.1 heads (S14): a browser's largest are some 16 KiB; a line is a URL or a cookie.
  requestLineBytesMax: 8 * KIB,
  headerLineBytesMax: 8 * KIB,
  headersBytesMax: 60 * KIB,
  headersCountMax: 100,
  // Chunk extensions carry nothing that is used (S07).
  chunkExtensionBytesMax: 256,
  chunkExtensionsBytesMax: 4 * KIB,
  // Interim responses before the final one (S18).
  informationalMax: 10,

  // HTTP/2 (S20 to S25). A header block while it is gathered: no client needs more than a few frames.
  http2HeaderBlockBytesMax: 128 * KIB,
  http2ContinuationsMax: 16,
  http2HeaderBlockTimeoutMs: 5 * SECOND,
  http2StreamsMax: 100,
  // Towards a server it is the server that knows how much it takes.
  http2UpstreamStreamsMax: 1024,
  http2StreamWindow: 64 * KIB,
  http2ConnectionWindow: MIB,
  http2TableBytes: 4 * KIB,
  // Budgets of one connection: work that costs its sender little. Cancelled streams count when they are most of all.
  http2BudgetWindowMs: 10 * SECOND,
  http2ResetsMax: 100,
  // SETTINGS, unknown frames, and PING beyond one for each stream and DATA frame of either direction in that time.
  http2ControlFramesMax: 1000,
  http2UnsentAnswersMax: 200,
  http2EmptyFramesMax: 1,
  http2PrioritiesPerStream: 10,
  http2WindowUpdatesPerData: 10,
  // Tiny pieces of bodies in that time: gRPC streams have small messages, a dribble has many more.
  http2SmallDataBytes: 16,
  http2SmallDataMax: 1_000_000,

  // Downstream connections of one listener and worker: 64 KiB for each in a worker of 2 GiB (S84).
  listenerConnectionsMax: 32_768,

  // Bytes held for a slow reader beyond what the kernel holds (S81).
  streamBufferBytes: 32 * KIB,
  connectionBufferBytes: 256 * KIB,
  // A read grows while the other side drains (design.md section 6).
  readBytesMin: READ_BYTES,
  readBytesMax: 256 * KIB,

  // Deadlines (S80): whole head, not per byte.
  headersTimeoutMs: 10 * SECOND,
  tlsHandshakeTimeoutMs: 10 * SECOND,
  inspectorTimeoutMs: 5 * SECOND,
  // The header of the PROXY protocol is the first thing that its sender writes (S48).
  proxyHeaderTimeoutMs: SECOND,
  idleTimeoutMs: 60 * MINUTE,
  streamIdleTimeoutMs: 5 * MINUTE,
  // Without progress of what waits for a client that doesn't read, where stream_idle_timeout is off.
  flushTimeoutMs: 5 * MINUTE,
  // A request body of declared length comes at this rate at least, beyond a time for pauses.
  bodyGraceMs: MINUTE,
  bodyBytesPerSecondMin: 240,
  routeTimeoutMs: 15 * SECOND,
  connectTimeoutMs: 5 * SECOND,
  drainTimeoutMs: 30 * SECOND,
  // A connection drains so long before its peer's certificate ends, and is cut then (S58).
  certificateDrainMs: 30 * SECOND,
  delayedCloseMs: SECOND,
  // Servers commonly close after 5 s; leaving before them avoids requests on a dying connection.
  upstreamIdleMs: 4 * SECOND,

  // Detection of protocols: how long a client may be silent before its server is asked whether it speaks first, and the
  // destinations of which that is known.
  serverFirstWaitMs: 50,
  // Where the client may also speak TLS, a server that is asked too early would spoil the handshake of a late
  // ClientHello: as long as one takes that is lost once, and sent again.
  serverFirstTlsWaitMs: 300,
  serverFirstDestinationsMax: 1024,
  serverFirstMemoryMs: 10 * MINUTE,

  // A header of the PROXY protocol with its TLVs, which may hold a certificate (S48).
  proxyHeaderBytesMax: 16 * KIB,

  // ClientHello in all its records (S54).
  clientHelloBytesMax: 64 * KIB,
  // Handshakes that a worker begins in a second (S62): more would leave nothing for those that are let in already.
  handshakesPerSecondMax: 1000,
  // Certificates that a peer shows, the leaf included (S62): a mesh's chains have two or three. OpenSSL bounds their
  // bytes by 100 KiB.
  peerCertificatesMax: 10,

  // A request that came through this proxy so often in a row turns in a circle, and would until its head is full (S86).
  ownHopsMax: 32,

  // Retries multiply load when it hurts most (S83).
  retriesDefault: 1,
  retryBudgetPercent: 20,
  retryConcurrencyMin: 3,

  // Circuit breakers (Envoy's defaults, per cluster over all workers).
  clusterConnectionsMax: 1024,
  clusterPendingMax: 1024,
  clusterRequestsMax: 1024,
  clusterRetriesMax: 3,

  // Endpoints that requests name by themselves (ORIGINAL_DST), of a cluster and worker: some 2 KiB for each, and its
  // connections (S81, S88). How long one is kept that nobody asks for is Envoy's default.
  originalDstHostsMax: 1024,
  originalDstCleanupMs: 5 * SECOND,

  // Regular expressions have theirs in base/regex.ts, which knows nothing of configuration (S46).

  // Configuration (S91, S92): a file of 4 MiB holds some 10,000 routes.
  configBytesMax: 4 * MIB,
  configDepthMax: 100,
  configAliasesMax: 100,
  configNodesMax: 500_000,
  configErrorsMax: 50,

  // Answers of DNS, and how often names are asked for (S87).
  dnsRecordsMax: 256,
  dnsRefreshMs: 5 * SECOND,
  dnsTtlMinMs: SECOND,

  // Methods of gRPC with counters of their own, of one cluster in a filter, and their names (S88): clients choose them.
  grpcMethodsMax: 500,
  grpcMethodBytesMax: 256,
  // What gRPC-Web clients are told of an answer that is none of gRPC's: encoded it still fits into a head of 16 KiB.
  grpcMessageBytesMax: 4 * KIB,

  // Body of a direct response (Envoy's max_direct_response_body_size_bytes).
  directResponseBytesMax: 4 * KIB,
} as const;
