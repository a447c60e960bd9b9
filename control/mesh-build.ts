// From the objects of a source to the mesh as translation reads it, in small steps; what is as it was is taken over.
import { delegateFindings } from './analysis/delegate-use.ts';
import { gatewayApiFindings } from './analysis/gateway-api-use.ts';
import { networkPolicyFindings } from './analysis/network-policy-use.ts';
import { Inventory } from './model/inventory.ts';
import type { KindName } from './model/kind.ts';
import type { Finding, MeshObject } from './model/mesh-object.ts';
import type { Steps } from './model/steps.ts';
import { SERVICE_LABEL } from './registry/endpoint-slice.ts';
import { claimFinding, foreignClaims, type ForeignClaim } from './registry/host-ownership.ts';
import { checkReferences } from './registry/reference-check.ts';
import { Registry } from './registry/registry.ts';
import type { SourceState } from './source/source.ts';
import type { MeshSettings } from './translate/mesh-settings.ts';
import type { KeySets, MeshView } from './translate/mesh-view.ts';

/** What one state of the source comes to. */
export interface BuiltMesh {
  readonly source: SourceState;
  readonly view: MeshView;
  /** What is odd about it. */
  readonly findings: readonly Finding[];
  /** Nothing has changed since the one before but where services are served: what leads to them holds. */
  readonly sameRules: boolean;
}

export interface BuildParts {
  readonly settings: MeshSettings;
  readonly keySets: KeySets | undefined;
}

/** Where services are served, and nothing else. */
const ENDPOINT_KINDS: ReadonlySet<KindName> = new Set(['Endpoints', 'EndpointSlice']);
const WORKLOAD_KINDS: ReadonlySet<KindName> = new Set([...ENDPOINT_KINDS, 'Pod']);

export function* buildMesh(
  source: SourceState, { settings, keySets }: BuildParts, before?: BuiltMesh,
): Steps<BuiltMesh> {
  const changed = before === undefined ? undefined : yield* changedObjects(before.source.objects, source.objects);
  const kinds = changed === undefined ? undefined : new Set(changed.map(({ kind }) => kind));
  const all = yield* Inventory.steps(source.objects, before?.view.inventory, kinds);
  const claims = settings.strictHosts === true ? foreignClaims(all, settings) : [];
  const inventory = claims.length === 0 ? all
    : yield* Inventory.steps(without(source.objects, claims), before?.view.inventory, kinds);
  const registry = yield* registryOf(inventory, settings.domain, changed, before?.view.registry);
  const view = { inventory, registry, settings, ...(keySets !== undefined && { keySets }) };
  const findings = [...claims.map((claim) => claimFinding(claim, true)), ...registry.findings];
  findings.push(...yield* checkReferences(inventory, registry, settings.rootNamespace));
  for (const check of [delegateFindings, gatewayApiFindings, networkPolicyFindings]) {
    findings.push(...check(view));
    yield;
  }
  return { source, view, findings, sameRules: kinds?.isSubsetOf(WORKLOAD_KINDS) === true };
}

function* registryOf(
  inventory: Inventory, domain: string, changed: readonly MeshObject[] | undefined, before: Registry | undefined,
): Steps<Registry> {
  if (before !== undefined && changed?.every(({ kind }) => ENDPOINT_KINDS.has(kind)) === true) {
    const registry = yield* Registry.withEndpoints(before, inventory, new Set(changed.map(ownerOf)));
    if (registry !== undefined) return registry;
  }
  return yield* Registry.steps(inventory, domain, before);
}

function without(objects: readonly MeshObject[], claims: readonly ForeignClaim[]): MeshObject[] {
  const foreign = new Set<MeshObject>(claims.map(({ object }) => object));
  return objects.filter((object) => !foreign.has(object));
}

/** The service whose endpoints an Endpoints or an EndpointSlice names. */
function ownerOf({ kind, namespace, name, labels }: MeshObject): string {
  return `${namespace}/${kind === 'Endpoints' ? name : labels.get(SERVICE_LABEL) ?? ''}`;
}

/** Those that came and those that went; sources keep an object that is as it was. */
function* changedObjects(before: readonly MeshObject[], after: readonly MeshObject[]): Steps<MeshObject[]> {
  const [old, now] = [new Set(before), new Set(after)];
  yield;
  return [...old.symmetricDifference(now)];
}
