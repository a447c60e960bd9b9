// Status of Gateways and ListenerSets: their listeners, what is attached to them, and where they are.
import { GATEWAY_GROUP } from '../model/gateway-api/reference.ts';
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { routesAt, type Attachments } from './attachment.ts';
import { keyPair } from './certificate.ts';
import {
  condition, generation, type Condition, type Fault, type ObjectStatus, type PlacedCondition,
} from './condition.ts';
import { addressesOf, type GatewayAddress } from './gateway-place.ts';
import {
  isAllowed, isProgrammed, parentOf, type GatewayListener, type GatewayObject, type ListenerOwner,
} from './listener.ts';

export function gatewayStatus(
  inventory: Inventory, domain: string, found: Attachments, gateway: GatewayObject,
): ObjectStatus {
  const all = found.listeners.get(gateway) ?? [];
  const own = all.filter(({ owner }) => owner === gateway);
  const addresses = addressesOf(inventory, domain, gateway);
  const { listeners, conditions: ofListeners } = listenerStatuses(found, own);
  const conditions = gatewayConditions(inventory, gateway, own, addresses);
  const sets = new Set(all.filter((one) => one.owner !== gateway && isProgrammed(one)).map(({ owner }) => owner));
  return {
    object: gateway,
    status: { addresses, conditions, listeners, ...(sets.size > 0 && { attachedListenerSets: sets.size }) },
    conditions: [...conditions.map((one) => ({ path: ['spec'], condition: one })), ...ofListeners],
  };
}

function gatewayConditions(
  inventory: Inventory, gateway: GatewayObject, own: readonly GatewayListener[], addresses: readonly GatewayAddress[],
): Condition[] {
  const fault = gatewayFault(gateway);
  const bad = own.filter((one) => !isProgrammed(one));
  const message = `${bad.map(({ listener: { name } }) => name).join(', ')}: see the listeners' own conditions`;
  const invalid: Fault | undefined = bad.length === 0 ? undefined : { reason: 'ListenersNotValid', message };
  const isNone = bad.length === own.length;
  const accepted = fault ?? (isNone ? invalid : undefined);
  const unassigned: Fault | undefined = addresses.length > 0 ? undefined
    : { reason: 'AddressNotAssigned', message: 'no Service and no pod of it has an address' };
  const programmed = accepted === undefined ? unassigned : { reason: 'Invalid', message: accepted.message };
  const client = clientCertificateFault(inventory, gateway);
  const isLenient = own.some(({ clients }) => clients?.mode === 'AllowInsecureFallback');
  return [
    condition(gateway, 'Accepted', accepted, invalid === undefined ? 'Accepted' : invalid.reason,
      invalid === undefined ? '' : invalid.message),
    condition(gateway, 'Programmed', programmed),
    ...(gateway.body.spec.tls?.backend === undefined ? [] : [condition(gateway, 'ResolvedRefs', client)]),
    ...(isLenient ? [{
      type: 'InsecureFrontendValidationMode', status: 'True', reason: 'ConfigurationChanged',
      message: 'clients need no certificate, and are asked for none', ...generation(gateway),
    } as const] : []),
  ];
}

function gatewayFault({ body }: GatewayObject): Fault | undefined {
  const { infrastructure, addresses = [] } = body.spec;
  if (infrastructure?.parametersRef !== undefined) {
    const { kind } = infrastructure.parametersRef;
    return { reason: 'InvalidParameters', message: `infrastructure.parametersRef: no kind ${kind} is known` };
  }
  const odd = addresses.find(({ type = 'IPAddress' }) => type !== 'IPAddress' && type !== 'Hostname');
  return odd === undefined ? undefined
    : { reason: 'UnsupportedAddress', message: `addresses of type ${odd.type ?? ''} are not known` };
}

function clientCertificateFault(inventory: Inventory, gateway: GatewayObject): Fault | undefined {
  const ref = gateway.body.spec.tls?.backend?.clientCertificateRef;
  const found = ref === undefined ? undefined
    : keyPair(inventory, gateway, 'Gateway', ref, 'InvalidClientCertificateRef');
  return found !== undefined && 'reason' in found ? found : undefined;
}

/** Undefined for one of a Gateway that is not this controller's. */
export function listenerSetStatus(
  inventory: Inventory, found: Attachments, set: MeshObject<'ListenerSet'>,
): ObjectStatus | undefined {
  const gateway = parentOf(inventory, set);
  if (gateway === undefined) return undefined;
  const own = (found.listeners.get(gateway) ?? []).filter(({ owner }) => owner === set);
  const denied: Fault | undefined = isAllowed(inventory, set, gateway) ? undefined
    : { reason: 'NotAllowed', message: `Gateway ${gateway.namespace}/${gateway.name} takes no listeners from here` };
  const bad = own.filter((one) => !isProgrammed(one)).map(({ listener: { name } }) => name);
  const invalid: Fault | undefined = bad.length === 0 ? undefined
    : { reason: 'ListenersNotValid', message: `${bad.join(', ')}: see the listeners' own conditions` };
  const isNone = bad.length === own.length;
  const accepted = denied ?? (isNone ? invalid : undefined);
  const reason = invalid?.reason ?? 'Accepted';
  const conditions = [
    condition(set, 'Accepted', accepted, reason, invalid?.message),
    condition(set, 'Programmed', accepted),
  ];
  const { listeners, conditions: ofListeners } = listenerStatuses(found, own);
  return {
    object: set,
    status: { conditions, ...(denied === undefined && { listeners }) },
    conditions: [...conditions.map((one) => ({ path: ['spec', 'parentRef'], condition: one })), ...ofListeners],
  };
}

function listenerStatuses(
  found: Attachments, own: readonly GatewayListener[],
): { readonly listeners: object[]; readonly conditions: PlacedCondition[] } {
  const made = own.map((one) => ({ one, conditions: listenerConditions(one) }));
  return {
    listeners: made.map(({ one, conditions }) => ({
      name: one.listener.name,
      supportedKinds: one.kinds.map((kind) => ({ group: GATEWAY_GROUP, kind })),
      attachedRoutes: routesAt(found, one).length,
      conditions,
    })),
    conditions: made.flatMap(({ one, conditions }) => conditions.map((condition) => (
      { path: ['spec', 'listeners', one.index], condition }))),
  };
}

function listenerConditions(one: GatewayListener): Condition[] {
  const { owner, unaccepted, conflict, unresolved } = one;
  const object: ListenerOwner = owner;
  const because = unaccepted ?? conflict ?? unresolved;
  const invalid: Fault | undefined = isProgrammed(one) ? undefined
    : { reason: conflict?.reason ?? 'Invalid', message: because?.message ?? '' };
  return [
    condition(object, 'Accepted', unaccepted ?? conflict),
    {
      type: 'Conflicted', status: conflict === undefined ? 'False' : 'True', reason: conflict?.reason ?? 'NoConflicts',
      message: conflict?.message ?? '', ...generation(object),
    },
    condition(object, 'ResolvedRefs', unresolved),
    condition(object, 'Programmed', invalid),
  ];
}
