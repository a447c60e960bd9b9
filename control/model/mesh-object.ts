// An object of the configuration, decoded, with the place where it was written.
import type { KindName, Documents } from './kind.ts';

/** Where something was written. `line` counts from 1; 0 where there are no lines. */
export interface Origin {
  /** Path relative to the configuration folder, or the source's own name for it. */
  readonly file: string;
  readonly line: number;
}

/** One object. `body` is the whole document as its schema decodes it. */
export interface MeshObject<K extends KindName = KindName> {
  readonly kind: K;
  readonly name: string;
  readonly namespace: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** When the API server made it, in Unix milliseconds; undefined where nobody says, as in most files. */
  readonly createdMs: number | undefined;
  readonly body: Documents[K];
  readonly origin: Origin;
  /** The place of one of its fields (`['spec', 'http', 0]`); the object's own where that is unknown. */
  locate(path: readonly (string | number)[]): Origin;
}

/** `VirtualService default/reviews`, for people and as a key. */
export function titleOf(object: Pick<MeshObject, 'kind' | 'name' | 'namespace'>): string {
  return `${object.kind} ${object.namespace}/${object.name}`;
}

/** `routes.yaml:12` */
export function placeOf({ file, line }: Origin): string {
  return line === 0 ? file : `${file}:${line}`;
}

/** A finding that does not stop an object from being served, or the reason why a file is not. */
export interface Finding {
  /** `routes.yaml:12` */
  readonly where: string;
  /** `VirtualService default/reviews`, '' when the finding is about a file. */
  readonly object: string;
  /** `spec.http[0].route[0].destination.host`, '' when it is about the whole. */
  readonly path: string;
  readonly reason: string;
  /** `error` where requests or rules are lost; a warning when absent. */
  readonly level?: 'error';
}

/** A warning about one field of an object. */
export function findingAt(object: MeshObject, path: readonly (string | number)[], reason: string): Finding {
  return { where: placeOf(object.locate(path)), object: titleOf(object), path: pathText(path), reason };
}

/** A finding as one line. */
export function findingText(finding: Finding): string {
  const parts = [finding.object, finding.path].filter((part) => part !== '').join(' ');
  return `${finding.where}: ${parts === '' ? '' : `${parts}: `}${finding.reason}`;
}

/** `spec.http[0].match` */
export function pathText(path: readonly (string | number)[]): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : `${text === '' ? '' : '.'}${part}`;
  return text;
}
