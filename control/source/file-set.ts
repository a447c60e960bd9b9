// Which content of each file is in force: a bad one is refused whole and the last good one stays (S103).
import type { YamlText } from '../../proxy/config/yaml-file.ts';
import { decodeObjects, duplicate, type DecodedObjects } from '../model/decode-object.ts';
import { titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import type { RefusedFile, SourceState } from './source.ts';

interface Entry {
  readonly file: string;
  /** Content that was read last, undefined when it could not be decoded. */
  candidate: DecodedObjects;
  /** What is served: the last content without fault. */
  good: DecodedObjects | undefined;
  refusal: { readonly sinceMs: number; readonly errors: readonly Finding[] } | undefined;
}

const NOTHING: DecodedObjects = { objects: [], errors: [], warnings: [] };

export class FileSet {
  readonly #entries = new Map<string, Entry>();

  get files(): Iterable<string> {
    return this.#entries.keys();
  }

  /** Takes a file's new content; judge() decides on it together with the others. */
  put(file: string, text: YamlText): void {
    const candidate = text.errors.length === 0 ? decodeObjects(text.documents, file) : syntaxFault(text, file);
    const entry = this.#entries.get(file);
    if (entry === undefined) this.#entries.set(file, { file, candidate, good: undefined, refusal: undefined });
    else entry.candidate = candidate;
  }

  remove(file: string): void {
    this.#entries.delete(file);
  }

  /** Objects that a file serves now. */
  servedBy(file: string): number {
    return this.#entries.get(file)?.good?.objects.length ?? 0;
  }

  /**
   * Accepts every content that is without fault. Files whose content is in force already go first, so that a newcomer
   * with an object of the same name is the one that is refused.
   */
  judge(nowMs: number): void {
    const taken = new Map<string, MeshObject>();
    const inForce = (entry: Entry): boolean => entry.good === entry.candidate;
    const entries = [...this.#entries.values()].sort((a, b) => (a.file < b.file ? -1 : 1));
    const known = entries.filter((entry) => !inForce(entry) && entry.good !== undefined);
    const fresh = entries.filter((entry) => entry.good === undefined);
    for (const entry of [...entries.filter(inForce), ...known, ...fresh]) judgeEntry(entry, taken, nowMs);
  }

  state(): SourceState {
    const entries = [...this.#entries.values()].sort((a, b) => (a.file < b.file ? -1 : 1));
    return {
      objects: entries.flatMap(({ good }) => good?.objects ?? []),
      refused: entries.flatMap(refusedFile),
      warnings: entries.flatMap(({ good }) => good?.warnings ?? []),
      units: entries.length,
    };
  }
}

function judgeEntry(entry: Entry, taken: Map<string, MeshObject>, nowMs: number): void {
  const { candidate } = entry;
  const errors = candidate.errors.length > 0 ? candidate.errors : conflicts(candidate, taken);
  if (errors.length === 0) {
    entry.good = candidate;
    entry.refusal = undefined;
  } else {
    entry.refusal = { sinceMs: entry.refusal?.sinceMs ?? nowMs, errors };
  }
  for (const object of (entry.good ?? NOTHING).objects) {
    if (!taken.has(titleOf(object))) taken.set(titleOf(object), object);
  }
}

function conflicts(candidate: DecodedObjects, taken: ReadonlyMap<string, MeshObject>): Finding[] {
  return candidate.objects.flatMap((object) => {
    const twin = taken.get(titleOf(object));
    return twin === undefined ? [] : [duplicate(object, twin)];
  });
}

function syntaxFault(text: YamlText, file: string): DecodedObjects {
  const errors = text.errors.map(({ where = file, path, reason }) => (
    { where: where.replace(/^(.*:[0-9]+):[0-9]+$/, '$1'), object: '', path, reason }));
  return { objects: [], errors, warnings: [] };
}

function refusedFile({ file, refusal, good }: Entry): RefusedFile[] {
  return refusal === undefined ? [] : [{ file, ...refusal, servedObjects: good?.objects.length ?? 0 }];
}
