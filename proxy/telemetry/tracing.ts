// The tracer of one connection manager: continues or begins a trace, passes its context on, records sampled spans.
import type { Random } from '../base/random.ts';
import type { HttpTracing, UuidRequestIdConfig } from '../config/http-connection-manager.ts';
import type { TracingProvider, ZipkinConfig } from '../config/tracing.ts';
import type { SpanBuffer } from './span-buffer.ts';
import type { SpanRecord, SpanTarget } from './span-record.ts';
import { SpanTags, isError } from './span-tags.ts';
import type { StreamInfo } from './stream-info.ts';
import type { HeaderFields } from './trace-context.ts';
import { TraceContext } from './trace-context.ts';
import type { SamplingDecision } from './trace-sampling.ts';
import { TraceSampling } from './trace-sampling.ts';
import type { NodeFacts } from './workload.ts';

export interface TracerDeps {
  readonly random: Random;
  readonly spans: SpanBuffer;
  readonly node: NodeFacts;
}

export interface TracerOptions {
  /** The listener's traffic direction; unspecified counts as inbound, as in Envoy. */
  readonly outbound: boolean;
  /** The bootstrap's `tracing.http`, for connection managers whose tracing names no provider. */
  readonly defaultProvider: TracingProvider | undefined;
  readonly requestId: UuidRequestIdConfig | undefined;
  /** Field path of the connection manager's `tracing`. */
  readonly path: string;
}

/** Undefined without `tracing` or without a provider: nothing is traced then. Throws ConfigError below the path. */
export function compileTracer(
  config: HttpTracing | undefined, options: TracerOptions, deps: TracerDeps,
): Tracer | undefined {
  const provider = config?.provider ?? options.defaultProvider;
  if (config === undefined || provider === undefined) return undefined;
  const { typedConfig } = provider;
  return new Tracer(compileSettings(config, typedConfig, options, deps), deps);
}

interface TracerSettings {
  readonly outbound: boolean;
  /** A client span beside the server's (spawn_upstream_span); one for all tries. */
  readonly split: boolean;
  /** The server's span has the id of its client's. */
  readonly shares: boolean;
  readonly w3c: boolean;
  readonly traceIdBytes: number;
  readonly target: SpanTarget;
  readonly sampling: TraceSampling;
  readonly tags: SpanTags;
}

function compileSettings(
  config: HttpTracing, zipkin: ZipkinConfig, options: TracerOptions, deps: TracerDeps,
): TracerSettings {
  const { collectorCluster: cluster = '', collectorEndpoint: path = '', collectorHostname } = zipkin;
  return {
    outbound: options.outbound,
    split: config.spawnUpstreamSpan === true,
    shares: zipkin.sharedSpanContext ?? true,
    w3c: zipkin.traceContextOption === 'USE_B3_WITH_W3C_PROPAGATION',
    traceIdBytes: zipkin.traceId128bit === true ? 16 : 8,
    target: { cluster, path, hostname: collectorHostname ?? '' },
    sampling: new TraceSampling(config, options.requestId),
    tags: new SpanTags(config, deps.node, options.path),
  };
}

/** Bytes of a span id. */
const SPAN_ID_BYTES = 8;

export class Tracer {
  readonly #settings: TracerSettings;
  readonly #random: Random;
  readonly #spans: SpanBuffer;
  readonly #context = new TraceContext();
  readonly #decision: SamplingDecision = { traced: false, requestId: '' };
  readonly #next = { traceId: '', spanId: '', parentId: '', sampled: false };
  #wallOffsetMs = 0;

  constructor(settings: TracerSettings, deps: TracerDeps) {
    this.#settings = settings;
    this.#random = deps.random;
    this.#spans = deps.spans;
  }

  /** Decides, and puts the context that goes upstream into the request's headers; its request id must be known. */
  start(headers: HeaderFields, info: StreamInfo): void {
    const { sampling, w3c } = this.#settings;
    const context = this.#context;
    context.read(headers, w3c);
    if (info.healthCheck) this.#decision.traced = false;
    else sampling.decide(info.requestId, context, this.#decision);
    if (!info.healthCheck && this.#decision.requestId !== info.requestId) {
      info.requestId = this.#decision.requestId;
      headers.set('x-request-id', info.requestId);
    }
    info.sampled = context.sampled === 'unsaid' ? this.#decision.traced : context.sampled === 'yes';
    this.#begin(info);
    context.write(headers, this.#next, w3c);
  }

  /** Records the span or spans of a sampled request that is over. */
  finish(info: StreamInfo): void {
    const span = info.span;
    if (span === undefined || info.endMs < 0) return;
    const { outbound, split, target, tags } = this.#settings;
    const kind = outbound && !split ? 'client' : 'server';
    const record: SpanRecord = {
      target, kind, traceId: info.traceId, spanId: info.spanId, parentId: span.parentId, shared: span.shared,
      name: info.spanName || info.operation || (info.request?.authority ?? ''),
      startUs: this.#wallUs(info, info.startMs), durationUs: microseconds(info.endMs - info.startMs),
      error: isError(info), tags: tags.of(info),
    };
    this.#spans.add(record);
    if (span.clientSpanId !== '') this.#spans.add(this.#upstreamSpan(record, span.clientSpanId, info));
  }

  /** Ids of this proxy's spans into `info`, and of what goes upstream into `#next`. */
  #begin(info: StreamInfo): void {
    const { outbound, split, shares, traceIdBytes } = this.#settings;
    const context = this.#context;
    const next = this.#next;
    let shared = false;
    if (context.traceId === '') {
      next.traceId = this.#random.hex(traceIdBytes);
      next.spanId = next.traceId.slice(-2 * SPAN_ID_BYTES);
      next.parentId = '';
    } else {
      shared = shares && (!outbound || split);
      next.traceId = context.traceId;
      next.spanId = shared ? context.spanId : this.#random.hex(SPAN_ID_BYTES);
      next.parentId = shared ? context.parentId : context.spanId;
    }
    info.traceId = next.traceId;
    info.spanId = next.spanId;
    next.sampled = info.sampled;
    const { parentId } = next;
    if (split) {
      next.parentId = next.spanId;
      next.spanId = this.#random.hex(SPAN_ID_BYTES);
    }
    if (info.sampled) info.span = { parentId, shared, clientSpanId: split ? next.spanId : '' };
  }

  /** From the first try's start to the end, beside the server's span. */
  #upstreamSpan(server: SpanRecord, spanId: string, info: StreamInfo): SpanRecord {
    const startMs = info.upstreamSentMs < 0 ? info.startMs : info.upstreamSentMs;
    return {
      ...server, kind: 'client', spanId, parentId: server.spanId, shared: false,
      name: `router ${info.clusterName} egress`,
      startUs: this.#wallUs(info, startMs), durationUs: microseconds(info.endMs - startMs),
    };
  }

  /**
   * Wall clocks tick in milliseconds, the monotonic one finer: of all requests' differences the largest is the truest,
   * until the wall clock is set.
   */
  #wallUs(info: StreamInfo, ms: number): number {
    const offset = info.startWallMs - info.startMs;
    if (offset > this.#wallOffsetMs || offset < this.#wallOffsetMs - 2) this.#wallOffsetMs = offset;
    return Math.round((ms + this.#wallOffsetMs) * 1000);
  }
}

/** At least one: Zipkin takes 0 for unknown. */
function microseconds(ms: number): number {
  return Math.max(1, Math.round(ms * 1000));
}
