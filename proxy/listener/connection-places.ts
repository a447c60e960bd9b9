// The places for clients' connections in the whole process: no more of them than leave descriptors for everything else.
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/error.ts';
import type { NamedCount } from '../base/named-counts.ts';

/** What is said of a shortage is said so often. */
const SAID_EVERY_MS = 60_000;

export class ConnectionPlaces {
  readonly #count: NamedCount;
  readonly #max: number;
  readonly #clock: Clock;
  readonly #say: (line: string) => void;
  #saidMs = -Infinity;

  /** `count` is of all workers; `say` gets a line a minute at most. */
  constructor(count: NamedCount, max: number, clock: Clock, say: (line: string) => void) {
    this.#count = count;
    this.#max = max;
    this.#clock = clock;
    this.#say = say;
  }

  /** Whether there was a place; the socket has it until it is closed. */
  take(socket: Socket, listener: string): boolean {
    if (!this.#count.tryAdd(this.#max)) {
      this.#tell(`listener ${listener}: all ${this.#max} places for connections are taken, new ones are closed; `
        + 'they follow from the limit of open files (ulimit -n, LimitNOFILE)');
      return false;
    }
    socket.once('close', this.#release);
    return true;
  }

  /** A connection could not be accepted at all. */
  onAcceptError(listener: string, cause: Error): void {
    this.#tell(`listener ${listener}: cannot accept connections: ${messageOf(cause)}`);
  }

  readonly #release = (): void => this.#count.add(-1);

  #tell(line: string): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#saidMs < SAID_EVERY_MS) return;
    this.#saidMs = nowMs;
    this.#say(line);
  }
}
