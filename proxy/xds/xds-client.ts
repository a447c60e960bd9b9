// One management server as a client sees it: keeps a stream to it, asks for resources, answers for what became of them.
import { messageOf } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { ConfigWarning } from '../config/decode-report.ts';
import { refusalStatus } from '../config/discovery.ts';
import type { DiscoveryNode, ResourceRefusal } from '../config/discovery.ts';
import type { Wire } from '../config/wire.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import { BackOff } from '../base/back-off.ts';
import type { ManagementServer } from './management-server.ts';
import { Inbox } from './inbox.ts';
import type { AnyResource, DecodedResource, DecodedResponse, DecodeResponse } from './resource-decode.ts';
import { nameOfType, TYPE_ORDER } from './resource-type.ts';
import { Stream } from './stream.ts';
import type { StreamListener } from './stream.ts';
import { Subscription } from './subscription.ts';
import type { IncomingResponse, Variant } from './variant.ts';
import type { XdsStats } from './xds-stats.ts';

/** Changes of one type. `removed` of types that are asked for by name are those that the server does not have. */
export interface ResourceBatch {
  readonly type: ResourceType;
  readonly updated: readonly DecodedResource[];
  readonly removed: readonly string[];
}

/** Who uses what the client brings. */
export interface XdsClientOwner {
  /** Why a valid resource cannot be used, or undefined. */
  check(type: ResourceType, resource: AnyResource): string | undefined;
  /** Resolves when it is in force everywhere, with what was refused. One batch at a time. */
  apply(batch: ResourceBatch): Promise<readonly ResourceRefusal[]>;
  /** False while responses of this type must wait; wake() is called when that has changed. */
  mayApply(type: ResourceType): boolean;
  onWarning(warning: ConfigWarning): void;
  /** A response was handled and answered. */
  onHandled(type: ResourceType, version: string, refused: readonly ResourceRefusal[]): void;
}

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

/**
 * - idle: not started.
 * - connecting: a stream is being opened.
 * - connected: its connection is up.
 * - waiting: the last one was lost or never came; what is in force stays, and the next attempt follows after a pause.
 * - stopped: for ever.
 */
export type XdsClientState = 'idle' | 'connecting' | 'connected' | 'waiting' | 'stopped';

const KEEPALIVE_MS = 30_000;
const KEEPALIVE_MS_MAX = 600_000;

export class XdsClient implements TimerTarget, StreamListener {
  readonly #options: XdsClientOptions;
  readonly #owner: XdsClientOwner;
  readonly #subscriptions = new Map<ResourceType, Subscription>();
  readonly #backOff: BackOff;
  readonly #timer: Timer;
  readonly #inbox: Inbox;
  #state: XdsClientState = 'idle';
  #stream: Stream | undefined = undefined;
  #variant: Variant;
  /** Types that were asked for on this stream. */
  readonly #asked = new Set<ResourceType>();
  #keepaliveMs = KEEPALIVE_MS;
  #lastFailure = '';
  #handling = false;

  constructor(options: XdsClientOptions, owner: XdsClientOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#backOff = new BackOff(options.random);
    this.#timer = new Timer(options.wheel, this);
    this.#variant = options.makeVariant();
    this.#inbox = new Inbox((type) => owner.mayApply(type));
  }

  get state(): XdsClientState {
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
    const refused = await this.#apply(subscription, response);
    this.#options.stats.response(type, refused.length);
    const { singular } = nameOfType(type);
    const error = refused.length === 0 ? undefined : refusalStatus(this.#options.wire, singular, refused);
    if (error !== undefined) this.#options.log.warning(`${this.#serverText()}: refused ${error.message ?? ''}`);
    if (stream === this.#stream) stream?.send(this.#variant.answer(subscription, response, error));
    this.#owner.onHandled(type, response.version, refused);
  }

  async #apply(subscription: Subscription, response: IncomingResponse): Promise<readonly ResourceRefusal[]> {
    const { type, wildcard, names, held } = subscription;
    const decoded = await this.#decode(response);
    if (decoded === undefined) return [{ name: '', reason: 'the response could not be decoded' }];
    const updated = decoded.updated.filter(({ name }) => wildcard || names.has(name));
    const listed = [...decoded.updated, ...decoded.refused].map(({ name }) => name);
    const removed = removedBy(subscription, response, listed);
    const refused = [...decoded.refused, ...await this.#applyBatch({ type, updated, removed })];
    const bad = new Set(refused.map(({ name }) => name));
    for (const { name, version } of updated) if (!bad.has(name)) held.set(name, version);
    if (wildcard) for (const name of removed) held.delete(name);
    return refused;
  }

  /** Undefined when nothing is known of what it holds: then nothing may be taken for removed. */
  async #decode({ type, resources }: IncomingResponse): Promise<DecodedResponse | undefined> {
    try {
      const decoded = await this.#options.decode({ type, resources });
      for (const warning of decoded.warnings) this.#owner.onWarning(warning);
      return this.#checked(type, decoded);
    } catch (cause) {
      this.#options.log.error(`decoding ${nameOfType(type).singular}s failed: ${messageOf(cause)}`);
      return undefined;
    }
  }

  /** What is valid by itself may still be of no use here. */
  #checked(type: ResourceType, decoded: DecodedResponse): DecodedResponse {
    const updated: DecodedResource[] = [];
    const refused = [...decoded.refused];
    for (const resource of decoded.updated) {
      const reason = this.#owner.check(type, resource.resource);
      if (reason === undefined) updated.push(resource);
      else refused.push({ name: resource.name, reason });
    }
    return { ...decoded, updated, refused };
  }

  /** An owner that throws has refused everything; the stream lives on (faults.md F20). */
  async #applyBatch(batch: ResourceBatch): Promise<readonly ResourceRefusal[]> {
    try {
      return await this.#owner.apply(batch);
    } catch (cause) {
      this.#options.log.error(`applying ${nameOfType(batch.type).singular}s failed: ${messageOf(cause)}`);
      return batch.updated.map(({ name }) => ({ name, reason: 'could not be applied' }));
    }
  }

  #serverText(): string {
    const { server } = this.#options;
    return `management server ${server.name} at ${server.address}`;
  }

  /** Every change of state goes through here; from `stopped` there is no way back. */
  #enter(state: XdsClientState): void {
    if (this.#state !== 'stopped') this.#state = state;
  }
}

/** Of all that are held, what a complete response leaves out is gone; of the named ones only what is wanted counts. */
function removedBy(
  { wildcard, names, held }: Subscription, response: IncomingResponse, listed: readonly string[],
): readonly string[] {
  if (response.complete) return [...new Set(held.keys()).difference(new Set(listed))];
  return response.removed.filter((name) => (wildcard ? held.has(name) : names.has(name)));
}
