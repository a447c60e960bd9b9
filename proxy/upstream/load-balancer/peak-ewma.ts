// Peak EWMA: of two endpoints drawn at random the one with the lower mean latency times requests in flight.
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../upstream.ts';
import { randomIndex } from './host-picker.ts';
import type { HostPicker, HostPickerFactory } from './host-picker.ts';

export interface PeakEwmaOptions {
  /** What an idle endpoint counts with that has not answered yet (default_rtt). Envoy's default 10. */
  readonly defaultMs: number;
  /** Cost of one that has requests and has answered none (penalty_value). Envoy's default 1,000,000. */
  readonly penalty: number;
}

/** Weights don't count, as in Envoy. */
export function peakEwma(options: PeakEwmaOptions): HostPickerFactory {
  return (endpoints, { random }) => new CheaperOfTwo(endpoints, random, options);
}

class CheaperOfTwo implements HostPicker {
  readonly #endpoints: readonly Endpoint[];
  readonly #random: Random;
  readonly #options: PeakEwmaOptions;

  constructor(endpoints: readonly Endpoint[], random: Random, options: PeakEwmaOptions) {
    this.#endpoints = endpoints;
    this.#random = random;
    this.#options = options;
  }

  /** Two different ones; of equal ones the first that was drawn. */
  choose(): Endpoint {
    const endpoints = this.#endpoints;
    const count = endpoints.length;
    const first = randomIndex(this.#random, count);
    if (count === 1) return endpoints[first]!;
    const second = (first + 1 + randomIndex(this.#random, count - 1)) % count;
    const one = endpoints[first]!;
    const other = endpoints[second]!;
    return this.#costOf(other) < this.#costOf(one) ? other : one;
  }

  #costOf({ latency, activeRequests }: Endpoint): number {
    const meanMs = latency?.meanMs ?? 0;
    if (meanMs === 0 && activeRequests > 0) return this.#options.penalty + activeRequests;
    return (meanMs === 0 ? this.#options.defaultMs : meanMs) * (activeRequests + 1);
  }
}
