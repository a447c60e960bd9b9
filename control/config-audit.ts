// Changes of the mesh's configuration as records of an audit log: who, what, where it is written, before and after.
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditLog } from '../proxy/base/audit-log.ts';
import { canonicalJson, type Json } from '../proxy/base/canonical-json.ts';
import { findingText, placeOf, titleOf, type MeshObject } from './model/mesh-object.ts';
import type { RefusedFile, SourceState } from './source/source.ts';
import type { AuditStatus } from './status.ts';

/** Digests of one object's content; Secrets have none, since theirs could be guessed from. */
const WITHHELD = 'withheld';
/** Objects of one change that are told one by one; the rest is counted. */
const OBJECTS_MAX = 2000;
const ERRORS_MAX = 10;

interface Known {
  readonly digest: string;
  readonly body: unknown;
  readonly where: string;
}

export class ConfigAudit {
  readonly #log: AuditLog;
  readonly #source: string;
  readonly #folder: string | undefined;
  #known = new Map<string, Known>();
  #refused = new Map<string, RefusedFile>();

  /** `source` is its name, `folder` where its files are, when there are any. */
  constructor(log: AuditLog, source: string, folder: string | undefined) {
    this.#log = log;
    this.#source = source;
    this.#folder = folder;
  }

  /** What is there at the start, as one digest: whether it changed while nobody looked is seen by comparing. */
  start(state: SourceState): void {
    this.#known = this.#digests(state.objects);
    const all = [...this.#known].map(([title, { digest }]) => `${title} ${digest}`).sort().join('\n');
    this.#log.append({
      type: 'config', change: 'start', source: this.#source, objects: this.#known.size, digest: sha256(all),
    });
    this.#tellRefused(state.refused);
  }

  update(state: SourceState): void {
    const before = this.#known;
    this.#known = this.#digests(state.objects);
    let told = 0;
    for (const object of state.objects) {
      const title = titleOf(object);
      const [old, now] = [before.get(title), this.#known.get(title)];
      if (old?.body === now?.body || (old?.digest === now?.digest && old?.digest !== WITHHELD)) continue;
      if (++told <= OBJECTS_MAX) this.#tell(old === undefined ? 'added' : 'changed', title, old, now);
    }
    for (const [title, old] of before) {
      if (!this.#known.has(title) && ++told <= OBJECTS_MAX) this.#tell('removed', title, old, undefined);
    }
    if (told > OBJECTS_MAX) this.#log.append({ type: 'config', change: 'more', count: told - OBJECTS_MAX });
    this.#tellRefused(state.refused);
  }

  #tell(change: string, title: string, before: Known | undefined, after: Known | undefined): void {
    const where = (after ?? before)?.where ?? '';
    this.#log.append({
      type: 'config', change, object: title, where, by: this.#author(where),
      ...(before !== undefined && { before: before.digest }), ...(after !== undefined && { after: after.digest }),
    });
  }

  /** Who owns the file is all that a file says of who wrote it. */
  #author(where: string): Json {
    if (this.#folder === undefined) return { source: this.#source };
    const stats = statSync(join(this.#folder, where.replace(/:[0-9]+$/, '')), { throwIfNoEntry: false });
    if (stats === undefined) return { source: this.#source };
    return { source: this.#source, uid: stats.uid, modified: stats.mtime.toISOString() };
  }

  #tellRefused(refused: readonly RefusedFile[]): void {
    const now = new Map(refused.map((file) => [file.file, file]));
    for (const [file, { errors, servedObjects }] of now) {
      if (this.#refused.get(file)?.errors === errors) continue;
      this.#log.append({
        type: 'config', change: 'refused', where: file, by: this.#author(file), servedObjects,
        errors: errors.slice(0, ERRORS_MAX).map((error) => findingText(error).slice(0, 512)),
      });
    }
    this.#refused = now;
  }

  /** An object that was not read again is the same value as before, and its digest is known. */
  #digests(objects: readonly MeshObject[]): Map<string, Known> {
    const digests = new Map<string, Known>();
    for (const object of objects) {
      const title = titleOf(object);
      const { body } = object;
      const old = this.#known.get(title);
      const digest = object.kind === 'Secret' ? WITHHELD
        : old?.body === body ? old.digest : sha256(canonicalJson(body as unknown as Json));
      if (!digests.has(title)) digests.set(title, { digest, body, where: placeOf(object.origin) });
    }
    return digests;
  }
}

export function auditStatus(log: AuditLog, folder: string): AuditStatus {
  return { folder, sequence: log.seq, ...log.counts };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
