// One management server as a client sees it: keeps a stream to it, asks for resources, answers for what became of them.
import { messageOf } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { ResourceType } from '../config/any-registry.ts';
import { refusalStatus } from '../config/discovery.ts';
import type { DiscoveryNode } from '../config/discovery.ts';
import type { Wire } from '../config/wire.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import { BackOff } from '../base/back-off.ts';
import type { ManagementServer } from './management-server.ts';
import { Inbox } from './inbox.ts';
import type { ResourceClient, ResourceClientState, ResourceOwner } from './resource-client.ts';
import { ResponseIntake } from './response-intake.ts';
import type { DecodeResponse } from './resource-decode.ts';
import { nameOfType, TYPE_ORDER } from './resource-type.ts';
import { Stream } from './stream.ts';
import type { StreamListener } from './stream.ts';
import { Subscription } from './subscription.ts';
import type { IncomingResponse, Variant } from './variant.ts';
import type { XdsStats } from './xds-stats.ts';

export interface XdsClientOptions {
  readonly server: ManagementServer;
  /** gRPC path of the stream. */
  readonly path: string;
  /** Headers of the stream. */
  readonly metadata: readonly (readonly [string, string])[];
  makeVariant(): Variant;
  readonly node: DiscoveryNode;
  /** For the protocol's own messages; resources go to `decode`. */
  readonly wire: Wire;
  readonly decode: DecodeResponse;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: ComponentLog;
  readonly stats: XdsStats;
}

const KEEPALIVE_MS = 30_000;
const KEEPALIVE_MS_MAX = 600_000;

export class XdsClient implements ResourceClient, TimerTarget, StreamListener {
  readonly #options: XdsClientOptions;
  readonly #owner: ResourceOwner;
  readonly #subscriptions = new Map<ResourceType, Subscription>();
  readonly #backOff: BackOff;
  readonly #timer: Timer;
  readonly #inbox: Inbox;
  readonly #intake: ResponseIntake;
  #state: ResourceClientState = 'idle';
  #stream: Stream | undefined = undefined;
  #variant: Variant;
  /** Types that were asked for on this stream. */
  readonly #asked = new Set<ResourceType>();
  #keepaliveMs = KEEPALIVE_MS;
  #lastFailure = '';
  #handling = false;

  constructor(options: XdsClientOptions, owner: ResourceOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#backOff = new BackOff(options.random);
    this.#timer = new Timer(options.wheel, this);
    this.#variant = options.makeVariant();
    this.#intake = new ResponseIntake(options.log, owner);
    this.#inbox = new Inbox((type) => owner.mayApply(type));
  }

  get state(): ResourceClientState {
    return this.#state;
  }

  /** Asks for all resources of a type. */
  subscribeAll(type: ResourceType): void {
    this.#subscriptions.set(type, new Subscription(type, true));
    this.#ask(type);
  }

  /** Asks for these resources of a type and no others; what is not wanted any more is forgotten. */
  subscribe(type: ResourceType, names: ReadonlySet<string>): void {
    const subscription = this.#subscriptions.get(type) ?? new Subscription(type, false);
    this.#subscriptions.set(type, subscription);
    const { added, removed } = subscription.replaceNames(names);
    for (const name of removed) subscription.held.delete(name);
    if (this.#asked.has(type)) {
      if (added.length + removed.length > 0) this.#stream?.send(this.#variant.change(subscription, added, removed));
    } else {
      this.#ask(type);
    }
  }

  /** Name to version of what is in force. */
  held(type: ResourceType): ReadonlyMap<string, string> {
    return this.#subscriptions.get(type)?.held ?? new Map<string, string>();
  }

  start(): void {
    if (this.#state === 'idle') this.#connect();
  }

  stop(): void {
    this.#enter('stopped');
    this.#timer.cancel();
    this.#inbox.clear();
    this.#stream?.close();
    this.#options.stats.connected(false);
  }

  /** Responses that had to wait may be handled now. */
  wake(): void {
    void this.#handleAll();
  }

  onTimer(): void {
    if (this.#state === 'waiting') this.#connect();
  }

  onStreamOpen(): void {
    this.#enter('connected');
    this.#options.stats.connected(true);
    if (this.#lastFailure !== '') this.#options.log.info(`${this.#serverText()}: connected`);
    this.#lastFailure = '';
  }

  onStreamMessage(bytes: Buffer): void {
    let response: IncomingResponse | undefined;
    try {
      response = this.#variant.read(bytes, (type) => this.#subscriptions.get(type)?.wildcard === true);
    } catch (cause) {
      this.#stream?.close();
      this.#wait(`sent what cannot be read: ${messageOf(cause)}`);
      return;
    }
    // Of a type that nobody asked for: it is not answered, as Envoy does.
    if (response === undefined || !this.#subscriptions.has(response.type)) return;
    this.#backOff.reset();
    this.#inbox.push(response);
    if (this.#inbox.full) this.#stream?.pause();
    void this.#handleAll();
  }

  onStreamEnd(reason: string): void {
    if (reason.includes('too_many_pings')) this.#keepaliveMs = Math.min(KEEPALIVE_MS_MAX, this.#keepaliveMs * 2);
    this.#wait(reason);
  }

  #connect(): void {
    this.#enter('connecting');
    const { server, path, metadata, wheel, makeVariant } = this.#options;
    try {
      const connection = server.connect(this.#keepaliveMs);
      this.#variant = makeVariant();
      this.#asked.clear();
      const { connectTimeoutMs } = server;
      this.#stream = new Stream({ connection, path, metadata, wheel, connectTimeoutMs }, this);
    } catch (cause) {
      this.#wait(messageOf(cause));
      return;
    }
    for (const type of TYPE_ORDER) this.#ask(type);
  }

  #ask(type: ResourceType): void {
    const subscription = this.#subscriptions.get(type);
    const live = this.#state === 'connecting' || this.#state === 'connected';
    if (subscription?.active !== true || !live || this.#asked.has(type)) return;
    const node = this.#asked.size === 0 ? this.#options.node : undefined;
    this.#asked.add(type);
    this.#stream?.send(this.#variant.first(subscription, node));
  }

  #wait(reason: string): void {
    if (this.#state === 'stopped') return;
    this.#enter('waiting');
    this.#stream = undefined;
    this.#inbox.clear();
    const { stats, log } = this.#options;
    stats.connected(false);
    for (const [type, { active }] of this.#subscriptions) if (active) stats.failure(type);
    const pauseMs = this.#backOff.nextMs();
    this.#timer.arm(pauseMs);
    const next = `next attempt in ${(pauseMs / 1000).toFixed(1)} s`;
    const line = `${this.#serverText()}: ${reason}; what is in force stays, ${next}`;
    // Once for each reason: an outage of hours must not fill the log.
    if (reason === this.#lastFailure) log.debug(line);
    else log.warning(line);
    this.#lastFailure = reason;
  }

  /** One response after the other, until there is none that may be applied. */
  async #handleAll(): Promise<void> {
    if (this.#handling) return;
    this.#handling = true;
    try {
      for (let response = this.#inbox.take(); response !== undefined; response = this.#inbox.take()) {
        if (!this.#inbox.full) this.#stream?.resume();
        await this.#handle(response, this.#stream);
      }
    } catch (cause) {
      this.#options.log.error(`${this.#serverText()}: ${messageOf(cause)}`);
    } finally {
      this.#handling = false;
    }
  }

  async #handle(response: IncomingResponse, stream: Stream | undefined): Promise<void> {
    const { type } = response;
    const subscription = this.#subscriptions.get(type);
    if (subscription === undefined) return;
    const { resources } = response;
    const decoded = await this.#intake.admit(type, () => this.#options.decode({ type, resources }));
    const refused = await this.#intake.apply(subscription, response, decoded);
    this.#options.stats.response(type, refused.length);
    const { singular } = nameOfType(type);
    const error = refused.length === 0 ? undefined : refusalStatus(this.#options.wire, singular, refused);
    if (error !== undefined) this.#options.log.warning(`${this.#serverText()}: refused ${error.message ?? ''}`);
    if (stream === this.#stream) stream?.send(this.#variant.answer(subscription, response, error));
    this.#owner.onHandled(type, response.version, refused);
  }

  #serverText(): string {
    const { server } = this.#options;
    return `management server ${server.name} at ${server.address}`;
  }

  /** Every change of state goes through here; from `stopped` there is no way back. */
  #enter(state: ResourceClientState): void {
    if (this.#state !== 'stopped') this.#state = state;
  }
}
