// The look at a connection's first bytes before its chain is chosen. A client that is silent may wait for its server to
// speak: after a moment the server is asked, and whoever is first says what the connection is.
import type { Socket } from 'node:net';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import { Timer } from '../base/timers.ts';
import { LIMITS } from '../config/limits.ts';
import { factsOf } from './connection-facts.ts';
import type { Arrival, ConnectionFacts } from './connection-facts.ts';
import { EarlyTransport } from './early-connection.ts';
import type { EarlyOwner } from './early-connection.ts';
import { matchChain, mayBecome } from './filter-chain-match.ts';
import { FirstBytes } from './first-bytes.ts';
import type { FirstBytesEnd } from './first-bytes.ts';
import type { CompiledChain, CompiledListener } from './compiled-listener.ts';
import { ProtocolReader } from './protocol-detect.ts';
import type { Detection, Inspects } from './protocol-detect.ts';
import type { ServerFirstMemory } from './server-first.ts';
import type { ClientHello } from './tls-inspector.ts';

export const NO_HELLO: ClientHello = { serverName: undefined, alpn: [] };

/** Of a connection that was begun early: it counts from `keep` on. */
export interface EarlyHold {
  keep(): void;
}

/** The listener. Each connection is either kept from an early beginning, or told to `onInspected`, once. */
export interface InspectionOwner {
  /** `facts` undefined: the connection is over. */
  onInspected(socket: Socket, facts: ConnectionFacts | undefined): void;
  beginEarly(early: EarlyTransport, chain: CompiledChain, facts: ConnectionFacts): EarlyHold | undefined;
}

interface InspectionHost {
  readonly timers: TimerWheel;
  readonly serverFirst: ServerFirstMemory;
}

export function chainFor({ matchers, defaultChain }: CompiledListener, facts: ConnectionFacts,
): CompiledChain | undefined {
  return matchers.length === 0 ? defaultChain : (matchChain(matchers, facts) ?? defaultChain);
}

interface Begun {
  readonly transport: EarlyTransport;
  readonly chain: CompiledChain;
}

export class Inspection implements EarlyOwner, TimerTarget {
  readonly #socket: Socket;
  readonly #arrival: Arrival;
  readonly #compiled: CompiledListener;
  readonly #inspects: Inspects;
  readonly #owner: InspectionOwner;
  #look: FirstBytes<Detection> | undefined = undefined;
  #wait: Timer | undefined = undefined;
  #waitedForTls = false;
  #serverFirst: ServerFirstMemory | undefined = undefined;
  #begun: Begun | undefined = undefined;
  #hold: EarlyHold | undefined = undefined;

  constructor(
    socket: Socket, arrival: Arrival, compiled: CompiledListener, inspects: Inspects, owner: InspectionOwner,
  ) {
    this.#socket = socket;
    this.#arrival = arrival;
    this.#compiled = compiled;
    this.#inspects = inspects;
    this.#owner = owner;
  }

  start({ timers, serverFirst }: InspectionHost): void {
    const look = new FirstBytes(this.#socket, timers, new ProtocolReader(this.#inspects), (end) => this.#onEnd(end));
    this.#look = look;
    this.#serverFirst = serverFirst;
    look.start(this.#compiled.inspectTimeoutMs);
    if (!this.#compiled.continueOnInspectTimeout) return;
    this.#wait = new Timer(timers, this);
    if (!serverFirst.knows(this.#silentFacts())) this.#wait.arm(LIMITS.serverFirstWaitMs);
    else if (this.#mayEncrypt()) this.#waitForTls(0);
    else this.#begin();
  }

  /** The client has been silent for long enough, unless it may be a handshake that is late. */
  onTimer(): void {
    if (!this.#waitedForTls && this.#look?.isSilent === true && this.#mayEncrypt()) {
      this.#waitForTls(LIMITS.serverFirstWaitMs);
    } else {
      this.#begin();
    }
  }

  #waitForTls(waitedMs: number): void {
    this.#waitedForTls = true;
    this.#wait?.arm(LIMITS.serverFirstTlsWaitMs - waitedMs);
  }

  #mayEncrypt(): boolean {
    return mayBecome(this.#compiled.matchers, this.#silentFacts(), ({ tls }) => tls !== undefined);
  }

  onServerFirst(): void {
    this.#look?.release();
    this.#compiled.stats.serverFirst.inc();
    this.#serverFirst?.learn(this.#silentFacts());
  }

  onKept(): void {
    this.#hold?.keep();
  }

  /** Only where a client that says nothing would be carried as it is; others are waited for. */
  #begin(): void {
    if (this.#look?.isSilent !== true) return;
    const facts = this.#silentFacts();
    const chain = chainFor(this.#compiled, facts);
    if (chain === undefined || chain.tls !== undefined || chain.network.acceptEarly === undefined) return;
    const transport = new EarlyTransport(this.#socket, this);
    this.#hold = this.#owner.beginEarly(transport, chain, facts);
    if (this.#hold === undefined) return;
    this.#begun = { transport, chain };
    transport.connection?.connect();
  }

  #onEnd(end: FirstBytesEnd<Detection>): void {
    this.#wait?.cancel();
    const { stats, continueOnInspectTimeout } = this.#compiled;
    if (end === 'timeout') stats.inspectTimeout.inc();
    const isOver = end === 'closed' || end === 'malformed' || (end === 'timeout' && !continueOnInspectTimeout);
    const facts = isOver ? undefined : this.#factsAfter(end);
    if (facts === undefined) this.#socket.destroy();
    const { transport, chain } = this.#begun ?? {};
    const isKept = facts !== undefined && chain !== undefined && chainFor(this.#compiled, facts) === chain;
    transport?.settle(isKept);
    if (!isKept) this.#owner.onInspected(this.#socket, facts);
  }

  #factsAfter(end: Exclude<FirstBytesEnd<Detection>, 'closed' | 'malformed'>): ConnectionFacts {
    if (typeof end === 'string') return this.#silentFacts();
    if ('alpn' in end) return factsOf(this.#socket, this.#arrival, end, 'tls');
    return factsOf(this.#socket, this.#arrival, { serverName: undefined, alpn: end }, 'raw_buffer');
  }

  /** As if it said nothing, or nothing that anybody knows. */
  #silentFacts(): ConnectionFacts {
    return factsOf(this.#socket, this.#arrival, NO_HELLO, 'raw_buffer');
  }
}
