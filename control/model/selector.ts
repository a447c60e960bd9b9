// How policies say which workloads they are for: by labels, or by the Gateways that these serve.
import { enumeration, string } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { GATEWAY_GROUP } from './gateway-api/reference.ts';

const NO_WAYPOINTS = 'there are no waypoints; use selector';

export const WorkloadSelector = message('istio.type.v1beta1.WorkloadSelector', {
  matchLabels: optional(map(string()), 'Labels that the workload has; none selects every workload of the namespace.'),
});
export interface WorkloadSelector extends Static<typeof WorkloadSelector> {}

/** Description of every policy's selector. */
export const ALL_WORKLOADS = 'Workloads; all of the namespace when absent, all of the mesh in the root namespace.';

const TargetRef = message('istio.type.v1beta1.PolicyTargetReference', {
  group: optional(string(), 'gateway.networking.k8s.io.'),
  kind: required(enumeration(['Gateway', 'GatewayClass'], {
    refused: { Service: NO_WAYPOINTS, ServiceEntry: NO_WAYPOINTS },
  }), 'Gateway, or in the root namespace GatewayClass.'),
  name: required(string({ minLength: 1 }), 'Name.'),
  namespace: optional(string(), "Must be the policy's own."),
}, {
  check: ({ group, namespace }) => {
    if (group !== GATEWAY_GROUP) return new Refusal(`must be ${GATEWAY_GROUP}`, ['group']);
    return namespace === undefined ? undefined : new Refusal('must not be set, as in Istio', ['namespace']);
  },
});
export interface TargetRef extends Static<typeof TargetRef> {}

/** In place of a selector: the gateways of the Gateway API whose proxies have the policy. */
export const targetRefs = optional(list(TargetRef, { max: 16 }), 'Gateways of the Gateway API, in place of selector.');

/** Istio's older word for one. */
export const LEGACY_TARGET = { targetRef: optional(TargetRef, 'targetRefs[0]') };

interface Targeted {
  selector?: unknown;
  targetRefs?: TargetRef[];
}

export function foldTarget(value: Targeted, { targetRef }: { targetRef?: TargetRef }): Refusal | undefined {
  if (targetRef !== undefined) value.targetRefs ??= [targetRef];
  if (value.targetRefs === undefined || value.selector === undefined) return undefined;
  return new Refusal('must not be set beside selector', ['targetRefs']);
}
