// One proxy's gRPC stream from its beginning to its end: nobody's until its first request, then a node's.
import { status } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../../proxy/base/clock.ts';
import { messageOf } from '../../proxy/base/error.ts';
import { Timer } from '../../proxy/base/timers.ts';
import type { TimerTarget, TimerWheel } from '../../proxy/base/timers.ts';
import type { DeltaDiscoveryResponse, DiscoveryNode } from '../../proxy/config/discovery.ts';
import type { Wire } from '../../proxy/config/wire.ts';
import { Connection } from './connection.ts';
import type { Sending } from './connection.ts';
import type { ProxyIntroduction, ProxyRecord } from './receipts.ts';
import { DELTA_VARIANT } from './variant.ts';
import type { AnyRequest, AnyResponse, Variant } from './variant.ts';

/** Who is at the other end, as TLS says. */
export interface Peer {
  /** HOST:PORT. */
  readonly address: string;
  /** DER of the verified client certificate; undefined without one. */
  readonly certificate: Buffer | undefined;
}

export type DiscoveryCall = ServerDuplexStream<AnyRequest, AnyResponse>;

export interface ProxyStreamDeps {
  readonly wire: Wire;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Why this peer may not be this node, or undefined. */
  authorise(node: DiscoveryNode, peer: Peer): string | undefined;
  /** A node has introduced itself. */
  connect(introduction: ProxyIntroduction): ProxyRecord;
  /** Has this stream refreshed when its turn comes. */
  serveSoon(stream: ProxyStream): void;
  /** Gives the connection its node's snapshot; false: there is none. */
  serve(introduced: Introduced): boolean;
  onAnswer(record: ProxyRecord, type: string, isAccepted: boolean, reason: string): void;
  /** It has answered everything. */
  onSettled(stream: ProxyStream): void;
  onEnd(stream: ProxyStream, record: ProxyRecord | undefined): void;
  warn(line: string): void;
}

const NO_HOSTS = 'metadata WEFT_LAZY needs delta xDS (api_type DELTA_GRPC): hosts cannot be asked for otherwise';

/** A client that connects must say who it is. */
const INTRODUCTION_MS = 10_000;

export interface Introduced {
  readonly node: DiscoveryNode;
  /** Its certificate says that it is this node. */
  readonly isVerified: boolean;
  readonly record: ProxyRecord;
  readonly connection: Connection;
}

export class ProxyStream implements TimerTarget {
  readonly #deps: ProxyStreamDeps;
  readonly #call: DiscoveryCall;
  readonly #variant: Variant;
  readonly #timer: Timer;
  #introduced: Introduced | undefined = undefined;
  #isEnded = false;

  constructor(deps: ProxyStreamDeps, call: DiscoveryCall, variant: Variant) {
    this.#deps = deps;
    this.#call = call;
    this.#variant = variant;
    this.#timer = new Timer(deps.wheel, this);
    this.#timer.arm(INTRODUCTION_MS);
    call.on('data', (request: AnyRequest) => this.#onRequest(request));
    call.on('drain', () => this.#introduced?.connection.drained());
    call.on('end', () => this.end(status.OK, ''));
    call.on('cancelled', () => this.#close());
    call.on('error', () => this.#close());
  }

  onTimer(): void {
    this.end(status.DEADLINE_EXCEEDED, 'the first request did not come');
  }

  /** Whose stream it is; undefined before the first request and after the end. */
  get node(): DiscoveryNode | undefined {
    return this.#isEnded ? undefined : this.#introduced?.node;
  }

  /** Its peer shows no certificate. */
  get isAnonymous(): boolean {
    return this.#certificate() === undefined;
  }

  /** Sends what is new for it. */
  refresh(): void {
    if (this.#introduced === undefined || this.#isEnded) return;
    if (!this.#deps.serve(this.#introduced)) this.#deps.onSettled(this);
  }

  /** Ends the stream with a gRPC status. */
  end(code: number, details: string): void {
    if (this.#isEnded) return;
    this.#close();
    if (code === status.OK) this.#call.end();
    else this.#call.emit('error', { code, details });
  }

  #onRequest(request: AnyRequest): void {
    if (this.#isEnded) return;
    try {
      const problem = this.#introduced === undefined ? this.#introduce(request) : undefined;
      if (problem !== undefined) {
        this.end(...problem);
        return;
      }
      const asked = this.#variant.read(request);
      const excess = asked === undefined ? undefined : this.#introduced?.connection.request(asked);
      if (excess !== undefined) this.end(status.RESOURCE_EXHAUSTED, excess);
    } catch (cause) {
      this.#deps.warn(`${this.#call.getPeer()}: ${messageOf(cause)}`);
      this.end(status.INTERNAL, 'the request could not be handled');
    }
  }

  #introduce({ node }: AnyRequest): [number, string] | undefined {
    const { id = '', cluster = '', userAgentName = '', userAgentVersion = '' } = node ?? {};
    if (node === undefined || id === '') return [status.INVALID_ARGUMENT, 'the first request must hold a node.id'];
    if (node.metadata?.['WEFT_LAZY'] === 'true' && this.#variant !== DELTA_VARIANT) {
      return [status.INVALID_ARGUMENT, NO_HOSTS];
    }
    const address = this.#call.getPeer();
    const certificate = this.#certificate();
    const reason = this.#deps.authorise(node, { address, certificate });
    if (reason !== undefined) {
      this.#deps.warn(`${address} may not be ${id}: ${reason}`);
      return [status.PERMISSION_DENIED, reason];
    }
    this.#timer.cancel();
    const userAgent = `${userAgentName} ${userAgentVersion}`.trim();
    this.#begin(node, certificate !== undefined, this.#deps.connect({ id, cluster, address, userAgent }));
    return undefined;
  }

  #begin(node: DiscoveryNode, isVerified: boolean, record: ProxyRecord): void {
    const { wire, clock, wheel } = this.#deps;
    const onAnswer = (type: string, isAccepted: boolean, reason: string): void => {
      this.#deps.onAnswer(record, type, isAccepted, reason);
    };
    const sink = {
      send: (response: DeltaDiscoveryResponse) => this.#send(response),
      isWhole: (type: string) => this.#variant.isWhole(type),
    };
    const onSettled = (): void => this.#deps.onSettled(this);
    const connection = new Connection({ wire, clock, wheel, record, onAnswer, onSettled }, sink);
    this.#introduced = { node, isVerified, record, connection };
    this.#deps.serveSoon(this);
  }

  #send(response: DeltaDiscoveryResponse): Sending {
    const worded = this.#variant.word(response);
    if (worded === undefined) return 'held';
    return this.#call.write(worded) ? 'sent' : 'full';
  }

  #certificate(): Buffer | undefined {
    const certificate = this.#call.getAuthContext().sslPeerCertificate;
    // Node gives an empty object for a peer without a certificate.
    return certificate?.raw === undefined ? undefined : Buffer.from(certificate.raw);
  }

  #close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#timer.cancel();
    this.#introduced?.connection.close();
    this.#deps.onEnd(this, this.#introduced?.record);
  }
}
