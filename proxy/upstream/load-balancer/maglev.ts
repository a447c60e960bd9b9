// MAGLEV: a table in which each endpoint takes turns by its own permutation; faster than a ring, a little less stable.
import { remainder, xxHash64 } from '../../base/xx-hash.ts';
import type { Hash64 } from '../../base/xx-hash.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../upstream.ts';
import { hashedEndpoints } from './hash-weights.ts';
import type { HashedEndpoint } from './hash-weights.ts';
import { randomHash } from './host-picker.ts';
import type { HostPicker, HostPickerFactory } from './host-picker.ts';

export interface MaglevOptions {
  /** A prime; Envoy's default 65537. */
  readonly tableSize: number;
  /** Host names are hashed instead of addresses (use_hostname_for_hashing). */
  readonly byHostname: boolean;
}

/** The same table as in Envoy. */
export function maglev({ tableSize, byHostname }: MaglevOptions): HostPickerFactory {
  return (endpoints, { random }, shares) => (
    new MaglevPicker(hashedEndpoints(endpoints, byHostname, shares), tableSize, random)
  );
}

/** The table is made when it is first needed. */
class MaglevPicker implements HostPicker {
  readonly #hashed: readonly HashedEndpoint[];
  readonly #size: number;
  readonly #random: Random;
  #table: Uint32Array | undefined = undefined;

  constructor(hashed: HashedEndpoint[], size: number, random: Random) {
    // In order of their keys, so that the same endpoints in another order make the same table.
    this.#hashed = hashed.sort((a, b) => (a.key < b.key ? -1 : 1));
    this.#size = size;
    this.#random = random;
  }

  choose(hash: Hash64 | undefined, attempt: number): Endpoint {
    this.#table ??= tableOf(this.#hashed, this.#size);
    const own = hash ?? randomHash(this.#random);
    const place = remainder(attempt === 0 ? own : another(own, attempt), this.#size);
    return this.#hashed[this.#table[place]! - 1]!.endpoint;
  }
}

/** Envoy's: the hash with nearly all of its bits turned. */
function another({ hi, lo }: Hash64, attempt: number): Hash64 {
  return { hi: ~hi >>> 0, lo: (lo ^ -attempt) >>> 0 };
}

interface Turn {
  /** The next place that it asks for, and how far on the one after that is. */
  place: number;
  readonly skip: number;
  readonly share: number;
  /** Takes a place in the rounds in which round * share has reached this. */
  due: number;
}

/** Numbers of endpoints, from 1. */
function tableOf(hashed: readonly HashedEndpoint[], size: number): Uint32Array {
  const table = new Uint32Array(size);
  const turns = hashed.map(({ key, share }): Turn => ({
    place: remainder(xxHash64(key), size),
    skip: remainder(xxHash64(key, { hi: 0, lo: 1 }), size - 1) + 1,
    share,
    due: 0,
  }));
  const most = turns.reduce((max, { share }) => Math.max(max, share), 0);
  let taken = 0;
  for (let round = 1; taken < size; round++) {
    for (let i = 0; i < turns.length && taken < size; i++) {
      const turn = turns[i]!;
      if (round * turn.share < turn.due) continue;
      turn.due += most;
      takePlace(table, turn, i + 1);
      taken++;
    }
  }
  return table;
}

function takePlace(table: Uint32Array, turn: Turn, number: number): void {
  while (table[turn.place] !== 0) turn.place = (turn.place + turn.skip) % table.length;
  table[turn.place] = number;
  turn.place = (turn.place + turn.skip) % table.length;
}
