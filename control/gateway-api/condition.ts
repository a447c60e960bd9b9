// Conditions of Kubernetes objects, and the faults that turn them.
import type { MeshObject } from '../model/mesh-object.ts';

/** Why something is not as it should be: a reason of the Gateway API's, and a sentence. */
export interface Fault {
  readonly reason: string;
  readonly message: string;
}

/** As in metav1, but for the time, which whoever writes it knows. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
}

/** True with `reason` unless there is a fault; of `object`, whose generation it is about. */
export function condition(
  object: MeshObject, type: string, fault: Fault | undefined, reason = type, message = '',
): Condition {
  return {
    type, status: fault === undefined ? 'True' : 'False',
    reason: fault?.reason ?? reason, message: fault?.message ?? message, ...generation(object),
  };
}

/** Files have none. */
export function generation({ body }: MeshObject): { readonly observedGeneration?: number } {
  const { generation: number } = body.metadata;
  return typeof number === 'number' ? { observedGeneration: number } : {};
}

/** Status of one object, in the shape of its status subresource; conditions are without their time. */
export interface ObjectStatus {
  readonly object: MeshObject;
  readonly status: Readonly<Record<string, unknown>>;
  /** All conditions in it, each with the place that it is about. */
  readonly conditions: readonly PlacedCondition[];
}

export interface PlacedCondition {
  readonly path: readonly (string | number)[];
  readonly condition: Condition;
}

const BAD_IF_TRUE: ReadonlySet<string> = new Set(['Conflicted', 'PartiallyInvalid', 'InsecureFrontendValidationMode']);

/** It says that something is not as it should be. */
export function isFault({ type, status }: Condition): boolean {
  return BAD_IF_TRUE.has(type) ? status === 'True' : status === 'False';
}
