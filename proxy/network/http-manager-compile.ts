// From an HttpConnectionManager's configuration to what its connections and streams use.
import { CidrSet, compileCidr } from '../base/cidr.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { WriteBatch } from '../base/write-batch.ts';
import { msOr } from '../config/duration.ts';
import { LIMITS } from '../config/limits.ts';
import type { HttpConnectionManager as Config } from '../config/http-connection-manager.ts';
import { FilterChain } from '../filter/chain.ts';
import type { HttpFilter } from '../filter/filter.ts';
import { noteResponse } from '../filter/route-note.ts';
import type { StreamSettings } from '../filter/stream-settings.ts';
import type { Http1ServerOptions } from '../http/http1-server.ts';
import type { Http2Options } from '../http/http2-options.ts';
import { http2Windows } from '../http/http2-options.ts';
import type { RouteTableRef } from '../route/route-tables.ts';
import type { AccessLogs } from '../telemetry/access-log.ts';
import { HttpStats } from '../telemetry/http-stats.ts';
import { http2Scope, http2Stats } from '../telemetry/http2-stats.ts';
import { httpScope } from '../telemetry/stat-name.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { Tracer } from '../telemetry/tracing.ts';
import type { ClientCertDetails } from './client-cert-header.ts';
import { Forwarding } from './forwarding-headers.ts';
import type { ForwardingOptions } from './forwarding-headers.ts';
import type { HttpManagerSettings } from './http-connection-manager.ts';

/** What a worker gives to every connection manager. */
export interface HttpManagerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerWheel;
  readonly writes: WriteBatch;
  readonly stats: Stats;
  /** The machine's own address, which stands for clients on loopback in x-forwarded-for. */
  readonly localIp: string;
}

/** The parts that were compiled before, because that may wait for a module to load. */
export interface HttpManagerParts {
  readonly filters: readonly HttpFilter[];
  readonly routes: RouteTableRef;
  readonly accessLogs: AccessLogs | undefined;
  readonly tracer: Tracer | undefined;
  readonly bufferBytesMax: number;
  /** The listener's traffic direction is OUTBOUND. */
  readonly outbound: boolean;
}

/** Throws a ConfigError with the field path. */
export function compileHttpManager(
  config: Config, parts: HttpManagerParts, deps: HttpManagerDeps,
): HttpManagerSettings {
  const common = config.commonHttpProtocolOptions ?? {};
  const stats = new HttpStats(deps.stats, httpScope(config.statPrefix));
  return {
    name: config.statPrefix,
    stats,
    stream: streamSettings(config, parts, deps, stats),
    codecType: CODEC_TYPE[config.codecType ?? 'AUTO'],
    http1: http1Options(config, deps),
    http2: http2Options(config, deps),
    idleTimeoutMs: msOr(common.idleTimeout, LIMITS.idleTimeoutMs),
    maxDurationMs: msOr(common.maxConnectionDuration, 0),
    maxRequests: common.maxRequestsPerConnection ?? 0,
  };
}

function streamSettings(
  config: Config, parts: HttpManagerParts, deps: HttpManagerDeps, stats: HttpStats,
): StreamSettings {
  const forwarding = new Forwarding(forwardingOptions(config, deps.localIp), deps.clock, deps.random);
  const { routes, tracer, accessLogs } = parts;
  const tracedWay = config.tracing === undefined ? undefined : parts.outbound ? 'outbound' : 'inbound';
  const upgrades = new Map(
    (config.upgradeConfigs ?? []).map((upgrade) => [upgrade.upgradeType.toLowerCase(), upgrade.enabled ?? true]),
  );
  return {
    chain: new FilterChain(parts.filters),
    clock: deps.clock,
    random: deps.random,
    timers: deps.timers,
    bufferBytesMax: parts.bufferBytesMax,
    idleTimeoutMs: msOr(config.streamIdleTimeout, LIMITS.streamIdleTimeoutMs),
    maxDurationMs: msOr(config.commonHttpProtocolOptions?.maxStreamDuration, 0),
    requestTimeoutMs: msOr(config.requestTimeout, 0),
    tracedWay,
    matchRoute: (request, info) => routes.current?.match(request, info, deps.random.float()),
    prepareRequest: (request, info) => {
      const refused = forwarding.prepareRequest(request, info);
      if (refused === undefined) tracer?.start(request.headers, info);
      return refused;
    },
    normalize: (request, localPort) => forwarding.normalize(request, localPort),
    startTrace: (request, info) => tracer?.start(request.headers, info),
    prepareResponse: (response, info) => {
      forwarding.prepareResponse(response, info);
      if (tracedWay !== undefined) noteResponse(response, info, tracedWay);
    },
    allowsUpgrade: (token, route) => {
      const own = route?.action.kind === 'forward' ? route.action.upgrades.get(token) : undefined;
      return own ?? upgrades.get(token) ?? false;
    },
    onStreamStart: () => stats.requestStarted(),
    onStreamEnd: (info: StreamInfo) => {
      stats.requestEnded(info);
      tracer?.finish(info);
      accessLogs?.write(info);
    },
  };
}

function http1Options(config: Config, deps: HttpManagerDeps): Http1ServerOptions {
  const options = config.httpProtocolOptions ?? {};
  const common = config.commonHttpProtocolOptions ?? {};
  return {
    headBytesMax: (config.maxRequestHeadersKb ?? 60) * 1024,
    headerCountMax: common.maxHeadersCount ?? LIMITS.headersCountMax,
    headTimeoutMs: msOr(config.requestHeadersTimeout, LIMITS.headersTimeoutMs),
    acceptHttp10: options.acceptHttp10 ?? false,
    defaultHostForHttp10: options.defaultHostForHttp10 ?? '',
    allowAbsoluteUrl: options.allowAbsoluteUrl ?? true,
    enableTrailers: options.enableTrailers ?? false,
    preserveCase: options.headerKeyFormat?.statefulFormatter !== undefined,
    properCase: options.headerKeyFormat?.properCaseWords !== undefined,
    headersWithUnderscores: underscores(common.headersWithUnderscoresAction),
    delayedCloseMs: msOr(config.delayedCloseTimeout, LIMITS.delayedCloseMs),
    // As Envoy: a client that has sent FIN is gone, and work for it ends (faults.md F08).
    halfClosedClient: 'cancel',
    writes: deps.writes,
  };
}

function http2Options(config: Config, deps: HttpManagerDeps): Http2Options {
  const common = config.commonHttpProtocolOptions ?? {};
  return {
    ...http2Windows(config.http2ProtocolOptions),
    headBytesMax: (config.maxRequestHeadersKb ?? 60) * 1024,
    headerCountMax: common.maxHeadersCount ?? LIMITS.headersCountMax,
    headersWithUnderscores: underscores(common.headersWithUnderscoresAction),
    delayedCloseMs: msOr(config.delayedCloseTimeout, LIMITS.delayedCloseMs),
    flushTimeoutMs: msOr(config.streamIdleTimeout, 0) || LIMITS.flushTimeoutMs,
    counters: http2Stats(deps.stats, http2Scope),
    clock: deps.clock,
    random: deps.random,
    timers: deps.timers,
    writes: deps.writes,
  };
}

function underscores(action: string | undefined): 'allow' | 'reject' | 'drop' {
  if (action === 'REJECT_REQUEST') return 'reject';
  return action === 'DROP_HEADER' ? 'drop' : 'allow';
}

const CODEC_TYPE = { AUTO: 'auto', HTTP1: 'http1', HTTP2: 'http2' } as const;

const CLIENT_CERT = {
  SANITIZE: 'sanitize', FORWARD_ONLY: 'forward-only', APPEND_FORWARD: 'append-forward', SANITIZE_SET: 'sanitize-set',
  ALWAYS_FORWARD_ONLY: 'always-forward-only',
} as const;

const SERVER_HEADER = {
  OVERWRITE: 'overwrite', APPEND_IF_ABSENT: 'append-if-absent', PASS_THROUGH: 'pass-through',
} as const;

function forwardingOptions(config: Config, localIp: string): ForwardingOptions {
  return {
    localIp,
    useRemoteAddress: config.useRemoteAddress ?? false,
    xffTrustedHops: config.xffNumTrustedHops ?? 0,
    skipXffAppend: config.skipXffAppend ?? false,
    internalAddresses: internalAddresses(config.internalAddressConfig),
    generateRequestId: config.generateRequestId ?? true,
    preserveExternalRequestId: config.preserveExternalRequestId ?? false,
    alwaysSetRequestIdInResponse: config.alwaysSetRequestIdInResponse ?? false,
    clientCert: CLIENT_CERT[config.forwardClientCertDetails ?? 'SANITIZE'],
    clientCertDetails: clientCertDetails(config.setCurrentClientCertDetails),
    serverName: config.serverName === undefined || config.serverName === '' ? 'envoy' : config.serverName,
    serverHeader: SERVER_HEADER[config.serverHeaderTransformation ?? 'OVERWRITE'],
    via: config.via ?? '',
    normalization: {
      dotSegments: config.normalizePath ?? false,
      mergeSlashes: config.mergeSlashes ?? false,
      escapedSlashes: escapedSlashes(config.pathWithEscapedSlashesAction),
    },
    stripPort: config.stripAnyHostPort === true ? 'any' : config.stripMatchingHostPort === true ? 'matching' : 'none',
    stripTrailingHostDot: config.stripTrailingHostDot ?? false,
  };
}

function escapedSlashes(
  action: Config['pathWithEscapedSlashesAction'],
): ForwardingOptions['normalization']['escapedSlashes'] {
  if (action === 'REJECT_REQUEST') return 'reject';
  if (action === 'UNESCAPE_AND_FORWARD') return 'unescape-and-forward';
  return action === 'UNESCAPE_AND_REDIRECT' ? 'unescape-and-redirect' : 'keep';
}

function clientCertDetails(config: Config['setCurrentClientCertDetails']): ClientCertDetails {
  const { subject = false, uri = false, dns = false, cert = false, chain = false } = config ?? {};
  return { subject, uri, dns, cert, chain };
}

function internalAddresses(config: Config['internalAddressConfig']): CidrSet | undefined {
  if (config?.cidrRanges === undefined) return undefined;
  return new CidrSet(config.cidrRanges.map((range, i) => compileCidr(range, `internalAddressConfig.cidrRanges[${i}]`)));
}
