// LEAST_REQUEST: the endpoint with the fewest requests in flight among a few drawn at random.
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../upstream.ts';
import { EdfSchedule } from './edf-schedule.ts';
import { equallyWeighted, randomIndex } from './host-picker.ts';
import type { HostPicker, HostPickerFactory } from './host-picker.ts';

export interface LeastRequestOptions {
  /** How many are drawn (least_request_lb_config.choice_count). Envoy's default 2. */
  readonly choiceCount: number;
  /** How much requests in flight lower an unequal weight (active_request_bias). Envoy's default 1. */
  readonly activeRequestBias: number;
}

/**
 * Equal weights: the power of `choiceCount` choices. Unequal: a weighted rotation in which an endpoint weighs
 * weight / (requests in flight + 1) ^ bias at its turn, as in Envoy.
 */
export function leastRequest(options: LeastRequestOptions): HostPickerFactory {
  return (endpoints, random) => equallyWeighted(endpoints)
    ? new FewestOfSome(endpoints, random, options.choiceCount)
    : new BusyRotation(endpoints, random, options.activeRequestBias);
}

class FewestOfSome implements HostPicker {
  readonly #endpoints: readonly Endpoint[];
  readonly #random: Random;
  readonly #choices: number;

  constructor(endpoints: readonly Endpoint[], random: Random, choices: number) {
    this.#endpoints = endpoints;
    this.#random = random;
    this.#choices = choices;
  }

  choose(): Endpoint {
    const endpoints = this.#endpoints;
    let best = endpoints[randomIndex(this.#random, endpoints.length)]!;
    for (let drawn = 1; drawn < this.#choices; drawn++) {
      const other = endpoints[randomIndex(this.#random, endpoints.length)]!;
      if (other.activeRequests < best.activeRequests) best = other;
    }
    return best;
  }
}

class BusyRotation implements HostPicker {
  readonly #schedule: EdfSchedule<Endpoint>;

  constructor(endpoints: readonly Endpoint[], random: Random, bias: number) {
    this.#schedule = new EdfSchedule(endpoints, weighing(bias), random);
  }

  choose(): Endpoint {
    return this.#schedule.next();
  }
}

function weighing(bias: number): (endpoint: Endpoint) => number {
  if (bias === 0) return (endpoint) => endpoint.weight;
  if (bias === 1) return (endpoint) => endpoint.weight / (endpoint.activeRequests + 1);
  return (endpoint) => endpoint.weight / (endpoint.activeRequests + 1) ** bias;
}
