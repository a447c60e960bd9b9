// Whether a policy is for a workload: by its labels, or as a proxy of a Gateway that the policy names.
import type { MeshObject } from '../model/mesh-object.ts';
import { hasLabels } from '../registry/workload.ts';
import { gatewaysAt } from './gateway-api/gateway-proxy.ts';
import type { MeshView } from './mesh-view.ts';
import type { PeerScope } from './peer-authentication.ts';

export type TargetedPolicy = MeshObject<'AuthorizationPolicy' | 'RequestAuthentication' | 'Telemetry'>;

/** Of the root namespace's and the workload's own policies, those that select it. */
export function isFor(view: MeshView, policy: TargetedPolicy, workload: PeerScope): boolean {
  const { rootNamespace } = view.settings;
  if (policy.namespace !== rootNamespace && policy.namespace !== workload.namespace) return false;
  return isTargeted(policy) ? isTarget(view, policy, workload) : hasLabels(workload.labels, selectorOf(policy));
}

/** It names Gateways, and is for nobody else. */
export function isTargeted({ body }: TargetedPolicy): boolean {
  return body.spec?.targetRefs !== undefined;
}

export function selectorOf({ body }: TargetedPolicy): ReadonlyMap<string, string> {
  return new Map(Object.entries(body.spec?.selector?.matchLabels ?? {}));
}

/** A GatewayClass is named in the root namespace, a Gateway in its own. */
function isTarget(view: MeshView, policy: TargetedPolicy, workload: PeerScope): boolean {
  const refs = policy.body.spec?.targetRefs ?? [];
  const isRoot = policy.namespace === view.settings.rootNamespace;
  return gatewaysAt(view, workload).some((gateway) => refs.some(({ kind, name }) => (kind === 'Gateway'
    ? gateway.namespace === policy.namespace && gateway.name === name
    : isRoot && gateway.body.spec.gatewayClassName === name)));
}
