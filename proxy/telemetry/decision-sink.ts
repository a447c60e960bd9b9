// Where filters tell what they decided about access, and who listens.
import type { AccessDecision } from './decision.ts';
import type { StreamInfo } from './stream-info.ts';

/** Hears while the request, or the connection, is being judged: `info` may be kept as long as that lives. */
export interface DecisionSink {
  onDecision(decision: AccessDecision, info: StreamInfo): void;
}

const NOTHING = (): undefined => undefined;

/** Of one worker: filters tell, whoever wants to know listens. Requests that pass unmarked are not told of. */
export class AccessDecisions {
  readonly #sinks: DecisionSink[] = [];

  add(sink: DecisionSink): void {
    this.#sinks.push(sink);
  }

  /** A denial for which no policy has a name. */
  deny(filter: string, detail: string, info: StreamInfo): void {
    this.tell({ outcome: 'denied', filter, policy: '', detail, nearestMiss: NOTHING }, info);
  }

  tell(decision: AccessDecision, info: StreamInfo): void {
    if (decision.outcome === 'denied') info.denial = decision;
    for (const sink of this.#sinks) sink.onDecision(decision, info);
  }
}
