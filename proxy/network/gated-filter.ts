// The last filter of a chain behind those that stand before it: they judge each connection, and it carries it.
import type { Socket } from 'node:net';
import type { ProxyError } from '../base/error.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { StallOwner, Transport, TransportHandler } from '../base/transport.ts';
import type { ConnectionInfo } from '../telemetry/stream-info.ts';
import type { EarlyConnection, NetworkConnection, NetworkFilter } from './network-filter.ts';
import type { NetworkGate } from './network-gate.ts';

export class GatedFilter implements NetworkFilter {
  readonly name: string;
  readonly #gates: readonly NetworkGate[];
  readonly #judges: readonly NetworkGate[];
  readonly #last: NetworkFilter;
  readonly #timers: TimerWheel;

  /** `gates` in the order of the chain. */
  constructor(gates: readonly NetworkGate[], last: NetworkFilter, timers: TimerWheel) {
    this.name = last.name;
    this.#gates = gates;
    this.#judges = gates.filter((gate) => gate.onFirstBytes !== undefined);
    this.#last = last;
    this.#timers = timers;
  }

  accept(
    transport: Transport, info: ConnectionInfo, onClose: (connection: NetworkConnection) => void,
  ): NetworkConnection {
    let asked = 0;
    const onEnd = (connection: NetworkConnection): void => {
      for (let i = 0; i < asked; i++) this.#gates[i]!.onClose?.();
      onClose(connection);
    };
    for (const gate of this.#gates) {
      asked++;
      const refused = gate.onConnection?.();
      if (refused === undefined) continue;
      this.#last.onRefused?.(info, refused.flag);
      return new RefusedConnection(transport, refused.afterMs, this.#timers, onEnd);
    }
    if (this.#judges.length === 0) return this.#last.accept(transport, info, onEnd);
    const judged = new JudgedTransport(transport, this.#judges, info);
    const connection = this.#last.accept(judged, info, onEnd);
    judged.connection = connection;
    return connection;
  }

  /** Not where connections are counted before anybody reads: it would be done twice. */
  acceptEarly(
    transport: Transport, info: ConnectionInfo, onClose: (connection: NetworkConnection) => void,
  ): EarlyConnection | undefined {
    if (this.#gates.some((gate) => gate.onConnection !== undefined)) return undefined;
    const judged = new JudgedTransport(transport, this.#judges, info);
    const connection = this.#last.acceptEarly?.(judged, info, onClose);
    judged.connection = connection;
    return connection;
  }
}

/** Nothing is read of it, and nothing said. */
class RefusedConnection implements NetworkConnection, TransportHandler, TimerTarget {
  readonly #transport: Transport;
  readonly #onEnd: (connection: NetworkConnection) => void;
  readonly #timer: Timer;

  constructor(
    transport: Transport, afterMs: number, timers: TimerWheel, onEnd: (connection: NetworkConnection) => void,
  ) {
    this.#transport = transport;
    this.#onEnd = onEnd;
    this.#timer = new Timer(timers, this);
    transport.attach(this);
    transport.pause();
    if (afterMs > 0) this.#timer.arm(afterMs);
    else transport.destroy();
  }

  onTimer(): void {
    this.#transport.destroy();
  }

  drain(): void {
    this.#transport.destroy();
  }

  destroy(): void {
    this.#transport.destroy();
  }

  onData(): void {
    // What had been read before is dropped.
  }

  onEnd(): void {
    this.#transport.destroy();
  }

  onDrain(): void {
    // Nothing is written.
  }

  onClose(): void {
    this.#timer.cancel();
    this.#onEnd(this);
  }
}

/** The transport as the last filter sees it: its first bytes come when every gate has let them through. */
class JudgedTransport implements Transport, TransportHandler {
  readonly #transport: Transport;
  readonly #info: ConnectionInfo;
  /** Who is asked about what comes next: everybody, and then those who judge all that comes. */
  #judges: readonly NetworkGate[];
  #isJudged = false;
  #owner: TransportHandler | undefined = undefined;
  /** Set before any bytes come. */
  connection: NetworkConnection | undefined = undefined;

  constructor(transport: Transport, judges: readonly NetworkGate[], info: ConnectionInfo) {
    this.#transport = transport;
    this.#judges = judges;
    this.#info = info;
  }

  // --- of the socket

  get borrows(): boolean {
    return this.#owner?.borrows === true;
  }

  onData(chunk: Buffer): void {
    if (this.#passes(chunk.length)) this.#owner!.onData(chunk);
  }

  onEnd(): void {
    if (this.#passes(0)) this.#owner!.onEnd();
  }

  onDrain(): void {
    this.#owner!.onDrain();
  }

  onClose(error: ProxyError | undefined): void {
    this.#owner!.onClose(error);
  }

  /** From here on the bytes go to the owner without this, unless somebody judges all that come. */
  #passes(bytes: number): boolean {
    if (this.#transport.socket.destroyed) return false;
    for (const judge of this.#judges) {
      const reason = judge.onFirstBytes!(this.#info);
      if (reason === undefined) continue;
      this.connection!.destroy(reason, bytes);
      return false;
    }
    this.#isJudged = true;
    this.#judges = this.#judges.filter((judge) => judge.judgesEveryRead === true);
    if (this.#judges.length === 0) this.#transport.attach(this.#owner!);
    return true;
  }

  // --- of the owner

  get socket(): Socket {
    return this.#transport.socket;
  }

  get bufferedBytes(): number {
    return this.#transport.bufferedBytes;
  }

  get holdsBytes(): boolean {
    return this.#transport.holdsBytes;
  }

  get encrypts(): boolean {
    return this.#transport.encrypts;
  }

  attach(handler: TransportHandler): void {
    this.#owner = handler;
    this.#transport.attach(this.#judges.length === 0 ? handler : this);
  }

  writeLatin1(text: string): boolean {
    return this.#mayWrite() && this.#transport.writeLatin1(text);
  }

  write(chunk: Buffer): boolean {
    return this.#mayWrite() && this.#transport.write(chunk);
  }

  writeAround(before: string, chunk: Buffer, after: string): boolean {
    return this.#mayWrite() && this.#transport.writeAround(before, chunk, after);
  }

  /** A server that speaks first is not heard by whom nobody has let in. What a codec says of itself at once may go. */
  #mayWrite(): boolean {
    return this.#isJudged || this.connection === undefined || this.#passes(0);
  }

  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  end(): void {
    this.#transport.end();
  }

  endStalls(timers: TimerWheel, timeoutMs: number, owner: StallOwner): void {
    this.#transport.endStalls(timers, timeoutMs, owner);
  }

  destroy(reset?: boolean): void {
    this.#transport.destroy(reset);
  }
}
