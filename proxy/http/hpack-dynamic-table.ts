// The decoder's dynamic table (RFC 7541 section 2.3.2): a ring of entries, newest first.
import type { TableEntry } from './hpack-static-table.ts';
import { ENTRY_OVERHEAD } from './hpack-static-table.ts';

const START_SLOTS = 16;

export class DynamicTable {
  /** Length is a power of two. */
  #ring: (TableEntry | undefined)[] = new Array<undefined>(START_SLOTS).fill(undefined);
  /** The slot of the newest entry. */
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `age` is 0 for the newest; undefined when there is none so old. */
  get(age: number): TableEntry | undefined {
    return age < this.#count ? this.#ring[(this.#newest - age) & (this.#ring.length - 1)] : undefined;
  }

  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evictTo(bytesMax);
  }

  /** One that is larger than the table leaves it empty, and that is no error (RFC 7541 section 4.4). */
  add(entry: TableEntry): void {
    const bytes = entry.size + ENTRY_OVERHEAD;
    this.#evictTo(this.#bytesMax - bytes);
    if (bytes > this.#bytesMax) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#newest = (this.#newest + 1) & (this.#ring.length - 1);
    this.#ring[this.#newest] = entry;
    this.#count++;
    this.#bytes += bytes;
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#count > 0) {
      const oldest = (this.#newest - --this.#count) & (this.#ring.length - 1);
      this.#bytes -= this.#ring[oldest]!.size + ENTRY_OVERHEAD;
      this.#ring[oldest] = undefined;
    }
  }

  #grow(): void {
    const ring = new Array<TableEntry | undefined>(2 * this.#ring.length).fill(undefined);
    for (let age = 0; age < this.#count; age++) ring[this.#count - 1 - age] = this.get(age);
    this.#ring = ring;
    this.#newest = this.#count - 1;
  }
}
