// A stream as filters see it, held in memory: notes what they answer, and lets a test end it.
import type { ProxyError } from '../../proxy/base/error.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { ManualClock } from '../../proxy/base/clock.ts';
import type { FilterStream, LocalReply } from '../../proxy/filter/filter.ts';
import type { BodyWatcher } from '../../proxy/filter/request-buffer.ts';
import type { ServerStream } from '../../proxy/http/codec.ts';
import { Headers } from '../../proxy/http/headers.ts';
import { RequestHead } from '../../proxy/http/message.ts';
import type { ResponseHead } from '../../proxy/http/message.ts';
import type { RouteEntry } from '../../proxy/route/route-entry.ts';
import type { StreamInfo } from '../../proxy/telemetry/stream-info.ts';
import { sampleStream } from './stream-sample.ts';

export interface FilterStreamFacts {
  readonly method?: string;
  readonly path?: string;
  /** [name, value, …] */
  readonly fields?: readonly string[];
  /** typed_per_filter_config, compiled; null: no route matched. */
  readonly perFilterConfig?: ReadonlyMap<string, unknown> | null;
  readonly action?: RouteEntry['action']['kind'];
  readonly cluster?: string;
}

export class HeldFilterStream implements FilterStream {
  readonly clock = new ManualClock();
  readonly timers = new TimerWheel(this.clock);
  readonly info: StreamInfo = sampleStream();
  readonly request: RequestHead;
  readonly response: ResponseHead | undefined = undefined;
  readonly route: RouteEntry | undefined;
  readonly cluster: string;
  readonly clusterChoice = undefined;
  readonly replies: LocalReply[] = [];
  readonly errors: ProxyError[] = [];
  readonly translations: ((codec: ServerStream) => ServerStream)[] = [];
  readonly paces: number[] = [];
  watcher: BodyWatcher | undefined = undefined;
  resumed = 0;
  readonly #state = new Map<number, unknown>();

  constructor(facts: FilterStreamFacts = {}) {
    const headers = new Headers([...facts.fields ?? []]);
    this.request = new RequestHead(facts.method ?? 'GET', 'shop', facts.path ?? '/', headers);
    this.cluster = facts.cluster ?? '';
    const perFilterConfig = facts.perFilterConfig === undefined ? new Map() : facts.perFilterConfig;
    const route = { perFilterConfig, action: { kind: facts.action ?? 'forward' } };
    this.route = perFilterConfig === null ? undefined : route as unknown as RouteEntry;
    this.info.flags = 0;
  }

  /** Moves the stream's clock and fires what is due. */
  advance(ms: number): void {
    this.clock.advance(ms);
    this.timers.advance();
  }

  getState(index: number): unknown {
    return this.#state.get(index);
  }

  setState(index: number, value: unknown): void {
    this.#state.set(index, value);
  }

  resumeRequest(): void {
    this.resumed++;
  }

  watchBody(_bytesMax: number, watcher: BodyWatcher): void {
    this.watcher = watcher;
  }

  sendLocalReply(reply: LocalReply): void {
    this.replies.push(reply);
  }

  failStream(error: ProxyError): void {
    this.errors.push(error);
  }

  translateResponse(translation: (codec: ServerStream) => ServerStream): void {
    this.translations.push(translation);
  }

  paceResponse(kibPerSecond: number): void {
    this.paces.push(kibPerSecond);
  }

  clearRouteCache(): void {
    throw new Error('no filter under test changes what routes match on');
  }
}
