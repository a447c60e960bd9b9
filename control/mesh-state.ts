// The mesh as it is now: the source's objects, the services that they make, what is odd about them, and the translator.
import { delegateFindings } from './analysis/delegate-use.ts';
import { gatewayApiFindings } from './analysis/gateway-api-use.ts';
import { istioStatuses } from './analysis/istio-status.ts';
import { networkPolicyFindings } from './analysis/network-policy-use.ts';
import type { ObjectStatus } from './gateway-api/condition.ts';
import { gatewayApiStatuses } from './gateway-api/status.ts';
import type { FetchedKeySets } from './keys/key-sets.ts';
import { Inventory } from './model/inventory.ts';
import type { KindName } from './model/kind.ts';
import { findingText, type Finding } from './model/mesh-object.ts';
import { checkReferences } from './registry/reference-check.ts';
import { Registry } from './registry/registry.ts';
import type { SourceState } from './source/source.ts';
import type { WantedStatus } from './source/status-writer.ts';
import type { MeshSettings } from './translate/mesh-settings.ts';
import { rulesToFetch } from './translate/request-authentication.ts';
import { Translator } from './translate/proxy-resources.ts';

/** Where lines for people go. */
export interface ControlLog {
  info(line: string): void;
  warning(line: string): void;
}

/** What status shows of the configuration. */
export interface ConfigStatus {
  readonly source: string;
  readonly files: number;
  readonly objects: number;
  readonly warnings: readonly string[];
  /** What the Gateway API's objects are told of themselves; absent without any. */
  readonly gatewayApi?: readonly NamedStatus[];
}

/** Status of one object, as it stands in its status subresource but for the times. */
export interface NamedStatus {
  readonly kind: KindName;
  readonly namespace: string;
  readonly name: string;
  readonly status: Readonly<Record<string, unknown>>;
}

/** A file of which the last good content (`servedObjects`) is served instead. */
export interface RefusedFileStatus {
  readonly file: string;
  /** Unix time in milliseconds. */
  readonly sinceMs: number;
  /** `routes.yaml:12: VirtualService default/reviews spec.http[0]: …` */
  readonly errors: readonly string[];
  readonly servedObjects: number;
}

const WARNINGS_MAX = 1000;

export class MeshState {
  readonly #settings: MeshSettings;
  readonly #log: ControlLog;
  readonly #sourceName: string;
  readonly #keySets: FetchedKeySets | undefined;
  #source: SourceState = { objects: [], refused: [], warnings: [], units: 0 };
  #findings: readonly Finding[] = [];
  #inventory = new Inventory([]);
  #translator: Translator;
  /** Lines that were logged and still hold: each is said once. */
  #said = new Set<string>();

  /** `keySets` are told whose keys the configuration needs. */
  constructor(sourceName: string, settings: MeshSettings, log: ControlLog, keySets?: FetchedKeySets) {
    this.#keySets = keySets;
    this.#sourceName = sourceName;
    this.#settings = settings;
    this.#log = log;
    this.#translator = this.#rebuild();
  }

  get translator(): Translator {
    return this.#translator;
  }

  update(source: SourceState): void {
    const before = this.#source.refused;
    this.#source = source;
    this.rebuild();
    this.#say();
    const refused = new Set(source.refused.map(({ file }) => file));
    for (const { file } of before) if (!refused.has(file)) this.#log.info(`${file}: taken again, without fault`);
  }

  /** Settings or issuers' keys have changed: translations that were kept hold no more. */
  rebuild(): void {
    this.#translator = this.#rebuild();
  }

  status(): ConfigStatus {
    const { objects, units, warnings } = this.#source;
    const gatewayApi = this.objectStatuses().map(({ object: { kind, namespace, name }, status }) => (
      { kind, namespace, name, status }));
    return {
      source: this.#sourceName,
      files: units,
      objects: objects.length,
      warnings: [...warnings, ...this.#findings].slice(0, WARNINGS_MAX).map(findingText),
      ...(gatewayApi.length > 0 && { gatewayApi }),
    };
  }

  /** For whoever writes them to an API server. */
  objectStatuses(): ObjectStatus[] {
    return gatewayApiStatuses(this.#inventory, this.#settings.domain);
  }

  /** What objects should say of themselves, where there is an API server to write it to. */
  wantedStatuses(): WantedStatus[] {
    const findings = [...this.#source.warnings, ...this.#findings];
    return [...istioStatuses(this.#source, findings), ...this.objectStatuses()];
  }

  refusedFiles(): RefusedFileStatus[] {
    return this.#source.refused.map(({ errors, ...file }) => ({ ...file, errors: errors.map(findingText) }));
  }

  #rebuild(): Translator {
    const inventory = new Inventory(this.#source.objects);
    this.#inventory = inventory;
    const registry = new Registry(inventory, this.#settings.domain);
    const references = checkReferences(inventory, registry, this.#settings.rootNamespace);
    const keySets = this.#keySets;
    keySets?.watch(rulesToFetch(inventory));
    const view = { inventory, registry, settings: this.#settings, ...(keySets !== undefined && { keySets }) };
    this.#findings = [
      ...registry.findings, ...references, ...delegateFindings(view), ...gatewayApiFindings(view),
      ...networkPolicyFindings(view),
    ];
    return new Translator(view);
  }

  /** New refusals and warnings, each as one line. */
  #say(): void {
    const { refused, warnings } = this.#source;
    const lines = new Set([
      ...refused.flatMap(({ errors, servedObjects }) => errors.map((error) => `refused: ${findingText(error)}${
        servedObjects > 0 ? ` (the last good content is served: ${servedObjects} objects)` : ''}`)),
      ...[...warnings, ...this.#findings].slice(0, WARNINGS_MAX).map(findingText),
    ]);
    for (const line of lines) if (!this.#said.has(line)) this.#log.warning(line);
    this.#said = lines;
  }
}
