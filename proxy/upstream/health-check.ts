// Active health checks: asks every endpoint of a cluster how it is, and takes those out that fail again and again.
import type { Random } from '../base/random.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, Stats } from '../telemetry/stats.ts';
import type { Route } from './connector.ts';
import type { HealthCheckSettings } from './health-check-settings.ts';
import type { Verdict } from './health-exchange.ts';
import { HealthProbe } from './health-probe.ts';
import { CHECKING } from './peers.ts';
import type { ClusterPeers } from './peers.ts';
import type { ProbeContext } from './health-probe.ts';

/** An endpoint as its checks know it. */
export interface CheckedEndpoint {
  /** What the checks have found; the picker reads it. */
  checked: 'passed' | 'degraded' | 'failed';
  /** It does not count among those of which too few may be well: nobody has asked it yet, or it asked for that. */
  excluded: boolean;
  /** Whether a check of any worker has found anything. */
  readonly isKnown: boolean;
  readonly checkHostname: string | undefined;
  /** Keeps what was found for the other workers. */
  tellCheck(): void;
  /** Takes over what other workers have found; false where this one knew it. */
  learnCheck(): boolean;
  /** Where a check goes now. */
  checkRoute(altPort: number | undefined, alpn: readonly string[]): Route;
}

/** The cluster. */
export interface HealthOwner {
  /** It has made connections for requests: checks are as frequent as configured. */
  readonly hasTraffic: boolean;
  readonly peers: ClusterPeers;
  onHealthChange(): void;
  /** A check of an endpoint passed that is not out for failed ones. */
  onCheckPassed(endpoint: CheckedEndpoint): void;
}

interface HealthDeps {
  readonly timers: TimerWheel;
  readonly random: Random;
  readonly stats: Stats;
}

const INTERVAL = 0;
const TIMEOUT = 1;

/** One cluster's, in one worker. One of the workers asks for all, and tells the others what it found. */
export class HealthChecker {
  readonly settings: HealthCheckSettings;
  readonly probes: ProbeContext;
  readonly owner: HealthOwner;
  readonly deps: HealthDeps;
  readonly stats: HealthStats;
  readonly #checks = new Map<CheckedEndpoint, EndpointCheck>();
  /** Endpoints of which nothing is known yet, of those that were there first: the cluster waits for them. */
  readonly #unknown = new Set<CheckedEndpoint>();
  #asks: boolean;

  constructor(
    settings: HealthCheckSettings, probes: ProbeContext, owner: HealthOwner, deps: HealthDeps, scope: StatScope,
  ) {
    this.settings = settings;
    this.probes = probes;
    this.owner = owner;
    this.deps = deps;
    this.stats = new HealthStats(deps.stats, scope);
    this.#asks = owner.peers.takeDuty(CHECKING);
  }

  /** Whether the cluster's first endpoints have all been asked. */
  get ready(): boolean {
    return this.#unknown.size === 0;
  }

  /** Shows how many are how, by the one worker that tells. */
  tellCounts(): void {
    const all = [...this.#checks.keys()];
    this.stats.healthy.set(all.filter(({ checked }) => checked !== 'failed').length);
    this.stats.degraded.set(all.filter(({ checked }) => checked === 'degraded').length);
  }

  /** Of the `first` ones the cluster waits for what their first check says. */
  add(endpoint: CheckedEndpoint, first: boolean): void {
    if (this.#checks.has(endpoint)) return;
    if (!this.#asks) endpoint.learnCheck();
    if (first && (this.#asks || !endpoint.isKnown)) this.#unknown.add(endpoint);
    const check = new EndpointCheck(endpoint, this);
    this.#checks.set(endpoint, check);
    if (this.#asks) check.begin(true);
  }

  remove(endpoint: CheckedEndpoint): void {
    this.#checks.get(endpoint)?.close();
    this.#checks.delete(endpoint);
    this.#unknown.delete(endpoint);
  }

  /** A response to a request said so (x-envoy-immediate-health-check-fail): it is out until its checks have passed. */
  failNow(endpoint: CheckedEndpoint): void {
    const check = this.#checks.get(endpoint);
    if (check === undefined || endpoint.checked === 'failed') return;
    this.stats.passiveFailure.inc();
    check.failNow();
    endpoint.tellCheck();
    this.owner.onHealthChange();
    this.owner.peers.tell();
  }

  onResult(endpoint: CheckedEndpoint, changed: boolean): void {
    const news = changed || !endpoint.isKnown;
    if (news) endpoint.tellCheck();
    const known = this.#unknown.delete(endpoint) && this.ready;
    if (changed || known) this.owner.onHealthChange();
    if (news) this.owner.peers.tell();
  }

  /** What other workers have found; and when the one that asked has ended, this one goes on, or another. */
  learn(): void {
    let changed = false;
    const wasReady = this.ready;
    for (const [endpoint, check] of this.#checks) {
      if (endpoint.learnCheck()) {
        check.forget();
        changed = true;
      }
      if (!this.#asks && endpoint.isKnown) this.#unknown.delete(endpoint);
    }
    if (changed || this.ready !== wasReady) this.owner.onHealthChange();
    if (this.#asks || !this.owner.peers.takeDuty(CHECKING)) return;
    this.#asks = true;
    for (const [endpoint, check] of this.#checks) check.begin(!endpoint.isKnown);
  }

  close(): void {
    for (const check of this.#checks.values()) check.close();
    this.#checks.clear();
    this.#unknown.clear();
    this.owner.peers.leaveDuty(CHECKING);
  }
}

class EndpointCheck implements TimerTarget {
  readonly #endpoint: CheckedEndpoint;
  readonly #checker: HealthChecker;
  readonly #probe: HealthProbe;
  readonly #interval: Timer;
  readonly #timeout: Timer;
  #first = true;
  /** Of the kind that may change what is known. */
  #inARow = 0;

  constructor(endpoint: CheckedEndpoint, checker: HealthChecker) {
    this.#endpoint = endpoint;
    this.#checker = checker;
    this.#probe = new HealthProbe(checker.probes, (verdict) => this.#settle(verdict));
    this.#interval = new Timer(checker.deps.timers, this, INTERVAL);
    this.#timeout = new Timer(checker.deps.timers, this, TIMEOUT);
  }

  /** `first`: of this endpoint nothing is known. */
  begin(first: boolean): void {
    this.#first = first;
    const { settings: { initialJitterMs }, deps: { random } } = this.#checker;
    this.#interval.arm(initialJitterMs * random.float());
  }

  close(): void {
    this.#interval.cancel();
    this.#timeout.cancel();
    this.#probe.stop();
  }

  onTimer(tag: number): void {
    const { settings, stats } = this.#checker;
    if (tag === TIMEOUT) {
      this.#probe.stop();
      this.#settle('network');
      return;
    }
    stats.attempt.inc();
    this.#timeout.arm(settings.timeoutMs);
    this.#probe.start(this.#endpoint.checkRoute(settings.altPort, settings.alpn), this.#endpoint.checkHostname);
  }

  #settle(verdict: Verdict): void {
    this.#timeout.cancel();
    this.#checker.stats.count(verdict, this.#checker.settings.exchange?.verifies === true);
    const { checked: before, excluded } = this.#endpoint;
    if (this.#first) this.#endpoint.excluded = false;
    const passed = verdict === 'healthy' || verdict === 'degraded';
    const pending = passed ? this.#pass(verdict === 'degraded') : this.#fail(verdict);
    this.#first = false;
    this.#interval.arm(this.#nextMs(passed, pending));
    this.#checker.onResult(this.#endpoint, this.#endpoint.checked !== before || this.#endpoint.excluded !== excluded);
    if (passed && this.#endpoint.checked !== 'failed') this.#checker.owner.onCheckPassed(this.#endpoint);
  }

  failNow(): void {
    this.#endpoint.checked = 'failed';
    this.#endpoint.excluded = true;
    this.#inARow = 0;
  }

  /** Something else than its own checks has changed what is known. */
  forget(): void {
    this.#inARow = 0;
  }

  /** Whether more of the same would change what is known. */
  #pass(degraded: boolean): boolean {
    const endpoint = this.#endpoint;
    if (endpoint.checked !== 'failed') this.#inARow = 0;
    else if (!this.#first && ++this.#inARow < this.#checker.settings.healthyThreshold) return true;
    const found = degraded ? 'degraded' : 'passed';
    if (endpoint.checked !== found) this.#inARow = 0;
    endpoint.checked = found;
    return false;
  }

  #fail(verdict: Verdict): boolean {
    const endpoint = this.#endpoint;
    if (endpoint.checked === 'failed') {
      this.#inARow = 0;
      return false;
    }
    const counts = verdict === 'network' || verdict === 'retriable';
    if (counts && ++this.#inARow < this.#checker.settings.unhealthyThreshold) return true;
    endpoint.checked = 'failed';
    this.#inARow = 0;
    return false;
  }

  /** At the edges, as Envoy means them: while a change is pending. */
  #nextMs(passed: boolean, edge: boolean): number {
    const { settings, owner, deps: { random } } = this.#checker;
    const state = passed ? 'healthy' : 'unhealthy';
    const edgeState = passed ? 'healthyEdge' : 'unhealthyEdge';
    const base = owner.hasTraffic ? settings.intervals[edge ? edgeState : state] : settings.idleIntervals[state];
    return base + base * settings.jitterShare * random.float() + settings.jitterMs * random.float();
  }
}

class HealthStats {
  readonly attempt: Counter;
  readonly healthy: Gauge;
  readonly degraded: Gauge;
  /** Endpoints that were taken out by what they answered to requests. */
  readonly passiveFailure: Counter;
  readonly #success: Counter;
  readonly #failure: Counter;
  readonly #networkFailure: Counter;
  readonly #verifyCluster: Counter;

  constructor(stats: Stats, scope: StatScope) {
    const counter = (name: string): Counter => stats.counter(statName(scope, `health_check.${name}`));
    this.attempt = counter('attempt');
    this.healthy = stats.gauge(statName(scope, 'health_check.healthy'));
    this.degraded = stats.gauge(statName(scope, 'health_check.degraded'));
    this.#success = counter('success');
    this.#failure = counter('failure');
    this.#networkFailure = counter('network_failure');
    this.#verifyCluster = counter('verify_cluster');
    this.passiveFailure = counter('passive_failure');
  }

  /** `verifies`: an answer that is as expected otherwise was asked for its service. */
  count(verdict: Verdict, verifies: boolean): void {
    const passed = verdict === 'healthy' || verdict === 'degraded';
    (passed ? this.#success : this.#failure).inc();
    if (verdict === 'network') this.#networkFailure.inc();
    if (verifies && (passed || verdict === 'unverified')) this.#verifyCluster.inc();
  }
}
