// Runs something once after a burst of events: when it has been quiet for a while, or when waiting got too long.

export class Debounce {
  readonly #quietMs: number;
  readonly #maxMs: number;
  readonly #run: () => void;
  #quiet: NodeJS.Timeout | undefined = undefined;
  #latest: NodeJS.Timeout | undefined = undefined;

  constructor(quietMs: number, maxMs: number, run: () => void) {
    this.#quietMs = quietMs;
    this.#maxMs = maxMs;
    this.#run = run;
  }

  touch(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#fire(), this.#quietMs);
    this.#latest ??= setTimeout(() => this.#fire(), this.#maxMs);
  }

  cancel(): void {
    clearTimeout(this.#quiet);
    clearTimeout(this.#latest);
    this.#quiet = undefined;
    this.#latest = undefined;
  }

  #fire(): void {
    this.cancel();
    this.#run();
  }
}
