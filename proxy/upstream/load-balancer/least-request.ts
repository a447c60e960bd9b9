// LEAST_REQUEST: the endpoint with the fewest requests in flight among a few drawn at random.
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../upstream.ts';
import { EdfSchedule } from './edf-schedule.ts';
import { equallyWeighted, randomIndex } from './host-picker.ts';
import type { HostPicker, HostPickerFactory } from './host-picker.ts';
import { WeightedRotation } from './round-robin.ts';
import { anyStarting, weighing } from './slow-start.ts';
import type { SlowStart, Weigh } from './slow-start.ts';

export interface LeastRequestOptions {
  /** How many are drawn (least_request_lb_config.choice_count). Envoy's default 2. */
  readonly choiceCount: number;
  /** All are looked at, not some that are drawn (selection_method FULL_SCAN). Default false. */
  readonly fullScan?: boolean;
  /** How much requests in flight lower an unequal weight (active_request_bias). Envoy's default 1. */
  readonly activeRequestBias: number;
  readonly slowStart?: SlowStart | undefined;
}

/**
 * Equal weights: the power of `choiceCount` choices. Unequal, or growing: a weighted rotation in which an endpoint
 * weighs weight / (requests in flight + 1) ^ bias at its turn, as in Envoy.
 */
export function leastRequest(options: LeastRequestOptions): HostPickerFactory {
  const { choiceCount, fullScan, activeRequestBias, slowStart } = options;
  return (endpoints, { random, clock }) => {
    if (equallyWeighted(endpoints) && !anyStarting(endpoints, slowStart, clock)) {
      return fullScan === true ? new FewestOfAll(endpoints, random) : new FewestOfSome(endpoints, random, choiceCount);
    }
    const weigh = weighingBusy(weighing(slowStart, clock), activeRequestBias);
    return new WeightedRotation(new EdfSchedule(endpoints, weigh, random));
  };
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

class FewestOfAll implements HostPicker {
  readonly #endpoints: readonly Endpoint[];
  readonly #random: Random;

  constructor(endpoints: readonly Endpoint[], random: Random) {
    this.#endpoints = endpoints;
    this.#random = random;
  }

  /** Equal ones are as likely as each other. */
  choose(): Endpoint {
    const endpoints = this.#endpoints;
    let best = endpoints[0]!;
    let equals = 1;
    for (let i = 1; i < endpoints.length; i++) {
      const other = endpoints[i]!;
      if (other.activeRequests > best.activeRequests) continue;
      equals = other.activeRequests === best.activeRequests ? equals + 1 : 1;
      if (randomIndex(this.#random, equals) === 0) best = other;
    }
    return best;
  }
}

function weighingBusy(weigh: Weigh, bias: number): Weigh {
  if (bias === 0) return weigh;
  if (bias === 1) return (endpoint) => weigh(endpoint) / (endpoint.activeRequests + 1);
  return (endpoint) => weigh(endpoint) / (endpoint.activeRequests + 1) ** bias;
}
