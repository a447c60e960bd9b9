// RANDOM: any endpoint, each as likely as the next; weights don't count, as in Envoy.
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../upstream.ts';
import { randomIndex } from './host-picker.ts';
import type { HostPicker, PolicyDeps } from './host-picker.ts';

export function randomChoice(endpoints: readonly Endpoint[], { random }: PolicyDeps): HostPicker {
  return new RandomPicker(endpoints, random);
}

class RandomPicker implements HostPicker {
  readonly #endpoints: readonly Endpoint[];
  readonly #random: Random;

  constructor(endpoints: readonly Endpoint[], random: Random) {
    this.#endpoints = endpoints;
    this.#random = random;
  }

  choose(): Endpoint {
    return this.#endpoints[randomIndex(this.#random, this.#endpoints.length)]!;
  }
}
