// Which DestinationRules hold for a service as a caller sees it, and what they come to for one port and subset.
import type { Destination } from '../model/destination.ts';
import type { Subset } from '../model/destination-rule.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { TrafficPolicy } from '../model/traffic-policy.ts';
import { closestHost } from '../registry/hostname.ts';
import { exportedNamespaces, isVisible, type MeshService } from '../registry/service.ts';
import { hasLabels } from '../registry/workload.ts';
import type { MeshView, Scope } from './mesh-view.ts';

type Rule = MeshObject<'DestinationRule'>;

/** What holds for one port: the blocks of TrafficPolicy, with port-level settings already in their place. */
export type PortPolicy = Omit<TrafficPolicy, 'portLevelSettings'>;

/** A subset with the rule that declares it. */
export interface DeclaredSubset {
  readonly subset: Subset;
  readonly rule: Rule;
  readonly index: number;
}

export class DestinationPolicy {
  /** All of the same namespace and host; the first one's policy holds, subsets add up. */
  readonly rules: readonly Rule[];
  readonly subsets: ReadonlyMap<string, DeclaredSubset>;

  constructor(rules: readonly Rule[]) {
    this.rules = rules;
    const subsets = new Map<string, DeclaredSubset>();
    for (const rule of rules) {
      for (const [index, subset] of (rule.body.spec.subsets ?? []).entries()) {
        if (!subsets.has(subset.name)) subsets.set(subset.name, { subset, rule, index });
      }
    }
    this.subsets = subsets;
  }

  get #top(): TrafficPolicy | undefined {
    return this.rules.find((rule) => rule.body.spec.trafficPolicy !== undefined)?.body.spec.trafficPolicy;
  }

  /** A subset overrides block by block; a port's settings replace all blocks of their level. */
  forPort(port: number, subset?: Subset): PortPolicy {
    return merge(merge({}, this.#top, port), subset?.trafficPolicy, port);
  }
}

function merge(base: PortPolicy, over: TrafficPolicy | undefined, port: number): PortPolicy {
  if (over === undefined) return base;
  const { portLevelSettings = [], ...blocks } = over;
  const merged: PortPolicy = { ...base, ...blocks };
  const level = portLevelSettings.find((settings) => settings.port.number === port);
  if (level === undefined) return merged;
  const { port: _port, ...replaced } = level;
  const { retryBudget, proxyProtocol } = merged;
  return {
    ...(retryBudget !== undefined && { retryBudget }), ...(proxyProtocol !== undefined && { proxyProtocol }),
    ...replaced,
  };
}

const NONE = new DestinationPolicy([]);

/** The caller's namespace first, then the service's, then the root; in each the rule with the closest host. */
export function destinationPolicy(view: MeshView, service: MeshService, scope: Scope): DestinationPolicy {
  const { registry, settings } = view;
  for (const namespace of new Set([scope.namespace, service.namespace, settings.rootNamespace])) {
    const covering = registry.destinationRules.covering(namespace, service.hostname);
    const own = covering.filter((rule) => appliesTo(rule, scope));
    const closest = closestHost(own.map((rule) => ruleHost(view, rule)), service.hostname);
    if (closest === undefined) continue;
    const fitting = own.filter((rule) => ruleHost(view, rule) === closest);
    return new DestinationPolicy(preferSelected(fitting));
  }
  return NONE;
}

/** What holds for a destination of a rule in `namespace`, where the port that was called is `port`. */
export function policyTowards(
  view: MeshView, scope: Scope, namespace: string, port: number, destination: Destination,
): PortPolicy {
  const service = view.registry.byHost(view.registry.resolve(destination.host, namespace));
  if (service === undefined) return {};
  const only = service.ports.length === 1 ? service.ports[0]?.number : undefined;
  const policies = destinationPolicy(view, service, scope);
  const subset = policies.subsets.get(destination.subset ?? '')?.subset;
  return policies.forPort(destination.port?.number ?? only ?? port, subset);
}

export function ruleHost(view: MeshView, rule: Rule): string {
  return view.registry.resolve(rule.body.spec.host, rule.namespace);
}

/** Whether it is for this caller, whichever host it is about. */
export function appliesTo(rule: Rule, scope: Scope): boolean {
  const { exportTo } = rule.body.spec;
  if (!isVisible(exportedNamespaces(exportTo, rule.namespace), scope.namespace)) return false;
  const labels = selectorOf(rule);
  return labels.size === 0 || (rule.namespace === scope.namespace && hasLabels(scope.labels, labels));
}

/** A rule for these callers alone goes before one for all. */
function preferSelected(rules: readonly Rule[]): readonly Rule[] {
  const selected = rules.filter(isSelective);
  return selected.length > 0 ? selected : rules;
}

/** For some callers only. */
export function isSelective(rule: Rule): boolean {
  return selectorOf(rule).size > 0;
}

function selectorOf(rule: Rule): ReadonlyMap<string, string> {
  return new Map(Object.entries(rule.body.spec.workloadSelector?.matchLabels ?? {}));
}
