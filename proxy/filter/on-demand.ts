// The on_demand filter: a request for a host that the table does not know waits until the control plane has been asked.
import { ProxyError } from '../base/error.ts';
import type { RouteTableRef } from '../route/route-tables.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import type { HostService } from './host-link.ts';

export interface OnDemandDeps {
  readonly hosts: HostService;
  readonly stats: Stats;
  readonly scope: StatScope;
  /** The chain's table; undefined where it does not come by RDS. */
  readonly table: RouteTableRef | undefined;
}

/** In place of a virtual host's name. */
const OVER = '';

export class OnDemandFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #deps: OnDemandDeps;
  readonly #waited: Counter;
  readonly #overflow: Counter;
  readonly #late: Counter;

  /** `on_demand.waited`, `.overflow` (too many waited already: 503) and `.late` (nobody answered: 503). */
  constructor(name: string, deps: OnDemandDeps) {
    this.name = name;
    this.#deps = deps;
    const counter = (word: string): Counter => deps.stats.counter(statName(deps.scope, `on_demand.${word}`));
    [this.#waited, this.#overflow, this.#late] = [counter('waited'), counter('overflow'), counter('late')];
  }

  onRequestHead(stream: FilterStream): Verdict {
    const { hosts, table } = this.#deps;
    if (table?.current?.isOnDemand !== true) return 'continue';
    if (stream.route !== undefined) {
      this.#use(stream, stream.route.virtualHostName);
      return 'continue';
    }
    const isAsked = hosts.ask(table.name, stream.request.authority.toLowerCase(), (answer) => {
      if (answer === 'late') this.#fail(stream, this.#late);
      else this.#goOn(stream);
    });
    if (!isAsked) {
      this.#fail(stream, this.#overflow);
      return 'replied';
    }
    this.#waited.inc();
    return 'pause';
  }

  #goOn(stream: FilterStream): void {
    stream.clearRouteCache();
    const { route } = stream;
    if (route !== undefined && stream.getState(this.index) !== OVER) this.#use(stream, route.virtualHostName);
    stream.resumeRequest();
  }

  onComplete(stream: FilterStream): void {
    const host = stream.getState(this.index) as string | undefined;
    if (host !== undefined) this.#deps.hosts.uses.end(this.#deps.table!.name, host);
    // An answer may still come.
    stream.setState(this.index, OVER);
  }

  #use(stream: FilterStream, host: string): void {
    stream.setState(this.index, host);
    this.#deps.hosts.uses.begin(this.#deps.table!.name, host);
  }

  /** Whether there is such a host nobody knows: 404 would be a lie. */
  #fail(stream: FilterStream, counter: Counter): void {
    counter.inc();
    stream.failStream(new ProxyError('overflow', 'internal', 'on_demand_host_unknown', 'safe'));
  }
}
