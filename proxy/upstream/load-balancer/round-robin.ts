// ROUND_ROBIN: each endpoint in turn, in proportion to its weight.
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../upstream.ts';
import { EdfSchedule } from './edf-schedule.ts';
import { equallyWeighted, randomIndex } from './host-picker.ts';
import type { HostPicker } from './host-picker.ts';

export function roundRobin(endpoints: readonly Endpoint[], random: Random): HostPicker {
  return equallyWeighted(endpoints) ? new Rotation(endpoints, random) : new WeightedRotation(endpoints, random);
}

class Rotation implements HostPicker {
  readonly #endpoints: readonly Endpoint[];
  #next: number;

  /** The start is random: a push to many proxies must not send all their next requests to the first endpoint. */
  constructor(endpoints: readonly Endpoint[], random: Random) {
    this.#endpoints = endpoints;
    this.#next = randomIndex(random, endpoints.length);
  }

  choose(): Endpoint {
    const endpoint = this.#endpoints[this.#next]!;
    this.#next = this.#next + 1 === this.#endpoints.length ? 0 : this.#next + 1;
    return endpoint;
  }
}

class WeightedRotation implements HostPicker {
  readonly #schedule: EdfSchedule<Endpoint>;

  constructor(endpoints: readonly Endpoint[], random: Random) {
    this.#schedule = new EdfSchedule(endpoints, (endpoint) => endpoint.weight, random);
  }

  choose(): Endpoint {
    return this.#schedule.next();
  }
}
