// Which namespaces the mesh is in: those that are named, or those whose labels MeshConfig.discoverySelectors select.
import { decode } from '../../proxy/config/decode.ts';
import { LabelSelector, selects } from '../model/label-selector.ts';
import { discoverySelectors } from './kube-mesh-config.ts';
import type { KubeDocument } from './kube-document.ts';

export class NamespaceSelection {
  readonly #named: ReadonlySet<string> | undefined;
  readonly #rootNamespace: string;
  #selectors: readonly LabelSelector[] = [];
  readonly #labels = new Map<string, ReadonlyMap<string, string>>();

  /** `named` are all that are looked at; the root namespace is always among them: its policies hold everywhere. */
  constructor(rootNamespace: string, named: readonly string[] = []) {
    this.#rootNamespace = rootNamespace;
    this.#named = named.length === 0 ? undefined : new Set([rootNamespace, ...named]);
  }

  /** Each is watched by itself, so that rights in these alone will do; undefined: all at once. */
  get named(): readonly string[] | undefined {
    return this.#named === undefined ? undefined : [...this.#named];
  }

  has(namespace: string): boolean {
    if (namespace === this.#rootNamespace) return true;
    if (this.#named !== undefined) return this.#named.has(namespace);
    if (this.#selectors.length === 0) return true;
    const labels = this.#labels.get(namespace);
    return labels !== undefined && this.#selectors.some((selector) => selects(selector, labels));
  }

  /** Takes the selectors of the ConfigMap `istio`; gives what is wrong with them: they are left as they were then. */
  select(configMap: KubeDocument | undefined): string | undefined {
    const selectors: LabelSelector[] = [];
    for (const input of configMap === undefined ? [] : discoverySelectors(configMap)) {
      const { value, errors } = decode(LabelSelector, input, 'discoverySelectors');
      if (value === undefined) return errors[0]!.message;
      selectors.push(value);
    }
    this.#selectors = selectors;
    return undefined;
  }

  learn(name: string, labels: Readonly<Record<string, string>> | undefined): void {
    if (labels === undefined) this.#labels.delete(name);
    else this.#labels.set(name, new Map(Object.entries(labels)));
  }

  /** Those that are known and selected, as text to compare. */
  state(): string {
    return JSON.stringify([this.#selectors, [...this.#labels.keys()].filter((name) => this.has(name)).sort()]);
  }
}
