// Where objects come from: a folder of files, Kubernetes, or several of them together.
import type { Finding, MeshObject } from '../model/mesh-object.ts';
import type { WantedStatus } from './status-writer.ts';

/** A file (or other unit) of which nothing new is used, because something in it is wrong. */
export interface RefusedFile {
  readonly file: string;
  /** Unix time in milliseconds. */
  readonly sinceMs: number;
  readonly errors: readonly Finding[];
  /** Objects of its last good content that are served meanwhile. */
  readonly servedObjects: number;
  /** The one object that it is, where it is no file. */
  readonly object?: Pick<MeshObject, 'kind' | 'namespace' | 'name'> & { readonly generation: number | undefined };
}

/** How one resource of an API is kept up with. */
export interface WatchStatus {
  /** `services`, `virtualservices.networking.istio.io in shop` */
  readonly resource: string;
  /** `absent`: nobody has defined it; `denied`: this account may not read it; `broken`: what was known last holds. */
  readonly state: 'listing' | 'current' | 'absent' | 'denied' | 'broken';
  /** Unix time in milliseconds. */
  readonly sinceMs: number;
  readonly reason?: string;
  readonly objects: number;
  /** Lists and watches that ended in a fault, and lists that came to their end, since the start. */
  readonly failures: number;
  readonly relists: number;
}

/** What a source has at one moment. */
export interface SourceState {
  readonly objects: readonly MeshObject[];
  readonly refused: readonly RefusedFile[];
  readonly warnings: readonly Finding[];
  /** Files (or units) that were read. */
  readonly units: number;
}

export interface Source {
  readonly name: string;
  /** Reads everything once, then tells of each change. Rejects with a ConfigError where there is nothing to read. */
  start(onChange: (state: SourceState) => void): Promise<SourceState>;
  /** What its objects should say of themselves; written where there is an API to write it into. */
  writeStatuses?(statuses: readonly WantedStatus[]): void;
  /** How each resource of an API is kept up with, as it is now; none for what is no API. */
  watches?(): readonly WatchStatus[];
  close(): void | Promise<void>;
}
