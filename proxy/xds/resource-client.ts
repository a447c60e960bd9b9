// What brings resources of a source, a management server or a file, and who uses what it brings.
import type { ResourceType } from '../config/any-registry.ts';
import type { ConfigWarning } from '../config/decode-report.ts';
import type { ResourceRefusal } from '../config/discovery.ts';
import type { AnyResource, DecodedResource } from './resource-decode.ts';

/** Changes of one type. `removed` of types that are asked for by name are those that the server does not have. */
export interface ResourceBatch {
  readonly type: ResourceType;
  readonly updated: readonly DecodedResource[];
  readonly removed: readonly string[];
}

/** Who uses what the client brings. */
export interface ResourceOwner {
  /** Why a valid resource cannot be used, or undefined. */
  check(type: ResourceType, resource: AnyResource): string | undefined;
  /** Resolves when it is in force everywhere, with what was refused. One batch at a time. */
  apply(batch: ResourceBatch): Promise<readonly ResourceRefusal[]>;
  /** False while responses of this type must wait; wake() is called when that has changed. */
  mayApply(type: ResourceType): boolean;
  onWarning(warning: ConfigWarning): void;
  /** A response was handled and answered. */
  onHandled(type: ResourceType, version: string, refused: readonly ResourceRefusal[]): void;
}

/**
 * - idle: not started.
 * - connecting: a stream is being opened.
 * - connected: its connection is up.
 * - waiting: the last one was lost or never came; what is in force stays, and the next attempt follows after a pause.
 * - stopped: for ever.
 */
export type ResourceClientState = 'idle' | 'connecting' | 'connected' | 'waiting' | 'stopped';

/** One source. Nothing of it is in force before start(). */
export interface ResourceClient {
  readonly state: ResourceClientState;
  start(): void;
  stop(): void;
  /** Asks for all resources of a type. */
  subscribeAll(type: ResourceType): void;
  /** Asks for these resources of a type and no others; what is not wanted any more is forgotten. */
  subscribe(type: ResourceType, names: ReadonlySet<string>): void;
  /** Name to version of what is in force. */
  held(type: ResourceType): ReadonlyMap<string, string>;
  /** What had to wait may be applied now. */
  wake(): void;
}
