// A worker's way to tell the supervisor of new stats: registrations of one event travel as one message.
import type { StatRegistration, StatSink } from '../telemetry/stats.ts';
import type { FromWorker } from './messages.ts';

export class StatPort implements StatSink {
  readonly #send: (message: FromWorker) => void;
  #waiting: StatRegistration[] = [];

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  chunk(index: number, memory: SharedArrayBuffer): void {
    this.#send({ kind: 'chunk', index, memory });
  }

  register(registration: StatRegistration): void {
    if (this.#waiting.push(registration) === 1) process.nextTick(() => this.flush());
  }

  flush(): void {
    const registrations = this.#waiting;
    this.#waiting = [];
    if (registrations.length > 0) this.#send({ kind: 'stats', registrations });
  }
}
