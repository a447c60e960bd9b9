// The xDS server: accepts proxies' streams, gives each its snapshot, and pushes when the mesh has changed.
import { status } from '@grpc/grpc-js';
import type { MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Clock } from '../../proxy/base/clock.ts';
import type { TimerWheel } from '../../proxy/base/timers.ts';
import { ADS_DELTA_PATH, ADS_SOTW_PATH, discoveryCodec } from '../../proxy/config/discovery.ts';
import type { DiscoveryCodec, DiscoveryNode } from '../../proxy/config/discovery.ts';
import type { Wire } from '../../proxy/config/wire.ts';
import { ProxyStream } from './proxy-stream.ts';
import type { DiscoveryCall, Introduced, Peer, ProxyStreamDeps } from './proxy-stream.ts';
import { PushSlots } from './push-slots.ts';
import { Receipts } from './receipts.ts';
import type { ProxyRecord } from './receipts.ts';
import { SERVICE_WORDS } from './snapshot.ts';
import { SnapshotStore } from './snapshot-store.ts';
import type { SnapshotFor } from './snapshot-store.ts';
import { SotwVariant } from './sotw-variant.ts';
import { DELTA_VARIANT } from './variant.ts';
import type { Variant } from './variant.ts';

export interface PushLog {
  info(line: string): void;
  warning(line: string): void;
}

export interface PushServerOptions {
  readonly wire: Wire;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: PushLog;
  readonly snapshotFor: SnapshotFor;
  /** Work that makes snapshotFor quick, in small steps between which other work gets its turn. Default none. */
  prepare?(node: DiscoveryNode): Iterator<unknown>;
  /** Why this peer may not be this node; asked before anything is sent to it (threats.md S100). Default: it may. */
  authorise?(node: DiscoveryNode, peer: Peer): string | undefined;
  /** Streams at one time; default 10,000. */
  readonly streamsMax?: number;
  /** Those of them whose peers show no certificate: they keep nobody out who does (S100). Default half of all. */
  readonly anonymousMax?: number;
  /** Proxies that are pushed to at one time; default 50. */
  readonly pushesMax?: number;
}

/**
 * What happened so far; `overflow` are streams beyond the limit, `waiting` those whose turn has not come, `pushing`
 * those that have not answered, `late` those that did not in time and made room for others.
 */
export interface PushCounts {
  readonly streams: number;
  readonly accepted: number;
  readonly refused: number;
  readonly overflow: number;
  readonly waiting: number;
  readonly pushing: number;
  readonly late: number;
}

const STREAMS_MAX = 10_000;

/** With responses of 3 MiB that is what stands in memory for proxies that are slow to take it. */
const PUSHES_MAX = 50;

/** Snapshots are made for so long before other work gets its turn. */
const SLICE_MS = 5;

export class PushServer {
  readonly receipts: Receipts;
  readonly #options: PushServerOptions;
  readonly #store: SnapshotStore;
  readonly #streams = new Set<ProxyStream>();
  readonly #anonymous = new Set<ProxyStream>();
  readonly #slots: PushSlots<ProxyStream>;
  /** The last is next. */
  #stale: ProxyStream[] = [];
  /** For the last of #stale. */
  #preparing: Iterator<unknown> | undefined = undefined;
  #isRefreshing = false;
  #accepted = 0;
  #refused = 0;
  #overflow = 0;

  constructor(options: PushServerOptions) {
    this.#options = options;
    this.receipts = new Receipts(options.clock);
    this.#store = new SnapshotStore(options.snapshotFor);
    const { clock, wheel, pushesMax: max = PUSHES_MAX } = options;
    this.#slots = new PushSlots({ clock, wheel, max, onFree: () => this.#refreshSoon() });
  }

  get counts(): PushCounts {
    const { taken: pushing, expired: late } = this.#slots;
    return {
      streams: this.#streams.size, accepted: this.#accepted, refused: this.#refused, overflow: this.#overflow,
      waiting: this.#stale.length, pushing, late,
    };
  }

  /** For a grpc-js server's addService, with `handlers`. */
  get service(): ServiceDefinition {
    const { wire } = this.#options;
    return {
      deltaAggregatedResources: streamMethod(ADS_DELTA_PATH, discoveryCodec(wire, 'DeltaDiscoveryRequest'),
        discoveryCodec(wire, 'DeltaDiscoveryResponse')),
      streamAggregatedResources: streamMethod(ADS_SOTW_PATH, discoveryCodec(wire, 'DiscoveryRequest'),
        discoveryCodec(wire, 'DiscoveryResponse')),
    };
  }

  get handlers(): UntypedServiceImplementation {
    const { wire } = this.#options;
    return {
      deltaAggregatedResources: (call: DiscoveryCall) => this.#accept(call, DELTA_VARIANT),
      streamAggregatedResources: (call: DiscoveryCall) => this.#accept(call, new SotwVariant(wire)),
    };
  }

  /** The mesh has changed: every proxy gets what is new for it. A call while it is under way starts it again. */
  refresh(): void {
    this.#store.invalidate();
    // Whoever waits already comes first, or changes that follow each other quickly would never let the last have any.
    const others = this.#streams.difference(new Set(this.#stale));
    this.#stale = [...others, ...this.#stale];
    this.#preparing = undefined;
    this.#refreshSoon();
  }

  /** Ends all streams; the proxies keep what they run. */
  close(): void {
    for (const stream of [...this.#streams]) stream.end(status.UNAVAILABLE, 'the control plane is shutting down');
  }

  #accept(call: DiscoveryCall, variant: Variant): void {
    const { streamsMax = STREAMS_MAX, anonymousMax = Math.ceil(streamsMax / 2) } = this.#options;
    const stream = new ProxyStream(this.#streamDeps(), call, variant);
    const isFull = this.#streams.size >= streamsMax;
    if (!isFull && (!stream.isAnonymous || this.#anonymous.size < anonymousMax)) {
      this.#streams.add(stream);
      if (stream.isAnonymous) this.#anonymous.add(stream);
      return;
    }
    this.#overflow++;
    const some = isFull ? `${streamsMax} proxies` : `${anonymousMax} proxies without a certificate`;
    stream.end(status.RESOURCE_EXHAUSTED, `more than ${some} are connected`);
  }

  #streamDeps(): ProxyStreamDeps {
    const { wire, clock, wheel, log } = this.#options;
    return {
      wire, clock, wheel,
      authorise: (node, peer) => this.#options.authorise?.(node, peer),
      connect: (introduction) => {
        log.info(`${introduction.id} connected from ${introduction.address}`);
        return this.receipts.connect(introduction);
      },
      serve: (introduced) => this.#serve(introduced),
      serveSoon: (stream) => {
        this.#stale.unshift(stream);
        this.#refreshSoon();
      },
      onAnswer: (record, type, isAccepted, reason) => this.#onAnswer(record, type, isAccepted, reason),
      onSettled: (stream) => this.#slots.give(stream),
      onEnd: (stream, record) => {
        this.#streams.delete(stream);
        this.#anonymous.delete(stream);
        this.#slots.give(stream);
        if (record !== undefined) this.receipts.disconnect(record);
      },
      warn: (line) => log.warning(line),
    };
  }

  #serve({ node, isVerified, record, connection }: Introduced): boolean {
    const { snapshot, fault } = this.#store.get(node, isVerified);
    if (fault !== undefined && fault !== record.fault) this.#options.log.warning(`${record.introduction.id}: ${fault}`);
    record.fault = fault;
    if (snapshot !== undefined) connection.serve(snapshot);
    return snapshot !== undefined;
  }

  #onAnswer(record: ProxyRecord, type: string, isAccepted: boolean, reason: string): void {
    if (isAccepted) {
      this.#accepted++;
      return;
    }
    this.#refused++;
    this.#options.log.warning(`${record.introduction.id} refused ${SERVICE_WORDS.get(type) ?? type}: ${reason}`);
  }

  #refreshSoon(): void {
    if (this.#isRefreshing || this.#stale.length === 0) return;
    this.#isRefreshing = true;
    setImmediate(() => this.#refreshSome());
  }

  #refreshSome(): void {
    const { clock } = this.#options;
    const untilMs = clock.nowMs() + SLICE_MS;
    while (this.#stale.length > 0 && this.#slots.free && clock.nowMs() < untilMs) {
      const stream = this.#stale.at(-1)!;
      if (!this.#isPrepared(stream)) continue;
      this.#stale.pop();
      this.#preparing = undefined;
      if (stream.node === undefined) continue;
      this.#slots.take(stream);
      stream.refresh();
    }
    if (this.#stale.length > 0 && this.#slots.free) setImmediate(() => this.#refreshSome());
    else this.#isRefreshing = false;
  }

  /** Does one more step. What throws does so again where its snapshot is made, and is told there. */
  #isPrepared({ node }: ProxyStream): boolean {
    if (node === undefined || this.#options.prepare === undefined) return true;
    this.#preparing ??= this.#options.prepare(node);
    try {
      return this.#preparing.next().done === true;
    } catch {
      return true;
    }
  }
}

function streamMethod<Request, Response>(
  path: string, requests: DiscoveryCodec<Request>, responses: DiscoveryCodec<Response>,
): MethodDefinition<Request, Response> {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: requests.encode,
    requestDeserialize: requests.decode,
    responseSerialize: responses.encode,
    responseDeserialize: responses.decode,
  };
}
