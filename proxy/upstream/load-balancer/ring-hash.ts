// RING_HASH: the endpoint that comes next on a ring where each has as many places as its weight asks for (ketama).
import { xxHash64 } from '../../base/xx-hash.ts';
import type { Hash64 } from '../../base/xx-hash.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../upstream.ts';
import { hashedEndpoints } from './hash-weights.ts';
import type { HashedEndpoint } from './hash-weights.ts';
import { randomHash } from './host-picker.ts';
import type { HostPicker, HostPickerFactory } from './host-picker.ts';

export interface RingHashOptions {
  /** Envoy's default 1024. */
  readonly minSize: number;
  /** Envoy's default 8 Mi. */
  readonly maxSize: number;
  /** Host names are hashed instead of addresses (use_hostname_for_hashing). */
  readonly byHostname: boolean;
}

/** The same places as in Envoy, so that both send a hash to the same endpoint. */
export function ringHash(options: RingHashOptions): HostPickerFactory {
  return (endpoints, { random }, shares) => (
    new RingPicker(() => new Ring(hashedEndpoints(endpoints, options.byHostname, shares), options), random)
  );
}

/** The ring is made when it is first needed: most clusters of a mesh never see a request of this worker. */
class RingPicker implements HostPicker {
  readonly #random: Random;
  readonly #make: () => Ring;
  #ring: Ring | undefined = undefined;

  constructor(make: () => Ring, random: Random) {
    this.#make = make;
    this.#random = random;
  }

  choose(hash: Hash64 | undefined, attempt: number): Endpoint {
    this.#ring ??= this.#make();
    return this.#ring.at(hash ?? randomHash(this.#random), attempt);
  }
}

class Ring {
  readonly #endpoints: readonly Endpoint[];
  /** Places in order of their hashes, whose halves are apart; and whose each place is. */
  readonly #hi: Uint32Array;
  readonly #lo: Uint32Array;
  readonly #owner: Uint32Array;

  constructor(hashed: readonly HashedEndpoint[], { minSize, maxSize }: RingHashOptions) {
    this.#endpoints = hashed.map(({ endpoint }) => endpoint);
    const places = placesOf(hashed, minSize, maxSize);
    places.sort((a, b) => a.hash.hi - b.hash.hi || a.hash.lo - b.hash.lo);
    this.#hi = Uint32Array.from(places, ({ hash }) => hash.hi);
    this.#lo = Uint32Array.from(places, ({ hash }) => hash.lo);
    this.#owner = Uint32Array.from(places, ({ owner }) => owner);
  }

  /** The first place at or after the hash; each further attempt goes on by one. */
  at({ hi, lo }: Hash64, attempt: number): Endpoint {
    let from = 0;
    let to = this.#hi.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const high = this.#hi[middle]!;
      if (high < hi || (high === hi && this.#lo[middle]! < lo)) from = middle + 1;
      else to = middle;
    }
    return this.#endpoints[this.#owner[(from + attempt) % this.#hi.length]!]!;
  }
}

interface Place {
  readonly hash: Hash64;
  readonly owner: number;
}

/**
 * The lightest endpoint gets a whole number of places, which makes the ring at least `minSize`; running sums share
 * out the rest, as in Envoy.
 */
function placesOf(hashed: readonly HashedEndpoint[], minSize: number, maxSize: number): Place[] {
  const least = hashed.reduce((min, { share }) => Math.min(min, share), 1);
  const scale = Math.min(Math.ceil(least * minSize) / least, maxSize);
  const places: Place[] = [];
  let target = 0;
  hashed.forEach(({ key, share }, owner) => {
    target += scale * share;
    for (let i = 0; places.length < target; i++) places.push({ hash: xxHash64(`${key}_${i}`), owner });
  });
  return places;
}
