// Whom the mesh believes: its own trust domain, that domain's other names, and foreign ones with roots of their own.
import type { SdsSecretConfig, Secret } from '../../proxy/config/tls.ts';
import { SPIFFE_VALIDATOR_TYPE } from '../../proxy/config/type-url.ts';
import type { Inventory } from '../model/inventory.ts';
import type { MeshConfigSpec } from '../model/mesh-config.ts';
import type { MeshView } from './mesh-view.ts';
import { ROOT_SECRET } from './resource-name.ts';
import { ads, sds } from './secret-source.ts';

/** SDS name of the bundles by trust domain, which the control plane gives; they are nobody's secret. */
const BUNDLES = 'weft://trust-bundles';

type View = Pick<MeshView, 'inventory' | 'settings'>;

/** What the TLS contexts of the mesh say of peers. */
export interface MeshTrust {
  /** Trust domains whose workloads are let in; the own one is the first. */
  readonly domains: readonly string[];
  /** The own one and its aliases: one identity in all of them is one identity. */
  readonly names: readonly string[];
  /** Where the roots come from. */
  readonly roots: SdsSecretConfig;
}

export function meshTrust(view: View): MeshTrust {
  const config = meshConfig(view);
  const names = namesOf(view, config);
  const foreign = (config.caCertificates ?? []).flatMap(({ trustDomains = [] }) => trustDomains);
  const roots = isFederated(config) ? ads(BUNDLES) : sds(ROOT_SECRET);
  return { domains: [...new Set([...names, ...foreign])], names, roots };
}

/** The bundles, where roots are given for trust domains; else each proxy's own agent has the roots. */
export function trustSecrets(view: View): Secret[] {
  const config = meshConfig(view);
  if (!isFederated(config)) return [];
  const trustDomains = [...bundles(view, config)].map(([name, pems]) => (
    { name, trustBundle: { inlineString: pems.join('') } }
  ));
  const typedConfig = { '@type': SPIFFE_VALIDATOR_TYPE, trustDomains } as const;
  return [{
    name: BUNDLES,
    validationContext: { customValidatorConfig: { name: 'envoy.tls.cert_validator.spiffe', typedConfig } },
  }];
}

/** Whether a secret is none, and goes to proxies that have not shown who they are as well. */
export function isForEverybody({ name }: Secret): boolean {
  return name === BUNDLES;
}

/** An alias without roots of its own has the authority's: the mesh was renamed. One that has some has them alone. */
function bundles({ settings, inventory }: View, config: MeshConfigSpec): Map<string, string[]> {
  const byDomain = new Map<string, string[]>([[settings.trustDomain, [settings.roots()]]]);
  for (const { pem, trustDomains = [] } of config.caCertificates ?? []) {
    for (const domain of trustDomains) byDomain.set(domain, [...byDomain.get(domain) ?? [], lineEnded(pem)]);
  }
  const shared = (config.caCertificates ?? []).filter(({ trustDomains = [] }) => trustDomains.length === 0);
  for (const domain of namesOf({ settings, inventory }, config)) {
    const own = byDomain.get(domain) ?? [settings.roots()];
    byDomain.set(domain, [...own, ...shared.map(({ pem }) => lineEnded(pem))]);
  }
  return byDomain;
}

function lineEnded(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`;
}

function isFederated({ caCertificates = [] }: MeshConfigSpec): boolean {
  return caCertificates.length > 0;
}

function namesOf({ settings }: View, { trustDomainAliases = [] }: MeshConfigSpec): string[] {
  return [...new Set([settings.trustDomain, ...trustDomainAliases])];
}

/** The mesh's own settings; {} without any. */
export function meshConfig({ inventory, settings }: View): MeshConfigSpec {
  return inventory.derived(meshConfigs).get(settings.rootNamespace) ?? {};
}

/** The oldest of each namespace. */
function meshConfigs(inventory: Inventory): Map<string, MeshConfigSpec> {
  return new Map(inventory.list('MeshConfig').toReversed().map(({ namespace, body }) => [namespace, body.spec ?? {}]));
}

/**
 * A principal of a policy (`cluster.local/ns/a/sa/b`) with each name of the trust domain that it is written with, as in
 * Istio: `cluster.local` always stands for the own one; a pattern that names no trust domain in full stays as it is.
 */
export function principalNames(principal: string, names: readonly string[]): string[] {
  const [domain = '', ...rest] = principal.split('/');
  if (rest.length !== 4) return [principal];
  const matches = (name: string): boolean => (
    domain.startsWith('*') ? name.endsWith(domain.slice(1)) : name === domain
  );
  if (domain !== 'cluster.local' && !names.some(matches)) return [principal];
  const all = names.map((name) => (matches(name) ? principal : [name, ...rest].join('/')));
  return [...new Set(all)];
}
