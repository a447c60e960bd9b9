// DestinationRules by namespace and host, so that a service finds its own among thousands.
import type { MeshObject } from '../model/mesh-object.ts';
import { hostMatches, isWildcard } from './hostname.ts';

type Rule = MeshObject<'DestinationRule'>;

/** Of one namespace; each in the order of the objects. */
interface Rules {
  readonly exact: Map<string, Rule[]>;
  readonly wildcards: (readonly [host: string, rule: Rule])[];
}

export class DestinationRules {
  readonly #byNamespace = new Map<string, Rules>();

  /** `hostOf` gives a rule's full host. */
  constructor(rules: readonly Rule[], hostOf: (rule: Rule) => string) {
    for (const rule of rules) {
      const { exact, wildcards } = this.#of(rule.namespace);
      const host = hostOf(rule);
      if (isWildcard(host)) {
        wildcards.push([host, rule]);
        continue;
      }
      const known = exact.get(host);
      if (known === undefined) exact.set(host, [rule]);
      else known.push(rule);
    }
  }

  /** Those of a namespace whose host is this one, then those whose wildcard covers it. */
  covering(namespace: string, hostname: string): Rule[] {
    const rules = this.#byNamespace.get(namespace);
    if (rules === undefined) return [];
    const wild = rules.wildcards.filter(([host]) => hostMatches(host, hostname)).map(([, rule]) => rule);
    return [...rules.exact.get(hostname) ?? [], ...wild];
  }

  /** Those of all namespaces. */
  coveringAnywhere(hostname: string): Rule[] {
    return [...this.#byNamespace.keys()].flatMap((namespace) => this.covering(namespace, hostname));
  }

  #of(namespace: string): Rules {
    let rules = this.#byNamespace.get(namespace);
    if (rules === undefined) this.#byNamespace.set(namespace, rules = { exact: new Map(), wildcards: [] });
    return rules;
  }
}
