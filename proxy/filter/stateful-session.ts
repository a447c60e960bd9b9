// The stateful session filter: requests of one session go to one endpoint, whose address the client keeps.
import type { StatefulSession } from '../config/stateful-session.ts';
import type { ResponseHead } from '../http/message.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import { routeFilterConfig } from './route-filter-lookup.ts';
import { SessionRouteRules, SessionRules } from './session-rules.ts';

export interface StatefulSessionDeps {
  readonly stats: Stats;
  /** `http.<stat_prefix>.` */
  readonly scope: StatScope;
}

/** One request's session. */
interface Session {
  readonly rules: SessionRules;
  /** The endpoint that it named, '' for none; undefined where it can have no session. */
  readonly asked: string | undefined;
}

type Counters = Readonly<Record<'routed' | 'failedOpen' | 'failedClosed' | 'noSession', Counter>>;

/** envoy.extensions.filters.http.stateful_session.v3.StatefulSession. */
export class StatefulSessionFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #rules: SessionRules;
  /** Undefined without a stat_prefix. */
  readonly #counters: Counters | undefined;

  constructor(name: string, config: StatefulSession, { stats, scope }: StatefulSessionDeps) {
    this.name = name;
    this.#rules = new SessionRules(config);
    const { statPrefix = '' } = config;
    const counter = (stat: string): Counter => stats.counter(statName(scope, `stateful_session.${statPrefix}.${stat}`));
    this.#counters = statPrefix === '' ? undefined : {
      routed: counter('routed'), failedOpen: counter('failed_open'),
      failedClosed: counter('failed_closed'), noSession: counter('no_session'),
    };
  }

  onRequestHead(stream: FilterStream): Verdict {
    const own = routeFilterConfig(stream, this.name);
    const rules = own instanceof SessionRouteRules ? own.rules : this.#rules;
    if (rules === undefined) return 'continue';
    const { info, request } = stream;
    const asked = rules.state?.addressOf(request, info.startWallMs);
    stream.setState(this.index, { rules, asked } satisfies Session);
    const { strict, missingStatus } = rules;
    if (asked !== undefined && asked !== '') info.overrideHost = { address: asked, strict, missingStatus };
    return 'continue';
  }

  /** Also on replies of our own: an endpoint may have been chosen before something failed. */
  onResponseHead(stream: FilterStream, head: ResponseHead): void {
    const session = stream.getState(this.index) as Session | undefined;
    if (session === undefined) return;
    const { rules, asked } = session;
    // What routes configure has no counters, as in Envoy.
    const counters = rules === this.#rules ? this.#counters : undefined;
    const { upstreamAddress, startWallMs, flags } = stream.info;
    if (upstreamAddress === '') {
      if (asked !== undefined && rules.strict && (flags & flagBit('UH')) !== 0) counters?.failedClosed.inc();
    } else if (asked === undefined) {
      counters?.noSession.inc();
    } else if (asked === upstreamAddress) {
      counters?.routed.inc();
    } else {
      rules.state!.tell(head, upstreamAddress, startWallMs);
      if (!rules.strict) counters?.failedOpen.inc();
    }
  }
}
