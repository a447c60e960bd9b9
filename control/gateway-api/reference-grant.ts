// Who may name an object of another namespace: what ReferenceGrants there allow.
import type { Inventory } from '../model/inventory.ts';
import type { Fault } from './condition.ts';

export interface Referrer {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
}

export interface Referent extends Referrer {
  readonly name: string;
}

export function mayRefer(inventory: Inventory, from: Referrer, to: Referent): boolean {
  if (from.namespace === to.namespace) return true;
  return inventory.list('ReferenceGrant').some(({ namespace, body: { spec } }) => namespace === to.namespace
    && spec.from.some((one) => one.group === from.group && one.kind === from.kind && one.namespace === from.namespace)
    && spec.to.some((one) => one.group === to.group && one.kind === to.kind
      && (one.name === undefined || one.name === to.name)));
}

export function notPermitted(from: Referrer, to: Referent): Fault {
  return {
    reason: 'RefNotPermitted',
    message: `no ReferenceGrant in namespace ${to.namespace} lets ${from.kind} of ${from.namespace} name ${to.kind} ${
      to.name}`,
  };
}
