// Choices of a generator: the same for the same seed.
import { SeededRandom } from '../../proxy/base/random.ts';

export class Draw {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return this.#random.below(limit);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.#random.float() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** Up to `most` values, often none. */
  some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.chance(0.5) ? 0 : 1 + this.below(most) }, make);
  }

  /** The fields with this probability, else none: to be spread into an object. */
  maybe<T extends object>(probability: number, make: () => T): Partial<T> {
    return this.chance(probability) ? make() : {};
  }

  /** Parts of a text joined by nothing, each taken with its probability. */
  text(...parts: readonly (readonly [probability: number, text: string])[]): string {
    return parts.filter(([probability]) => this.chance(probability)).map(([, text]) => text).join('');
  }
}
