// What is wrong with a folder of configuration, without any proxy or control plane: `weft analyze`.
import { decodeObjects, duplicate } from '../model/decode-object.ts';
import { Inventory } from '../model/inventory.ts';
import { titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { atOnce } from '../model/steps.ts';
import { checkReferences } from '../registry/reference-check.ts';
import { claimFinding, foreignClaims } from '../registry/host-ownership.ts';
import { Registry } from '../registry/registry.ts';
import { readStable, scanFolder } from '../source/file-scan.ts';
import { MESH_DEFAULTS, type MeshSettings } from '../translate/mesh-settings.ts';
import type { MeshView } from '../translate/mesh-view.ts';
import { unreachableConnections } from './connection-reach.ts';
import { credentialFindings } from './credential-use.ts';
import { delegateFindings } from './delegate-use.ts';
import { destinationRuleFindings } from './destination-rule-use.ts';
import { gatewayApiFindings } from './gateway-api-use.ts';
import { gatewayFindings } from './gateway-use.ts';
import { loginFindings } from './login-use.ts';
import { networkPolicyFindings, shutOutFindings } from './network-policy-use.ts';
import { peerAuthenticationFindings } from './peer-authentication-use.ts';
import { portFindings } from './port-use.ts';
import { unreachableRules } from './route-reach.ts';
import { selectorFindings } from './selector-use.ts';
import { sidecarFindings } from './sidecar-use.ts';

export interface Analysis {
  readonly files: number;
  readonly objects: number;
  /** By place; each once. */
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** Rejects where there is no such folder, or nothing to read. */
export async function analyzeFolder(folder: string, settings: MeshSettings = MESH_DEFAULTS): Promise<Analysis> {
  const { files } = await scanFolder(folder);
  const read = new Reading();
  for (const seen of files) {
    const content = await readStable(folder, seen);
    if (content === undefined) continue;
    read.errors.push(...content.text.errors.map(({ where = seen.file, path, reason }) => (
      { where: where.replace(/^(.*:[0-9]+):[0-9]+$/, '$1'), object: '', path, reason })));
    read.take(decodeObjects(content.text.documents, seen.file));
  }
  const inventory = new Inventory(read.objects);
  const view = { inventory, registry: new Registry(inventory, settings.domain), settings };
  const findings = [...read.warnings, ...analyze(view)];
  return {
    files: files.length,
    objects: inventory.size,
    errors: ordered([...read.errors, ...findings.filter(({ level }) => level === 'error')]),
    warnings: ordered(findings.filter(({ level }) => level !== 'error')),
  };
}

/** Everything but what decoding says. */
export function analyze(view: MeshView): Finding[] {
  const { inventory, registry, settings } = view;
  return [
    ...registry.findings,
    ...atOnce(checkReferences(inventory, registry, settings.rootNamespace)),
    ...inventory.list('VirtualService').flatMap(unreachableRules),
    ...inventory.list('VirtualService').flatMap(unreachableConnections),
    ...portFindings(view),
    ...delegateFindings(view),
    ...gatewayFindings(view),
    ...gatewayApiFindings(view),
    ...loginFindings(view),
    ...credentialFindings(view),
    ...destinationRuleFindings(view),
    ...selectorFindings(view),
    ...sidecarFindings(view),
    ...networkPolicyFindings(view),
    ...peerAuthenticationFindings(view),
    ...shutOutFindings(view),
    ...foreignClaims(inventory, settings).map((claim) => claimFinding(claim, settings.strictHosts === true)),
  ];
}

/** The objects of all files; those beside a bad one too, so that one fault does not bring others with it. */
class Reading {
  readonly objects: MeshObject[] = [];
  readonly errors: Finding[] = [];
  readonly warnings: Finding[] = [];
  readonly #byTitle = new Map<string, MeshObject>();

  take({ objects, errors, warnings }: ReturnType<typeof decodeObjects>): void {
    this.errors.push(...errors);
    this.warnings.push(...warnings);
    const own = new Set<string>();
    for (const object of objects) {
      const title = titleOf(object);
      const twin = this.#byTitle.get(title);
      // Twins within one file are an error of its own already.
      if (twin !== undefined && !own.has(title)) this.errors.push(duplicate(object, twin));
      own.add(title);
      if (twin === undefined) this.#byTitle.set(title, object);
      this.objects.push(object);
    }
  }
}

function ordered(findings: readonly Finding[]): Finding[] {
  const keyed = findings.map((finding) => {
    const [, file = finding.where, line = '0'] = /^(.*):([0-9]+)$/.exec(finding.where) ?? [];
    return { finding, file, line: Number(line) };
  });
  keyed.sort((one, other) => (one.file === other.file ? one.line - other.line : one.file < other.file ? -1 : 1));
  const unique = new Map(keyed.map(({ finding }) => [JSON.stringify(finding), finding]));
  return [...unique.values()];
}
