// What a route asks of the endpoints of a cluster with subsets: values of their metadata, compared as JSON.

/** JSON of an endpoint's `envoy.lb` metadata, or of what a route asks of it. */
export type LbMetadata = Readonly<Record<string, unknown>>;

/** In FALLBACK_LIST clusters: other values to ask for, one after the other. */
const FALLBACK_LIST = 'fallback_list';

/** Immutable but for what it remembers of itself; made once for a route, not for a request. */
export class MetadataMatch {
  /** Keys and values in the order of the keys; equal texts are equal demands. */
  readonly id: string;
  /** The keys alone, as `keysId` makes them. */
  readonly keysId: string;
  readonly #wanted: LbMetadata;
  #alternatives: readonly MetadataMatch[] | undefined = undefined;
  #narrowedTo: ReadonlySet<string> | undefined = undefined;
  #narrowed: MetadataMatch | undefined = undefined;

  constructor(wanted: LbMetadata) {
    const keys = Object.keys(wanted).toSorted();
    this.id = pairsId(keys.map((key) => [key, canonicalJson(wanted[key])]));
    this.keysId = keysId(keys);
    this.#wanted = wanted;
  }

  /** With the values of `own` in place of its own or beside them. */
  with(own: LbMetadata): MetadataMatch {
    return new MetadataMatch({ ...this.#wanted, ...own });
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#wanted, key);
  }

  /** The same demand of fewer keys; the last one is remembered, since a selector asks for the same ones again. */
  only(keys: ReadonlySet<string>): MetadataMatch {
    if (this.#narrowed !== undefined && this.#narrowedTo === keys) return this.#narrowed;
    const wanted = Object.entries(this.#wanted).filter(([key]) => keys.has(key));
    this.#narrowedTo = keys;
    return this.#narrowed = new MetadataMatch(Object.fromEntries(wanted));
  }

  /** What is asked for in turn in clusters of FALLBACK_LIST: itself, where it has no such list. */
  alternatives(): readonly MetadataMatch[] {
    return this.#alternatives ??= this.#listed();
  }

  #listed(): readonly MetadataMatch[] {
    if (!this.has(FALLBACK_LIST)) return [this];
    const { [FALLBACK_LIST]: given, ...rest } = this.#wanted;
    const others: readonly unknown[] = Array.isArray(given) ? given : [];
    const plain = new MetadataMatch(rest);
    return others.length === 0 ? [plain] : others.map((other) => (isObject(other) ? plain.with(other) : plain));
  }
}

/** Names a set of keys; they must be in order. */
export function keysId(keys: readonly string[]): string {
  return JSON.stringify(keys);
}

/** Names pairs of a key and its value as `canonicalJson` writes it, in the order of the keys. */
export function pairsId(pairs: readonly (readonly [key: string, value: string])[]): string {
  return JSON.stringify(pairs);
}

/** Objects whose keys come in another order are written the same. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (isObject(part) ? sorted(part) : part)) ?? 'null';
}

function sorted(object: LbMetadata): LbMetadata {
  return Object.fromEntries(Object.entries(object).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function isObject(value: unknown): value is LbMetadata {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
