// Status of BackendTLSPolicies: for each Gateway with a route to the Service, and for the Service where there is none.
import { GATEWAY_GROUP } from '../model/gateway-api/reference.ts';
import type { Inventory } from '../model/inventory.ts';
import type { Attachments } from './attachment.ts';
import { backendTlsPolicies, serviceTargets, type BackendTls } from './backend-tls.ts';
import { backendsOf } from './backend.ts';
import { condition, type Condition, type Fault, type ObjectStatus } from './condition.ts';
import { CONTROLLER_NAME } from './gateway-class.ts';

/** Kubernetes' ceiling. */
const ANCESTORS_MAX = 16;

export function policyStatuses(inventory: Inventory, found: Attachments): ObjectStatus[] {
  return inventory.derived(backendTlsPolicies).all.map((one) => {
    const conditions = policyConditions(inventory, one);
    const ancestors = ancestorsOf(inventory, found, one).slice(0, ANCESTORS_MAX);
    return {
      object: one.policy,
      status: {
        ancestors: ancestors.map((ancestorRef) => ({ ancestorRef, controllerName: CONTROLLER_NAME, conditions })),
      },
      conditions: conditions.map((made) => ({ path: ['spec', 'validation'], condition: made })),
    };
  });
}

function policyConditions(inventory: Inventory, { policy, conflict, invalid, unresolved }: BackendTls): Condition[] {
  const targets = serviceTargets(policy);
  const isThere = targets.some(({ service }) => {
    const [namespace = '', name = ''] = service.split('/');
    return inventory.get('Service', namespace, name) !== undefined;
  });
  const lost: Fault | undefined = isThere ? undefined
    : { reason: 'TargetNotFound', message: 'no targetRef is a Service of its namespace' };
  return [
    condition(policy, 'Accepted', lost ?? conflict ?? invalid),
    condition(policy, 'ResolvedRefs', unresolved),
  ];
}

/** Gateways whose routes lead to one of its Services; the Services themselves where none does. */
function ancestorsOf(inventory: Inventory, { routes }: Attachments, { policy }: BackendTls): object[] {
  const services = new Set(serviceTargets(policy).map(({ service }) => service));
  const gateways = new Set(routes.filter(({ route }) =>
    backendsOf(inventory, route).some(({ namespace, name }) => services.has(`${namespace}/${name}`)))
    .flatMap(({ parents }) => parents.flatMap(({ attached }) => attached.map(({ listener }) => listener.gateway))));
  if (gateways.size > 0) {
    return [...gateways].map(({ namespace, name }) => ({ group: GATEWAY_GROUP, kind: 'Gateway', namespace, name }));
  }
  return [...services].map((service) => {
    const [namespace = '', name = ''] = service.split('/');
    return { group: '', kind: 'Service', namespace, name };
  });
}
