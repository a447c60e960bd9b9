// One proxy's stream: takes its requests, sends it what changed in an order that breaks nothing, and notes its answers.
import type { Clock } from '../../proxy/base/clock.ts';
import { Timer } from '../../proxy/base/timers.ts';
import type { TimerTarget, TimerWheel } from '../../proxy/base/timers.ts';
import type { Cluster } from '../../proxy/config/cluster.ts';
import { refusalsOf } from '../../proxy/config/discovery.ts';
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse, ResourceRefusal, RpcStatus }
  from '../../proxy/config/discovery.ts';
import {
  CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, NAME_TABLE_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE,
} from '../../proxy/config/type-url.ts';
import type { Wire } from '../../proxy/config/wire.ts';
import type { ProxyRecord } from './receipts.ts';
import { makeResponse } from './response.ts';
import { EMPTY_SNAPSHOT, PUSH_ORDER, resourcesOf } from './snapshot.ts';
import type { ResourcesByName, Snapshot } from './snapshot.ts';
import { Subscription } from './subscription.ts';
import type { Difference, Outstanding } from './subscription.ts';
import { LISTED } from './variant.ts';

/** What became of a response: `full`: nothing more is sent until drained() is called; `held`: the proxy has it all. */
export type Sending = 'sent' | 'full' | 'held';

/** The way to the proxy. */
export interface ConnectionSink {
  send(response: DeltaDiscoveryResponse): Sending;
  /** Responses of this type must not be cut. */
  isWhole(type: string): boolean;
}

export interface ConnectionDeps {
  readonly wire: Wire;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly record: ProxyRecord;
  readonly onAnswer: (type: string, isAccepted: boolean, reason: string) => void;
  /** Nothing that was sent is unanswered. */
  readonly onSettled: () => void;
}

/** Hosts that one proxy may hold on demand: an Envoy never forgets one. There are no others for it. */
export const HOSTS_MAX = 2000;

/** What leads to clusters. */
const LEADING: readonly string[] = [LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE];

/** Types that one stream may ask for; xDS has some fifteen. */
const TYPES_MAX = 32;

/** Listeners and routes wait so long for what they name to be asked for, sent and accepted; then they go on. */
const PATIENCE_MS = 5000;

export class Connection implements TimerTarget {
  readonly #deps: ConnectionDeps;
  readonly #sink: ConnectionSink;
  readonly #timer: Timer;
  /** Ends the wait for a proxy that has come back to ask for all that it has. */
  readonly #beginning: Timer;
  readonly #begunMs: number;
  readonly #subscriptions = new Map<string, Subscription>();
  /** What it is served: of a lazy proxy's no more than what it has asked for. */
  #snapshot: Snapshot | undefined = undefined;
  #whole: Snapshot | undefined = undefined;
  #isWritable = true;
  #nonces = 0;
  /** Monotonic time since when listeners or routes have been waiting; undefined: they don't. */
  #waitingSinceMs: number | undefined = undefined;
  /** Clusters of which all endpoints were asked for. */
  #askedFor: ResourcesByName | undefined = undefined;
  #isClosed = false;
  /** What was just sent counts as answered. */
  #isMore = false;

  constructor(deps: ConnectionDeps, sink: ConnectionSink) {
    this.#deps = deps;
    this.#sink = sink;
    this.#timer = new Timer(deps.wheel, this);
    this.#beginning = new Timer(deps.wheel, this);
    this.#begunMs = deps.clock.nowMs();
  }

  /** Sends what the proxy does not have yet. */
  serve(snapshot: Snapshot): void {
    this.#whole = snapshot;
    this.#narrow();
    this.#pump();
  }

  /** The sink takes more. */
  drained(): void {
    this.#isWritable = true;
    this.#pump();
  }

  /** Takes a request; a text says why the stream must end. */
  request(request: DeltaDiscoveryRequest): string | undefined {
    const { typeUrl = '', responseNonce = '' } = request;
    const known = this.#subscriptions.get(typeUrl);
    if (known === undefined && this.#subscriptions.size >= TYPES_MAX) return `more than ${TYPES_MAX} resource types`;
    const subscription = known ?? new Subscription(typeUrl);
    this.#subscriptions.set(typeUrl, subscription);
    if (known === undefined) this.#deps.record.began(typeUrl, request.initialResourceVersions ?? {});
    if (!subscription.request(request, known === undefined, LISTED.has(typeUrl))) return 'too many resource names';
    if (known !== undefined) this.#deps.record.dropped(typeUrl, request.resourceNamesUnsubscribe ?? []);
    if (typeUrl === VIRTUAL_HOST_TYPE && namesSomething(request)) this.#narrow();
    if (responseNonce !== '') this.#answer(subscription, responseNonce, request.errorDetail);
    this.#pump();
    return undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.cancel();
    this.#beginning.cancel();
  }

  onTimer(): void {
    this.#pump();
  }

  #answer(subscription: Subscription, nonce: string, error: RpcStatus | undefined): void {
    const { outstanding, type } = subscription;
    // An answer to an older response of a stream is never late: each is answered before the next is sent.
    if (outstanding?.nonce !== nonce) return;
    subscription.outstanding = undefined;
    const { record, onAnswer } = this.#deps;
    if (error === undefined) {
      record.accepted(type, outstanding);
    } else {
      record.refused(type, outstanding, error.message ?? '', refusedIn(this.#deps.wire, outstanding, error));
    }
    onAnswer(type, error === undefined, error?.message ?? '');
  }

  /** Hosts bring the clusters that their routes lead to, so that these come first, and go with them. */
  #narrow(): void {
    const names = this.#subscriptions.get(VIRTUAL_HOST_TYPE)?.names ?? new Set<string>();
    this.#deps.record.excessHosts = Math.max(0, names.size - HOSTS_MAX);
    this.#snapshot = this.#whole?.withHosts?.(names.values().take(HOSTS_MAX)) ?? this.#whole;
  }

  /**
   * Sends in make-before-break order, one response a type at a time: clusters and what they name; when those are
   * accepted, listeners and routes; when those are, the names that lead there, and the removal of what nothing names.
   */
  #pump(): void {
    do {
      this.#isMore = false;
      this.#pumpOnce();
    } while (this.#isMore);
    for (const { outstanding } of this.#subscriptions.values()) if (outstanding !== undefined) return;
    this.#deps.onSettled();
  }

  #pumpOnce(): void {
    if (this.#snapshot === undefined || this.#isClosed) return;
    const differences = new Map<string, Difference>();
    for (const [type, subscription] of this.#subscriptions) {
      differences.set(type, subscription.difference(resourcesOf(this.#snapshot, type)));
    }
    const isReady = this.#isReady(differences);
    for (const type of this.#order()) {
      const subscription = this.#subscriptions.get(type)!;
      if (!this.#isWritable || subscription.outstanding !== undefined) continue;
      const waits = type === NAME_TABLE_TYPE ? !this.#mayName(differences) : !isReady && LEADING.includes(type);
      // Made anew: the clusters before have asked for more.
      const difference = subscription.difference(resourcesOf(this.#snapshot, type));
      if (!waits) this.#send(subscription, difference, this.#mayRemove(type, differences));
    }
  }

  /** Known types in push order, then the others in theirs. */
  #order(): string[] {
    const others = [...this.#subscriptions.keys()].filter((type) => !PUSH_ORDER.includes(type));
    return [...PUSH_ORDER.filter((type) => this.#subscriptions.has(type)), ...others];
  }

  /** Whether all clusters and endpoints are accepted, so that routes to them may follow; or patience is at its end. */
  #isReady(differences: ReadonlyMap<string, Difference>): boolean {
    if (this.#isSettled(CLUSTER_TYPE, differences) && this.#isSettled(ENDPOINT_TYPE, differences)
      && this.#asksForEndpoints()) {
      this.#waitingSinceMs = undefined;
      this.#timer.cancel();
      return true;
    }
    const now = this.#deps.clock.nowMs();
    this.#waitingSinceMs ??= now;
    const leftMs = this.#waitingSinceMs + PATIENCE_MS - now;
    if (leftMs > 0) this.#timer.arm(leftMs);
    return leftMs <= 0;
  }

  /** An application that has an address calls it: a name waits for the listeners that take the calls. */
  #mayName(differences: ReadonlyMap<string, Difference>): boolean {
    return LEADING.every((type) => this.#isSettled(type, differences));
  }

  /** Nothing is left to be sent of a type, and nothing unanswered. */
  #isSettled(type: string, differences: ReadonlyMap<string, Difference>): boolean {
    const difference = differences.get(type);
    if (difference === undefined) return true;
    return this.#subscriptions.get(type)?.outstanding === undefined && difference.updated.length === 0;
  }

  /** A proxy that has taken an EDS cluster asks for its endpoints; routes that come before would meet none. */
  #asksForEndpoints(): boolean {
    const clusters = resourcesOf(this.#snapshot ?? EMPTY_SNAPSHOT, CLUSTER_TYPE);
    if (!this.#subscriptions.has(CLUSTER_TYPE) || clusters === this.#askedFor) return true;
    const endpoints = this.#subscriptions.get(ENDPOINT_TYPE);
    const running = this.#deps.record.running(CLUSTER_TYPE);
    for (const { name, resource } of clusters.values()) {
      const { edsClusterConfig: eds } = resource as Cluster;
      if (eds === undefined || !running.has(name)) continue;
      if (endpoints?.asksFor(eds.serviceName ?? name) !== true) return false;
    }
    this.#askedFor = clusters;
    return true;
  }

  /** A listener is replaced or removed at once; what listeners and routes name goes when they are accepted. */
  #mayRemove(type: string, differences: ReadonlyMap<string, Difference>): boolean {
    if (type === LISTENER_TYPE) return true;
    const { record } = this.#deps;
    if (!this.#hasAskedForAll()) return false;
    return LEADING.every((other) => (
      other === type || (this.#isSettled(other, differences) && !record.refuses(other))
    ));
  }

  /** One that comes back names its clusters first; what still leads to them it says a moment later, or never. */
  #hasAskedForAll(): boolean {
    const isLazy = this.#whole?.withHosts !== undefined;
    if (LEADING.every((type) => this.#subscriptions.has(type) || (type === VIRTUAL_HOST_TYPE && !isLazy))) return true;
    const leftMs = this.#begunMs + PATIENCE_MS - this.#deps.clock.nowMs();
    if (leftMs > 0) this.#beginning.arm(leftMs);
    return leftMs <= 0;
  }

  /** To Envoy a changed cluster is a new one, out of force until its endpoints come after it. */
  #resendEndpoints({ updated }: Difference): void {
    const endpoints = this.#subscriptions.get(ENDPOINT_TYPE);
    for (const { name, resource } of updated) {
      const { edsClusterConfig: eds } = resource as Cluster;
      if (eds !== undefined) endpoints?.resend(eds.serviceName ?? name);
    }
  }

  #send(subscription: Subscription, difference: Difference, mayRemove: boolean): void {
    const { type, mustAnswer } = subscription;
    const removed = mayRemove ? [...difference.absent, ...difference.gone] : difference.absent;
    if (difference.updated.length === 0 && removed.length === 0 && !mustAnswer) return;
    const nonce = String(++this.#nonces);
    const resources = resourcesOf(this.#snapshot ?? EMPTY_SNAPSHOT, type);
    const { record, clock } = this.#deps;
    const isWhole = this.#sink.isWhole(type);
    const { response, outstanding } = makeResponse(
      { type, nonce, resources, updated: difference.updated, removed, isWhole, sentMs: clock.nowMs() },
    );
    subscription.sent(outstanding);
    if (type === CLUSTER_TYPE) this.#resendEndpoints(difference);
    record.sent(type, outstanding.version);
    const sending = this.#sink.send(response);
    this.#isWritable = sending !== 'full';
    if (sending !== 'held') return;
    subscription.outstanding = undefined;
    record.accepted(type, outstanding);
    this.#isMore = true;
  }
}

function namesSomething(request: DeltaDiscoveryRequest): boolean {
  const { resourceNamesSubscribe: more = [], resourceNamesUnsubscribe: less = [] } = request;
  return more.length + less.length > 0;
}

/** Which resources a NACK means: as data from a weft; by the names in its text otherwise; all, or a nameless one. */
function refusedIn(wire: Wire, { sent }: Outstanding, error: RpcStatus): readonly ResourceRefusal[] {
  const told = refusalsOf(wire, error);
  if (told !== undefined) return told;
  const reason = error.message ?? '';
  const named = [...sent.keys()].filter((name) => name !== '' && reason.includes(name));
  const meant = named.length > 0 ? named : [...sent.keys()];
  return (meant.length > 0 ? meant : ['']).map((name) => ({ name, reason }));
}
