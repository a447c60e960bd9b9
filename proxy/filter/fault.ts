// The fault filter: holds requests or answers them by chance, to try out what their callers do then.
import type { Random } from '../base/random.ts';
import type { NamedCount, NamedCounts } from '../base/named-counts.ts';
import type { TimerTarget } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import type { HTTPFault } from '../config/fault.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';
import { FaultSettings } from './fault-settings.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import { routeFilterConfig } from './route-filter-lookup.ts';

export interface FaultDeps {
  readonly random: Random;
  readonly stats: Stats;
  readonly counts: NamedCounts;
  /** `http.<stat_prefix>.` */
  readonly scope: StatScope;
}

/** envoy.extensions.filters.http.fault.v3.HTTPFault. */
export class FaultFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #settings: FaultSettings;
  readonly #random: Random;
  readonly #delaysInjected: Counter;
  readonly #abortsInjected: Counter;
  readonly #ratesInjected: Counter;
  readonly #overflow: Counter;
  readonly #active: Gauge;
  /** Of all workers, and all filters of the connection managers of this name. */
  readonly #count: NamedCount;

  /** Throws ConfigError below `path`. */
  constructor(name: string, config: HTTPFault, { random, stats, counts, scope }: FaultDeps, path: string) {
    this.name = name;
    this.#settings = new FaultSettings(config, path);
    this.#random = random;
    this.#delaysInjected = stats.counter(statName(scope, 'fault.delays_injected'));
    this.#abortsInjected = stats.counter(statName(scope, 'fault.aborts_injected'));
    this.#ratesInjected = stats.counter(statName(scope, 'fault.response_rl_injected'));
    this.#overflow = stats.counter(statName(scope, 'fault.faults_overflow'));
    this.#active = stats.gauge(statName(scope, 'fault.active_faults'));
    this.#count = counts.count(`${scope.flat}fault`);
  }

  onRequestHead(stream: FilterStream): Verdict {
    const own = routeFilterConfig(stream, this.name);
    const settings = own instanceof FaultSettings ? own : this.#settings;
    if (!settings.concerns(stream)) return 'continue';
    this.#pace(stream, settings);
    if (this.#delay(stream, settings)) return 'pause';
    return this.abort(stream, settings) ? 'replied' : 'continue';
  }

  onComplete(stream: FilterStream): void {
    const fault = this.#faultOf(stream);
    if (fault === undefined) return;
    fault.cancel();
    this.#active.dec();
    this.#count.add(-1);
  }

  /** Answers the request if chance and the limit have it so; also after a delay. */
  abort(stream: FilterStream, settings: FaultSettings): boolean {
    const reply = settings.abortReply(stream.request);
    if (reply === undefined || !this.#draws(settings.abortShare(stream.request))) return false;
    if (this.#activate(stream, settings) === undefined) return false;
    this.#abortsInjected.inc();
    stream.sendLocalReply(reply);
    return true;
  }

  #pace(stream: FilterStream, settings: FaultSettings): void {
    const kib = settings.kibPerSecond(stream.request);
    if (kib === 0 || !this.#draws(settings.rateShare(stream.request))) return;
    if (this.#activate(stream, settings) === undefined) return;
    this.#ratesInjected.inc();
    stream.paceResponse(kib);
  }

  #delay(stream: FilterStream, settings: FaultSettings): boolean {
    const ms = settings.delayMs(stream.request);
    if (ms === 0 || !this.#draws(settings.delayShare(stream.request))) return false;
    const fault = this.#activate(stream, settings);
    if (fault === undefined) return false;
    this.#delaysInjected.inc();
    stream.info.flags |= flagBit('DI');
    fault.hold(ms);
    return true;
  }

  #draws(share: number): boolean {
    return share > 0 && this.#random.float() < share;
  }

  /** The stream's fault, which counts once however many parts it has; undefined when there are too many. */
  #activate(stream: FilterStream, settings: FaultSettings): ActiveFault | undefined {
    const held = this.#faultOf(stream);
    if (held !== undefined) return held;
    if (!this.#count.tryAdd(settings.activeMax)) {
      this.#overflow.inc();
      return undefined;
    }
    const fault = new ActiveFault(this, stream, settings);
    this.#active.inc();
    stream.setState(this.index, fault);
    return fault;
  }

  #faultOf(stream: FilterStream): ActiveFault | undefined {
    return stream.getState(this.index) as ActiveFault | undefined;
  }
}

/** One request under a fault, until its stream is over. */
class ActiveFault implements TimerTarget {
  readonly #filter: FaultFilter;
  readonly #stream: FilterStream;
  readonly #settings: FaultSettings;
  #timer: Timer | undefined = undefined;

  constructor(filter: FaultFilter, stream: FilterStream, settings: FaultSettings) {
    this.#filter = filter;
    this.#stream = stream;
    this.#settings = settings;
  }

  hold(ms: number): void {
    this.#timer = new Timer(this.#stream.timers, this);
    this.#timer.arm(ms);
  }

  cancel(): void {
    this.#timer?.cancel();
  }

  onTimer(): void {
    if (!this.#filter.abort(this.#stream, this.#settings)) this.#stream.resumeRequest();
  }
}
