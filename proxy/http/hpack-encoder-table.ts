// The encoder's tables (RFC 7541 section 2.3): the way from a field to its index, and the ring of what the peer holds.
import type { NameRule } from './hpack-indexing.ts';
import { NAME_RULES, UNKNOWN_NAME } from './hpack-indexing.ts';
import { ENTRY_OVERHEAD, STATIC_LAST, STATIC_TABLE } from './hpack-static-table.ts';

/** What we use of the peer's table, however much it offers: a bound on our memory (S26). */
export const TABLE_BYTES_MAX = 4096;
/** Places in a list of all entries: the static ones by index, then the ring's slots. */
const RING_AT = 64;
const RING_START = 16;
const PLACES_MAX = RING_AT + TABLE_BYTES_MAX / ENTRY_OVERHEAD;

/** A name that has entries or a rule. */
export class EncoderName {
  readonly name: string;
  readonly rule: NameRule;
  newest: EncoderEntry | undefined = undefined;

  constructor(name: string, rule: NameRule) {
    this.name = name;
    this.rule = rule;
  }
}

class EncoderEntry {
  readonly name: string;
  readonly value: string;
  place: number;
  /** Entries of the same name, from the newest to the oldest. */
  older: EncoderEntry | undefined = undefined;
  newer: EncoderEntry | undefined = undefined;

  constructor(name: string, value: string, place: number) {
    this.name = name;
    this.value = value;
    this.place = place;
  }

  get bytes(): number {
    return this.name.length + this.value.length + ENTRY_OVERHEAD;
  }
}

const STATIC_ENTRIES: readonly EncoderEntry[] = STATIC_TABLE.map(
  ({ name, value }, index) => new EncoderEntry(name, value, index));
/** Stands for names of which nothing is known. */
const NOBODY = new EncoderName('', UNKNOWN_NAME);

export class EncoderTable {
  #entries = placesFor(RING_START);
  /** Slots of the ring less one; their number is a power of two. */
  #mask = RING_START - 1;
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax = TABLE_BYTES_MAX;
  /** Entries have pushed out others. */
  crowded = false;
  /** Names with a rule that have been met, and others while they have entries: both are few, whatever comes (S94). */
  readonly #names = new Map<string, EncoderName>();
  /**
   * By place: which entry followed this one lately. Messages of a connection resemble each other, so that most fields
   * are found by this guess, at half the cost of finding them by name.
   */
  readonly #followers = new Uint8Array(PLACES_MAX);
  /** The place of the block's last indexed field, 0 at its beginning. */
  #last = 0;
  /** Of the field that was last looked for and not found. */
  named: EncoderName = NOBODY;

  get bytes(): number {
    return this.#bytes;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** How many names are known on this connection. */
  get names(): number {
    return this.#names.size;
  }

  beginBlock(): void {
    this.#last = 0;
  }

  /** The index of the field if it follows as it did lately; else 0, which says nothing. */
  guess(name: string, value: string): number {
    const place = this.#followers[this.#last]!;
    const entry = this.#entries[place];
    if (entry === undefined || entry.value !== value || entry.name !== name) return 0;
    this.#last = place;
    return this.#indexOf(place);
  }

  /** The index of the field; 0 when it has none, and then `named` is what is known of its name. */
  find(name: string, value: string): number {
    const named = (this.named = this.#names.get(name) ?? this.#newName(name));
    const { staticIndex, staticValues } = named.rule;
    for (let i = 0; i < staticValues.length; i++) {
      if (staticValues[i] === value) return this.#found(STATIC_ENTRIES[staticIndex + i]!);
    }
    // The table bounds the way: some hundred entries of together 4096 bytes.
    for (let entry = named.newest; entry !== undefined; entry = entry.older) {
      if (entry.value === value) return this.#found(entry);
    }
    return 0;
  }

  #found(entry: EncoderEntry): number {
    this.#followers[this.#last] = entry.place;
    this.#last = entry.place;
    return this.#indexOf(entry.place);
  }

  #newName(name: string): EncoderName {
    const rule = NAME_RULES.get(name);
    if (rule === undefined) return NOBODY;
    const named = new EncoderName(name, rule);
    this.#names.set(name, named);
    return named;
  }

  /** An index whose name is that of `named`; 0 when there is none. */
  nameIndex(): number {
    const { rule, newest } = this.named;
    if (rule.staticIndex !== 0) return rule.staticIndex;
    return newest === undefined ? 0 : this.#indexOf(newest.place);
  }

  /** RFC 7541 section 2.3.3. */
  #indexOf(place: number): number {
    return place < RING_AT ? place : STATIC_LAST + 1 + ((this.#newest + RING_AT - place) & this.#mask);
  }

  /** The field was just looked for and not found, and it fits. */
  add(name: string, value: string): void {
    const entry = new EncoderEntry(name, value, 0);
    if (this.#bytes > this.#bytesMax - entry.bytes) {
      this.crowded = true;
      this.#evictTo(this.#bytesMax - entry.bytes);
    }
    if (this.#count > this.#mask) this.#grow();
    this.#newest = (this.#newest + 1) & this.#mask;
    entry.place = RING_AT + this.#newest;
    this.#entries[entry.place] = entry;
    this.#count++;
    this.#bytes += entry.bytes;
    this.#link(entry);
    this.#found(entry);
  }

  #link(entry: EncoderEntry): void {
    // Evictions may have taken the name away.
    let named = this.#names.get(entry.name);
    if (named === undefined) {
      named = new EncoderName(entry.name, UNKNOWN_NAME);
      this.#names.set(entry.name, named);
    }
    entry.older = named.newest;
    if (named.newest !== undefined) named.newest.newer = entry;
    named.newest = entry;
  }

  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evictTo(bytesMax);
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#count > 0) {
      const place = RING_AT + ((this.#newest - --this.#count) & this.#mask);
      const oldest = this.#entries[place]!;
      this.#entries[place] = undefined;
      this.#bytes -= oldest.bytes;
      this.#unlink(oldest);
    }
  }

  /** The oldest of all is the oldest of its name. */
  #unlink(oldest: EncoderEntry): void {
    if (oldest.newer !== undefined) {
      oldest.newer.older = undefined;
      return;
    }
    const named = this.#names.get(oldest.name)!;
    named.newest = undefined;
    if (named.rule === UNKNOWN_NAME) this.#names.delete(oldest.name);
  }

  #grow(): void {
    const entries = placesFor(2 * this.#count);
    for (let i = 1; i <= this.#count; i++) {
      const entry = this.#entries[RING_AT + ((this.#newest + i) & this.#mask)]!;
      entry.place = RING_AT + i - 1;
      entries[entry.place] = entry;
    }
    this.#entries = entries;
    this.#mask = 2 * this.#count - 1;
    this.#newest = this.#count - 1;
  }
}

function placesFor(slots: number): (EncoderEntry | undefined)[] {
  const entries = new Array<EncoderEntry | undefined>(RING_AT + slots).fill(undefined);
  for (let index = 1; index <= STATIC_LAST; index++) entries[index] = STATIC_ENTRIES[index];
  return entries;
}
