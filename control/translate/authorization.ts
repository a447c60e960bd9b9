// The RBAC filters of a workload: AUDIT policies mark, then DENY, then ALLOW; dry runs are shadow rules.
import type { HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import type { NetworkFilter } from '../../proxy/config/listener.ts';
import type { Policy, RBAC, RbacRules } from '../../proxy/config/rbac.ts';
import { NETWORK_RBAC_TYPE, RBAC_TYPE } from '../../proxy/config/type-url.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { meshTrust } from './mesh-trust.ts';
import type { MeshView } from './mesh-view.ts';
import type { PeerScope } from './peer-authentication.ts';
import { isFor } from './policy-target.ts';
import { rbacPolicy } from './rbac-policy.ts';

type PolicyObject = MeshObject<'AuthorizationPolicy'>;
type Action = 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';

/** In Istio's order; CUSTOM policies are external-authorization.ts's. */
const ACTIONS: readonly Action[] = ['AUDIT', 'DENY', 'ALLOW'];

/** Rules of one action: what is enforced, and what is only tried. */
interface ActionRules extends Pick<RBAC, 'rules' | 'shadowRules' | 'shadowRulesStatPrefix'> {
  readonly action: Action;
}

/** Policies of the root namespace and of the workload's own that select it. */
export function policiesFor(view: MeshView, workload: PeerScope): PolicyObject[] {
  return view.inventory.list('AuthorizationPolicy').filter((policy) => isFor(view, policy, workload));
}

export function httpAuthorization(view: MeshView, workload: PeerScope): HttpFilter[] {
  return actionRules(view, workload, false).map(({ action, ...rules }) => ({
    // Names in a chain differ, since routes configure filters by name.
    name: `envoy.filters.http.rbac.${action.toLowerCase()}`,
    typedConfig: { '@type': RBAC_TYPE, ...rules, trackPerRuleStats: true },
  }));
}

export function networkAuthorization(view: MeshView, workload: PeerScope): NetworkFilter[] {
  return actionRules(view, workload, true).map(({ action, ...rules }) => ({
    name: `envoy.filters.network.rbac.${action.toLowerCase()}`,
    typedConfig: { '@type': NETWORK_RBAC_TYPE, statPrefix: 'tcp.', ...rules },
  }));
}

function actionRules(view: MeshView, workload: PeerScope, tcp: boolean): ActionRules[] {
  const policies = policiesFor(view, workload);
  return ACTIONS.flatMap((action) => {
    const ofAction = policies.filter((policy) => (policy.body.spec?.action ?? 'ALLOW') === action);
    const enforced = ofAction.filter((policy) => !isDryRun(policy));
    const dry = ofAction.filter(isDryRun);
    if (ofAction.length === 0) return [];
    return [{
      action,
      ...(enforced.length > 0 && { rules: rbacRules(view, enforced, action, tcp) }),
      ...(dry.length > 0 && {
        shadowRules: rbacRules(view, dry, action, tcp),
        shadowRulesStatPrefix: `istio_dry_run_${action.toLowerCase()}_`,
      }),
    }];
  });
}

/** Istio's annotation: evaluated, counted, never enforced. */
function isDryRun(policy: PolicyObject): boolean {
  return policy.annotations.get('istio.io/dry-run') === 'true';
}

/** `prefix` stands before the policies' names. */
export function rbacRules(
  view: MeshView, policies: readonly PolicyObject[], action: Action, tcp: boolean, prefix = '',
): RbacRules {
  const { names: trustDomains } = meshTrust(view);
  const byName: Record<string, Policy> = Object.create(null) as Record<string, Policy>;
  for (const policy of policies) {
    const base = `${prefix}ns[${policy.namespace}]-policy[${policy.name}]`;
    const rules = policy.body.spec?.rules ?? [];
    for (const [index, rule] of rules.entries()) {
      const made = rbacPolicy(rule, { namespace: policy.namespace, action, tcp, trustDomains });
      if (made !== undefined) byName[`${base}-rule[${index}]`] = made;
    }
    // Without rules nothing matches: an ALLOW allows nothing, a DENY denies nothing.
    if (rules.length === 0) byName[base] = NEVER;
  }
  return { action: RBAC_ACTIONS[action], policies: byName };
}

const RBAC_ACTIONS = { ALLOW: 'ALLOW', DENY: 'DENY', AUDIT: 'LOG', CUSTOM: 'DENY' } as const;

const NEVER: Policy = { permissions: [{ notRule: { any: true } }], principals: [{ notId: { any: true } }] };
