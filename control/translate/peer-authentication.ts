// Which mode of mutual TLS holds on a workload's port: port over workload over namespace over mesh.
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { MutualTls } from '../model/peer-authentication.ts';
import { hasLabels, type Labels } from '../registry/workload.ts';
import type { MeshSettings } from './mesh-settings.ts';

export type PeerMode = 'DISABLE' | 'PERMISSIVE' | 'STRICT';

export interface PeerScope {
  readonly namespace: string;
  readonly labels: Labels;
}

/** Of several policies at one level the first holds (Istio: the oldest). PERMISSIVE in the end. */
export function peerMode(inventory: Inventory, settings: MeshSettings, scope: PeerScope, port: number): PeerMode {
  const { rootNamespace } = settings;
  const policies = inventory.list('PeerAuthentication');
  const whole = (namespace: string) => policies.find((policy) => policy.namespace === namespace && !selects(policy));
  const mesh = modeOf(whole(rootNamespace)?.body.spec?.mtls, 'PERMISSIVE');
  const namespaced = scope.namespace === rootNamespace ? mesh : modeOf(whole(scope.namespace)?.body.spec?.mtls, mesh);
  // As in Istio, a policy with a selector in the root namespace selects nothing.
  const own = scope.namespace === rootNamespace ? undefined : policies.find((policy) =>
    policy.namespace === scope.namespace && selects(policy) && hasLabels(scope.labels, selectorOf(policy)));
  const workload = modeOf(own?.body.spec?.mtls, namespaced);
  return modeOf(own?.body.spec?.portLevelMtls?.[String(port)], workload);
}

function selectorOf(policy: MeshObject<'PeerAuthentication'>): Labels {
  return new Map(Object.entries(policy.body.spec?.selector?.matchLabels ?? {}));
}

function selects(policy: MeshObject<'PeerAuthentication'>): boolean {
  return selectorOf(policy).size > 0;
}

function modeOf(mtls: MutualTls | undefined, inherited: PeerMode): PeerMode {
  return mtls?.mode === undefined || mtls.mode === 'UNSET' ? inherited : mtls.mode;
}
