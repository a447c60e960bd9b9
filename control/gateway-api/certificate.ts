// Certificates and roots that Gateway API objects name: whether they are there, may be named, and are what they should.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { GATEWAY_GROUP, type ObjectRef, type SecretRef } from '../model/gateway-api/reference.ts';
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { Fault } from './condition.ts';
import { mayRefer, notPermitted } from './reference-grant.ts';

/** A certificate with its key, as PEM. */
export interface KeyPair {
  readonly namespace: string;
  readonly name: string;
  readonly chain: string;
  readonly key: string;
}

/** Of one Secret that `owner` names. */
export function keyPair(
  inventory: Inventory, owner: MeshObject, kind: string, ref: SecretRef, invalid = 'InvalidCertificateRef',
): KeyPair | Fault {
  const { group = '', kind: named = 'Secret', name, namespace = owner.namespace } = ref;
  if (group !== '' || named !== 'Secret') {
    return { reason: invalid, message: `${named} ${name} is not a Secret` };
  }
  const from = { group: GATEWAY_GROUP, kind, namespace: owner.namespace };
  const to = { group: '', kind: 'Secret', namespace, name };
  if (!mayRefer(inventory, from, to)) return notPermitted(from, to);
  const { data, stringData } = inventory.get('Secret', namespace, name)?.body ?? {};
  const { 'tls.crt': chain, 'tls.key': key } = { ...data, ...stringData };
  if (chain === undefined || key === undefined) {
    return { reason: invalid, message: `no Secret ${namespace}/${name} has tls.crt and tls.key` };
  }
  return isPair(chain, key) ? { namespace, name, chain, key }
    : { reason: invalid, message: `Secret ${namespace}/${name} holds no certificate with its key` };
}

/** What is in a Secret is not shown, whatever is wrong with it. */
function isPair(chain: string, key: string): boolean {
  try {
    return new X509Certificate(chain).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

export interface RootReasons {
  readonly kind: string;
  readonly missing: string;
}

/** Roots of all refs that hold some, as PEM, and what is wrong with the others. */
export function rootsOfRefs(
  inventory: Inventory, owner: MeshObject, kind: string, refs: readonly ObjectRef[], reasons: RootReasons,
): { readonly roots: string; readonly faults: readonly Fault[] } {
  const found = refs.map((ref) => rootsAt(inventory, owner, kind, ref, reasons));
  return {
    roots: found.filter((one) => typeof one === 'string').join('\n'),
    faults: found.filter((one) => typeof one !== 'string'),
  };
}

function rootsAt(
  inventory: Inventory, owner: MeshObject, kind: string, ref: ObjectRef, reasons: RootReasons,
): string | Fault {
  const { group, kind: named, name, namespace = owner.namespace } = ref;
  if (group !== '' || (named !== 'ConfigMap' && named !== 'Secret')) {
    return { reason: reasons.kind, message: `${named} ${name} is neither a ConfigMap nor a Secret` };
  }
  const from = { group: GATEWAY_GROUP, kind, namespace: owner.namespace };
  const to = { group: '', kind: named, namespace, name };
  if (!mayRefer(inventory, from, to)) return notPermitted(from, to);
  const body = inventory.get(named, namespace, name)?.body;
  const { 'ca.crt': roots } = { ...body?.data, ...(body !== undefined && 'stringData' in body && body.stringData) };
  if (roots === undefined) return { reason: reasons.missing, message: `no ${named} ${namespace}/${name} has ca.crt` };
  return isCertificate(roots) ? roots
    : { reason: reasons.missing, message: `ca.crt of ${named} ${namespace}/${name} holds no certificate` };
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
