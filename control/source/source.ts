// Where objects come from: a folder of files now; Kubernetes and Consul can stand beside it.
import type { Finding, MeshObject } from '../model/mesh-object.ts';

/** A file (or other unit) of which nothing new is used, because something in it is wrong. */
export interface RefusedFile {
  readonly file: string;
  /** Unix time in milliseconds. */
  readonly sinceMs: number;
  readonly errors: readonly Finding[];
  /** Objects of its last good content that are served meanwhile. */
  readonly servedObjects: number;
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
  close(): void;
}
