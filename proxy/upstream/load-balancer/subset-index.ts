// The endpoints of a cluster by subset: lists of the same objects that the cluster has, made when endpoints change.
import { canonicalJson, pairsId } from '../../base/metadata-match.ts';
import type { LbMetadata, MetadataMatch } from '../../base/metadata-match.ts';
import type { SubsetSelector, SubsetSettings } from './subset-settings.ts';

/** Subsets of one selector that an endpoint is in at most: lists of any multiply. */
const IDS_MAX = 1000;

/** What the index asks of an endpoint. */
export interface SubsetMember {
  readonly facts: { readonly lbMetadata: LbMetadata | undefined; readonly priority: number };
}

export interface Subset<E> {
  readonly endpoints: readonly E[];
  /** The only one of it that counts (single_host_per_subset): the first of the first priority. */
  readonly single: E | undefined;
}

interface Draft<E> {
  readonly endpoints: E[];
  single: E | undefined;
}

export class SubsetIndex<E extends SubsetMember> {
  readonly all: readonly E[];
  /** What DEFAULT_SUBSET falls back to. */
  readonly defaults: Subset<E>;
  /** By `MetadataMatch.id`. */
  readonly #subsets = new Map<string, Draft<E>>();
  /** Endpoints of subsets of one that were not the first. */
  readonly duplicates: number;
  /** Endpoints that are in more subsets of one selector than are kept. */
  readonly overflows: number;

  constructor(endpoints: Iterable<E>, settings: SubsetSettings) {
    this.all = [...endpoints];
    const isDefault = ({ facts }: E): boolean => matches(facts.lbMetadata, settings);
    this.defaults = { endpoints: this.all.filter(isDefault), single: undefined };
    let duplicates = 0;
    let overflows = 0;
    for (const endpoint of this.all) {
      for (const selector of settings.selectors) {
        const ids = idsOf(endpoint.facts.lbMetadata, selector, settings.listAsAny);
        if (ids.length > IDS_MAX) overflows++;
        for (const id of ids.slice(0, IDS_MAX)) if (this.#add(id, endpoint, selector.singleHost)) duplicates++;
      }
    }
    this.duplicates = duplicates;
    this.overflows = overflows;
  }

  find(match: MetadataMatch): Subset<E> | undefined {
    return this.#subsets.get(match.id);
  }

  get ids(): Iterable<string> {
    return this.#subsets.keys();
  }

  get size(): number {
    return this.#subsets.size;
  }

  has(id: string): boolean {
    return this.#subsets.has(id);
  }

  /** Whether it was one too many; the selector that names a subset first says whether it is of one. */
  #add(id: string, endpoint: E, singleHost: boolean): boolean {
    const subset = this.#subsets.get(id);
    if (subset === undefined) {
      this.#subsets.set(id, { endpoints: [endpoint], single: singleHost ? endpoint : undefined });
      return false;
    }
    if (subset.single === undefined) {
      if (subset.endpoints.at(-1) !== endpoint) subset.endpoints.push(endpoint);
      return false;
    }
    const { priority } = subset.single.facts;
    if (endpoint.facts.priority < priority) subset.single = endpoint;
    return endpoint.facts.priority === priority;
  }
}

/**
 * Ids of the subsets of a selector that an endpoint is in: more than one where a value is a list of any. One more than
 * are kept says that there are more.
 */
function idsOf(metadata: LbMetadata | undefined, { keys }: SubsetSelector, listAsAny: boolean): string[] {
  if (metadata === undefined || keys.length === 0) return [];
  let rows: (readonly [string, string])[][] = [[]];
  for (const key of keys) {
    if (!Object.hasOwn(metadata, key)) return [];
    const values = valuesOf(metadata[key], listAsAny).slice(0, IDS_MAX + 1);
    rows = rows.flatMap((row) => values.map((value) => [...row, [key, value] as const])).slice(0, IDS_MAX + 1);
  }
  return rows.map(pairsId);
}

function matches(metadata: LbMetadata = {}, { defaultSubset, listAsAny }: SubsetSettings): boolean {
  return Object.entries(defaultSubset).every(([key, wanted]) => (
    Object.hasOwn(metadata, key) && valuesOf(metadata[key], listAsAny).includes(canonicalJson(wanted))));
}

function valuesOf(value: unknown, listAsAny: boolean): string[] {
  return listAsAny && Array.isArray(value) ? value.map(canonicalJson) : [canonicalJson(value)];
}
