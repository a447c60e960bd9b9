// Whose hosts rules claim: a host is its namespace's, and who else takes its traffic over needs a grant (S101).
import { mayRefer } from '../gateway-api/reference-grant.ts';
import type { Inventory } from '../model/inventory.ts';
import { findingAt, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { hostMatches, isWildcard, resolveHost } from './hostname.ts';
import { exportedNamespaces } from './service.ts';

/** Kinds that say what becomes of a host's traffic. */
type Claim = MeshObject<'VirtualService'> | MeshObject<'DestinationRule'> | MeshObject<'ServiceEntry'>;

export interface OwnershipSettings {
  readonly domain: string;
  /** May claim every host. */
  readonly rootNamespace: string;
}

/** A claim to a host of another namespace that no ReferenceGrant there allows. */
export interface ForeignClaim {
  readonly object: Claim;
  /** Of the object's field that names the host. */
  readonly path: readonly (string | number)[];
  readonly host: string;
  readonly owner: string;
}

/**
 * Claims that reach callers of other namespaces. What is exported to its own namespace alone is that namespace's
 * business, as consumers' rules are in Istio; what is bound to gateways alone is theirs (`hosts: namespace/host`).
 */
export function foreignClaims(inventory: Inventory, settings: OwnershipSettings): ForeignClaim[] {
  const owners = ownersOf(inventory);
  return claimsOf(inventory).flatMap(({ object, hosts }) => {
    const reach = exportedNamespaces(object.body.spec.exportTo, object.namespace);
    const isOwn = reach !== undefined && reach.size <= 1 && reach.isSubsetOf(new Set([object.namespace]));
    if (isOwn || object.namespace === settings.rootNamespace) return [];
    return hosts.flatMap(({ path, host: written }) => {
      const host = resolveHost(written, object.namespace, settings.domain);
      const owner = foreignOwner(inventory, object, host, owners, settings.domain);
      return owner === undefined ? [] : [{ object, path, host, owner }];
    });
  });
}

/** `isStrict`: the object has no effect; otherwise it is only easily missed. */
export function claimFinding({ object, path, host, owner }: ForeignClaim, isStrict: boolean): Finding {
  const advice = `export it to '.' alone, or have a ReferenceGrant in ${owner} name ${object.kind} of ${
    object.namespace} and the Service`;
  return isStrict ? {
    ...findingAt(object, path, `has no effect: ${host} is namespace ${owner}'s; ${advice}`), level: 'error',
  } : findingAt(object, path,
    `takes over ${host}, which is namespace ${owner}'s, for callers of other namespaces too; ${advice}`);
}

interface HostClaims {
  readonly object: Claim;
  readonly hosts: readonly { readonly path: readonly (string | number)[]; readonly host: string }[];
}

function claimsOf(inventory: Inventory): HostClaims[] {
  const listed = (object: MeshObject<'VirtualService'> | MeshObject<'ServiceEntry'>): HostClaims => ({
    object, hosts: (object.body.spec.hosts ?? []).map((host, at) => ({ path: ['spec', 'hosts', at], host })),
  });
  return [
    ...inventory.list('VirtualService').filter(({ body }) => (body.spec.gateways ?? ['mesh']).includes('mesh'))
      .map(listed),
    ...inventory.list('DestinationRule').map((object) => (
      { object, hosts: [{ path: ['spec', 'host'], host: object.body.spec.host }] })),
    ...inventory.list('ServiceEntry').map(listed),
  ];
}

/** Of hosts that are no Services': the namespace of the first ServiceEntry, which is the oldest. */
function ownersOf(inventory: Inventory): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  for (const { namespace, body } of inventory.list('ServiceEntry')) {
    for (const host of body.spec.hosts) if (!owners.has(host)) owners.set(host, namespace);
  }
  return owners;
}

/** Undefined where the host is the object's own, nobody's, or granted. */
function foreignOwner(
  inventory: Inventory, object: Claim, host: string, owners: ReadonlyMap<string, string>, domain: string,
): string | undefined {
  const { kind, namespace } = object;
  const from = { group: 'networking.istio.io', kind, namespace };
  const named = serviceOf(host, domain);
  if (named !== undefined) {
    const to = { group: '', kind: 'Service', ...named };
    return mayRefer(inventory, from, to) ? undefined : named.namespace;
  }
  if (!isWildcard(host)) {
    const owner = owners.get(host);
    const to = { group: 'networking.istio.io', kind: 'ServiceEntry', namespace: owner ?? '', name: host };
    return owner === undefined || mayRefer(inventory, from, to) ? undefined : owner;
  }
  // A pattern over hosts of others is theirs in part.
  if (kind === 'ServiceEntry' && !hostMatches(host, `x.x.svc.${domain}`)) return undefined;
  const covered = inventory.list('Service').find((service) => service.namespace !== namespace
    && hostMatches(host, `${service.name}.${service.namespace}.svc.${domain}`));
  return covered?.namespace
    ?? owners.entries().find(([other, owner]) => owner !== namespace && hostMatches(host, other))?.[1];
}

/** `name.namespace.svc.domain`, whose name may be a star; whether or not there is such a Service. */
function serviceOf(host: string, domain: string): { name: string; namespace: string } | undefined {
  const suffix = `.svc.${domain}`;
  if (!host.endsWith(suffix)) return undefined;
  const labels = host.slice(0, -suffix.length).split('.');
  const namespace = labels.at(-1) ?? '';
  return labels.length < 2 || isWildcard(namespace) ? undefined : { name: labels.slice(0, -1).join('.'), namespace };
}
