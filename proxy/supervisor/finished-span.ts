// A span record in the shape that OpenTelemetry reads, with the ids and times that the worker gave it.
import { SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import type { Attributes, HrTime, SpanContext, SpanStatus } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';
import type { SpanRecord } from '../telemetry/span-record.ts';

/** Everything that is known about the proxy is in the spans' own tags. */
const RESOURCE: ReadableSpan['resource'] = Object.freeze({
  attributes: {},
  merge: (other: ReadableSpan['resource'] | null) => other ?? RESOURCE,
  getRawAttributes: () => [],
});

/** What a span costs beside its texts. */
const SPAN_BYTES = 512;

export class FinishedSpan implements ReadableSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly parentSpanContext?: SpanContext;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly duration: HrTime;
  readonly attributes: Attributes;
  /** The error is a tag already, with Envoy's name. */
  readonly status: SpanStatus = { code: SpanStatusCode.UNSET };
  readonly links = [];
  readonly events = [];
  readonly ended = true;
  readonly resource = RESOURCE;
  readonly instrumentationScope = { name: 'weft' };
  readonly droppedAttributesCount = 0;
  readonly droppedEventsCount = 0;
  readonly droppedLinksCount = 0;
  /** Roughly what it takes in memory. */
  readonly bytes: number;
  readonly #context: SpanContext;

  constructor(record: SpanRecord) {
    const { traceId, spanId, parentId, startUs, durationUs, tags } = record;
    this.name = record.name;
    this.kind = record.kind === 'server' ? SpanKind.SERVER : SpanKind.CLIENT;
    this.#context = contextOf(traceId, spanId);
    if (parentId !== '') this.parentSpanContext = contextOf(traceId, parentId);
    this.startTime = hrTime(startUs);
    this.endTime = hrTime(startUs + durationUs);
    this.duration = hrTime(durationUs);
    this.attributes = attributesOf(tags);
    this.bytes = tags.reduce((sum, text) => sum + text.length, SPAN_BYTES);
  }

  spanContext(): SpanContext {
    return this.#context;
  }
}

function contextOf(traceId: string, spanId: string): SpanContext {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: false };
}

function hrTime(us: number): HrTime {
  return [Math.floor(us / 1e6), (us % 1e6) * 1000];
}

/** Names of tags come from configuration: no name may reach a prototype. */
function attributesOf(tags: readonly string[]): Attributes {
  const attributes = Object.create(null) as Attributes;
  for (let i = 0; i < tags.length; i += 2) attributes[tags[i]!] = tags[i + 1]!;
  return attributes;
}
