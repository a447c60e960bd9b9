// BackendTLSPolicies: which one holds for a port of a Service, and why others do not.
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { rootsOfRefs } from './certificate.ts';
import type { Fault } from './condition.ts';
import { byAge } from './precedence.ts';

export type BackendTlsObject = MeshObject<'BackendTLSPolicy'>;

/** One policy, with what is wrong with it. */
export interface BackendTls {
  readonly policy: BackendTlsObject;
  /** PEM; undefined: the proxy's own. */
  readonly roots: string | undefined;
  /** It cannot be done: its backends get no requests. */
  readonly invalid: Fault | undefined;
  readonly unresolved: Fault | undefined;
  /** Another policy holds for the same ports. */
  readonly conflict: Fault | undefined;
}

/** By Service `namespace/name`, then by port name; '' is all ports. */
export type BackendTlsIndex = ReadonlyMap<string, ReadonlyMap<string, BackendTls>>;

export interface BackendTlsPolicies {
  readonly all: readonly BackendTls[];
  readonly byService: BackendTlsIndex;
}

/** For `Inventory.derived`. The oldest policy for a port holds; one that names the port goes before one for all. */
export function backendTlsPolicies(inventory: Inventory): BackendTlsPolicies {
  const byService = new Map<string, Map<string, BackendTls>>();
  const all = inventory.list('BackendTLSPolicy').toSorted(byAge).map((policy) => {
    const made = describe(inventory, policy);
    const places = serviceTargets(policy);
    const free = places.filter(({ service, port }) => byService.get(service)?.has(port) !== true);
    for (const { service, port } of free) {
      byService.set(service, (byService.get(service) ?? new Map<string, BackendTls>()).set(port, made));
    }
    if (places.length === 0 || free.length > 0) return made;
    return { ...made, conflict: { reason: 'Conflicted', message: 'an older policy is for the same ports' } };
  });
  return { all, byService };
}

/** What holds for a port. */
export function backendTlsFor(
  { byService }: BackendTlsPolicies, namespace: string, name: string, port: string,
): BackendTls | undefined {
  const ports = byService.get(`${namespace}/${name}`);
  return ports?.get(port) ?? ports?.get('');
}

/** Services are of the policy's own namespace. */
export function serviceTargets({ namespace, body }: BackendTlsObject): { service: string; port: string }[] {
  return body.spec.targetRefs.filter(({ group, kind }) => group === '' && kind === 'Service')
    .map(({ name, sectionName = '' }) => ({ service: `${namespace}/${name}`, port: sectionName }));
}

function describe(inventory: Inventory, policy: BackendTlsObject): BackendTls {
  const { caCertificateRefs = [], wellKnownCACertificates } = policy.body.spec.validation;
  const base = { policy, conflict: undefined };
  if (wellKnownCACertificates !== undefined) {
    const isKnown = wellKnownCACertificates === 'System';
    const message = `wellKnownCACertificates ${wellKnownCACertificates} is not known`;
    return {
      ...base, roots: undefined, unresolved: undefined, invalid: isKnown ? undefined : { reason: 'Invalid', message },
    };
  }
  const { roots, faults: [unresolved] } = rootsOfRefs(inventory, policy, 'BackendTLSPolicy', caCertificateRefs, {
    kind: 'InvalidKind', missing: 'InvalidCACertificateRef',
  });
  const none = { reason: 'NoValidCACertificate', message: 'no caCertificateRef has roots' };
  return { ...base, roots, unresolved, invalid: roots === '' ? none : undefined };
}
