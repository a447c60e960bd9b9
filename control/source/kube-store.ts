// Objects as the API server has them, each judged alone: a bad one is refused, what was good of it stays (S103).
import { hash } from 'node:crypto';
import { decodeObjects, type DecodedObjects } from '../model/decode-object.ts';
import { KINDS, type KindName } from '../model/kind.ts';
import type { Finding, MeshObject } from '../model/mesh-object.ts';
import { meshConfigDocument } from './kube-mesh-config.ts';
import type { KubeDocument } from './kube-document.ts';
import type { RefusedFile } from './source.ts';

/** More than this is not a mesh that one control plane serves. */
export const OBJECTS_MAX = 500_000;

interface Entry {
  readonly digest: string;
  readonly good: DecodedObjects | undefined;
  readonly refusal: Omit<RefusedFile, 'file' | 'servedObjects'> | undefined;
}

export class KubeStore {
  /** By kind, then by `namespace/name`. */
  readonly #kinds = new Map<string, Map<string, Entry>>();
  readonly objectsMax: number;
  #size = 0;
  #dropped = 0;

  constructor(objectsMax: number = OBJECTS_MAX) {
    this.objectsMax = objectsMax;
  }

  get size(): number {
    return this.#size;
  }

  /** Objects for which there was no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Whether it is another than before; an object that does not fit any more is left out. */
  put(kind: string, document: KubeDocument, nowMs: number): boolean {
    const key = keyOf(document);
    const entries = this.#entries(kind);
    const known = entries.get(key);
    const digest = hash('sha256', JSON.stringify(document));
    if (known?.digest === digest) return false;
    if (known === undefined && this.#size >= this.objectsMax) {
      this.#dropped++;
      return false;
    }
    if (known === undefined) this.#size++;
    entries.set(key, judged(kind, key, document, digest, known, nowMs));
    return true;
  }

  remove(kind: string, document: KubeDocument): boolean {
    const isGone = this.#entries(kind).delete(keyOf(document));
    if (isGone) this.#size--;
    return isGone;
  }

  /** All objects of a kind in a namespace (undefined: in all); whether anything is different. */
  replace(kind: string, namespace: string | undefined, documents: readonly KubeDocument[], nowMs: number): boolean {
    const present = new Set(documents.map(keyOf));
    let changed = false;
    for (const key of this.#entries(kind).keys()) {
      const isHere = namespace === undefined || key.startsWith(`${namespace}/`);
      if (!isHere || present.has(key)) continue;
      this.#entries(kind).delete(key);
      this.#size--;
      changed = true;
    }
    for (const document of documents) if (this.put(kind, document, nowMs)) changed = true;
    return changed;
  }

  /** Whether it has the object, good or not. */
  has({ kind, namespace, name }: Pick<MeshObject, 'kind' | 'namespace' | 'name'>): boolean {
    return this.#entries(kind).has(namespace === '' ? name : `${namespace}/${name}`);
  }

  /** Objects of a kind, in a namespace or in all. */
  count(kind: string, namespace: string | undefined): number {
    const keys = [...this.#entries(kind).keys()];
    return namespace === undefined ? keys.length : keys.filter((key) => key.startsWith(`${namespace}/`)).length;
  }

  objects(): MeshObject[] {
    return this.#all().flatMap(({ good }) => good?.objects ?? []);
  }

  warnings(): Finding[] {
    return this.#all().flatMap(({ good }) => good?.warnings ?? []);
  }

  refused(): RefusedFile[] {
    return [...this.#kinds].flatMap(([kind, entries]) => inOrder(entries).flatMap(([key, { refusal, good }]) =>
      (refusal === undefined ? []
        : [{ file: placeName(kind, key), ...refusal, servedObjects: good?.objects.length ?? 0 }])));
  }

  /** In one order, whoever came first. */
  #all(): Entry[] {
    return [...this.#kinds].flatMap(([, entries]) => inOrder(entries).map(([, entry]) => entry));
  }

  #entries(kind: string): Map<string, Entry> {
    let entries = this.#kinds.get(kind);
    if (entries === undefined) this.#kinds.set(kind, entries = new Map());
    return entries;
  }
}

function judged(
  kind: string, key: string, document: KubeDocument, digest: string, known: Entry | undefined, nowMs: number,
): Entry {
  const file = placeName(kind, key);
  const [value, warnings] = kind === 'MeshConfig' ? meshConfigDocument(document, file) : [document, []];
  const decoded = value === undefined
    ? { objects: [], errors: warnings, warnings: [] }
    : decodeObjects([{ value, locate: () => file }], file);
  if (decoded.errors.length === 0) {
    const good = { ...decoded, warnings: [...warnings, ...decoded.warnings] };
    return { digest, good, refusal: undefined };
  }
  const sinceMs = known?.refusal?.sinceMs ?? nowMs;
  const object = Object.hasOwn(KINDS, kind) ? { object: { ...nameOf(document), kind: kind as KindName } } : {};
  return { digest, good: known?.good, refusal: { sinceMs, errors: decoded.errors, ...object } };
}

function inOrder(entries: ReadonlyMap<string, Entry>): [string, Entry][] {
  return [...entries].sort(([one], [other]) => (one < other ? -1 : 1));
}

function keyOf({ metadata }: KubeDocument): string {
  const { namespace, name } = (metadata ?? {}) as { namespace?: unknown; name?: unknown };
  return typeof namespace === 'string' ? `${namespace}/${String(name)}` : String(name);
}

function nameOf({ metadata }: KubeDocument): { namespace: string; name: string; generation: number | undefined } {
  const { namespace, name, generation } = (metadata ?? {}) as Record<string, unknown>;
  return {
    namespace: typeof namespace === 'string' ? namespace : '', name: String(name),
    generation: typeof generation === 'number' ? generation : undefined,
  };
}

/** `kubernetes:VirtualService/default/reviews` */
function placeName(kind: string, key: string): string {
  return `kubernetes:${kind}/${key}`;
}
