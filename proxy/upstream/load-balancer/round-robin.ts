// ROUND_ROBIN: each endpoint in turn, in proportion to its weight.
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../upstream.ts';
import { EdfSchedule } from './edf-schedule.ts';
import { equallyWeighted, randomIndex } from './host-picker.ts';
import type { HostPicker, HostPickerFactory } from './host-picker.ts';
import { anyStarting, weighing } from './slow-start.ts';
import type { SlowStart } from './slow-start.ts';

export function roundRobin(slowStart?: SlowStart): HostPickerFactory {
  return (endpoints, { random, clock }) => (
    equallyWeighted(endpoints) && !anyStarting(endpoints, slowStart, clock)
      ? new Rotation(endpoints, random)
      : new WeightedRotation(new EdfSchedule(endpoints, weighing(slowStart, clock), random)));
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

/** Turns by weights that may change from one turn to the next. */
export class WeightedRotation implements HostPicker {
  readonly #schedule: EdfSchedule<Endpoint>;

  constructor(schedule: EdfSchedule<Endpoint>) {
    this.#schedule = schedule;
  }

  choose(): Endpoint {
    return this.#schedule.next();
  }
}
