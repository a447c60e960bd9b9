// Output of one event leaves at the event's end: whoever has something to write says so once and is asked to flush.

/** Somebody with output that waits. */
export interface Flushable {
  flush(): void;
}

/** One per worker: a single process.nextTick for all connections that an event wrote to. */
export class WriteBatch {
  #waiting: Flushable[] = [];
  readonly #run = (): void => this.#flush();

  add(target: Flushable): void {
    if (this.#waiting.push(target) === 1) process.nextTick(this.#run);
  }

  #flush(): void {
    const targets = this.#waiting;
    this.#waiting = [];
    for (const target of targets) target.flush();
  }
}
