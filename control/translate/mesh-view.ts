// All that translation reads, as one value: objects, services and settings of one moment.
import type { Inventory } from '../model/inventory.ts';
import type { JwtRule } from '../model/request-authentication.ts';
import type { Registry } from '../registry/registry.ts';
import type { AutoFamilies } from '../registry/service.ts';
import type { Labels } from '../registry/workload.ts';
import type { MeshSettings } from './mesh-settings.ts';

/** Fetched key sets of issuers. */
export interface KeySets {
  /** A JSON Web Key Set; undefined while none has come. */
  get(rule: Pick<JwtRule, 'issuer' | 'jwksUri'>): string | undefined;
}

export interface MeshView {
  readonly inventory: Inventory;
  readonly registry: Registry;
  readonly settings: MeshSettings;
  /** Without: no keys are fetched. */
  readonly keySets?: KeySets;
}

/** For whom something is translated: rules may depend on the caller's namespace and labels, and on what it can do. */
export interface Scope {
  readonly namespace: string;
  readonly labels: Labels;
  readonly isWeft: boolean;
  /** At the edge: a Sidecar has no bearing on it. */
  readonly isGateway?: boolean;
  /** Its connections are redirected to it, and it knows where they wanted to go. */
  readonly redirected?: boolean;
  /** Services without addresses have some, of these families; undefined: they have none. */
  readonly autoAddresses?: AutoFamilies | undefined;
  /** `region/zone/subzone` of the caller; absent or '' when unknown. */
  readonly locality?: string;
}
