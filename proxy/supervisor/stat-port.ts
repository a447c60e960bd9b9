// A worker's way to tell the supervisor of new stats: registrations of one event travel as one message.
import type { BlockRegistration, StatRegistration, StatSink } from '../telemetry/stats.ts';
import type { BlockMessage, FromWorker } from './messages.ts';

export class StatPort implements StatSink {
  readonly #send: (message: FromWorker) => void;
  readonly #shapes = new Set<string>();
  #waiting: StatRegistration[] = [];
  #blocks: BlockMessage[] = [];

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  chunk(index: number, memory: SharedArrayBuffer): void {
    this.#send({ kind: 'chunk', index, memory });
  }

  register(registration: StatRegistration): void {
    this.#flushSoon();
    this.#waiting.push(registration);
  }

  block({ shape: { id, names }, ...place }: BlockRegistration): void {
    this.#flushSoon();
    this.#blocks.push(this.#shapes.has(id) ? { shape: id, ...place } : { shape: id, names, ...place });
    this.#shapes.add(id);
  }

  flush(): void {
    const [registrations, blocks] = [this.#waiting, this.#blocks];
    this.#waiting = [];
    this.#blocks = [];
    if (registrations.length + blocks.length > 0) this.#send({ kind: 'stats', registrations, blocks });
  }

  #flushSoon(): void {
    if (this.#waiting.length + this.#blocks.length === 0) process.nextTick(() => this.flush());
  }
}
