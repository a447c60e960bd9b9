// Decisions about access on their way from a worker to the audit log: what is alike is told once, with a count.
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { AccessDecision, DecisionOutcome } from './decision.ts';
import type { DecisionSink } from './decision-sink.ts';
import type { StreamInfo } from './stream-info.ts';

/** Plain values; texts of clients are cut, and queries left out, since tokens stand in them. */
export interface DecisionRecord {
  readonly outcome: DecisionOutcome;
  readonly filter: string;
  readonly policy: string;
  readonly detail: string;
  /** The peer's verified identity; absent where it has none. */
  readonly identity?: string;
  readonly ip: string;
  /** Where the connection was made to. */
  readonly destination: string;
  readonly listener: string;
  readonly serverName?: string;
  /** Of a request; absent for connections. */
  readonly method?: string;
  readonly authority?: string;
  readonly path?: string;
  readonly requestId?: string;
  readonly nearestMiss?: string;
  /** Unix time in milliseconds: of the first of them. */
  readonly wallMs: number;
  /** How many alike. */
  readonly count: number;
}

interface Kept {
  record: DecisionRecord;
  count: number;
  /** When it is told next. */
  dueMs: number;
}

/** Kinds of decisions that are told apart; more are counted. */
export const DECISION_KINDS_MAX = 1024;
const FLUSH_MS = 500;
/** What goes on and on is told of this often. */
const REPEAT_MS = 10_000;
const TEXT_MAX = 256;

export class DecisionBuffer implements DecisionSink, TimerTarget {
  readonly #post: (records: readonly DecisionRecord[], dropped: number) => void;
  readonly #now: () => number;
  readonly #timer: Timer;
  readonly #kept = new Map<string, Kept>();
  #dropped = 0;

  /** `nowMs` is the clock of the timers. */
  constructor(
    timers: TimerWheel, nowMs: () => number, post: (records: readonly DecisionRecord[], dropped: number) => void,
  ) {
    this.#post = post;
    this.#now = nowMs;
    this.#timer = new Timer(timers, this);
  }

  onDecision(decision: AccessDecision, info: StreamInfo): void {
    const key = keyOf(decision, info);
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      if (kept.count === 0) kept.record = recordOf(decision, info);
      kept.count++;
    } else if (this.#kept.size < DECISION_KINDS_MAX) {
      this.#kept.set(key, { record: recordOf(decision, info), count: 1, dueMs: this.#now() });
    } else this.#dropped++;
    if (!this.#timer.armed) this.#timer.arm(FLUSH_MS);
  }

  onTimer(): void {
    this.#tell(this.#now());
    if (this.#kept.size > 0) this.#timer.arm(FLUSH_MS);
  }

  /** Tells all that is there, at once. */
  flush(): void {
    this.#timer.cancel();
    this.#tell(Number.POSITIVE_INFINITY);
  }

  #tell(nowMs: number): void {
    const records: DecisionRecord[] = [];
    for (const [key, kept] of this.#kept) {
      if (kept.dueMs > nowMs) continue;
      if (kept.count === 0) this.#kept.delete(key);
      else {
        records.push({ ...kept.record, count: kept.count });
        kept.count = 0;
        kept.dueMs = nowMs + REPEAT_MS;
      }
    }
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (records.length > 0 || dropped > 0) this.#post(records, dropped);
  }
}

/** What makes two decisions alike: paths and addresses behind an identity have no part in it. */
function keyOf({ outcome, filter, policy, detail }: AccessDecision, { connection, request }: StreamInfo): string {
  const who = connection.tls?.peerUriSan ?? connection.remoteIp;
  return [outcome, filter, policy, detail, who, connection.listenerName, request?.method ?? ''].join('\n');
}

function recordOf(decision: AccessDecision, info: StreamInfo): DecisionRecord {
  const { connection, request, requestId, startWallMs } = info;
  const { outcome, filter, policy, detail } = decision;
  const identity = connection.tls?.peerUriSan;
  const nearestMiss = decision.nearestMiss();
  return {
    outcome, filter, policy, detail: clip(detail),
    ...(identity !== undefined && { identity: clip(identity) }),
    ip: connection.remoteIp,
    destination: connection.localAddress,
    listener: connection.listenerName,
    ...(connection.serverName !== undefined && { serverName: clip(connection.serverName) }),
    ...(request !== undefined && {
      method: clip(request.method), authority: clip(request.authority), path: clip(request.path.split('?', 1)[0]!),
    }),
    ...(requestId !== '' && { requestId: clip(requestId) }),
    ...(nearestMiss !== undefined && { nearestMiss: clip(nearestMiss) }),
    wallMs: startWallMs,
    count: 1,
  };
}

function clip(text: string): string {
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}
