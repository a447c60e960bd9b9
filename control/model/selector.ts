// How policies say which workloads they are for, and why target references are refused.
import { string } from '../../proxy/config/scalar.ts';
import { map, message, optional, type NamesByReason, type Static } from '../../proxy/config/schema.ts';

export const WorkloadSelector = message('istio.type.v1beta1.WorkloadSelector', {
  matchLabels: optional(map(string()), 'Labels that the workload has; none selects every workload of the namespace.'),
});
export interface WorkloadSelector extends Static<typeof WorkloadSelector> {}

/** Description of every policy's selector. */
export const ALL_WORKLOADS = 'Workloads; all of the namespace when absent, all of the mesh in the root namespace.';

/** Istio attaches by selector or by targetRefs; the latter are for waypoints and Gateway API gateways. */
export const NO_TARGET_REFS: NamesByReason = {
  'there are no waypoints and no Gateway API gateways; use selector': ['target_ref', 'target_refs'],
};
