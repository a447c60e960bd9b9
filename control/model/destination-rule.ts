// DestinationRule: policies and subsets of a service (networking.istio.io).
import { string } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { hostPattern } from './scalar.ts';
import { WorkloadSelector } from './selector.ts';
import { TrafficPolicy } from './traffic-policy.ts';

export const Subset = message('istio.networking.v1.Subset', {
  name: required(string({ minLength: 1 }), 'Name that routes use.'),
  labels: optional(map(string()), 'Endpoints that belong to it; all when absent.'),
  trafficPolicy: optional(TrafficPolicy, "Overrides the rule's policy, setting by setting."),
});
export interface Subset extends Static<typeof Subset> {}

export const DestinationRuleSpec = message('istio.networking.v1.DestinationRule', {
  host: required(hostPattern(), "Service; a short name is of the rule's namespace; '*.suffix' is every service below."),
  trafficPolicy: optional(TrafficPolicy, 'Policy of the service and all its subsets.'),
  subsets: optional(list(Subset), 'Named parts of the service.'),
  exportTo: optional(list(string()), "Namespaces that see it: '*' (default), '.', '~' or names."),
  workloadSelector: optional(WorkloadSelector, 'Only for these callers, of the same namespace.'),
}, {
  check: ({ subsets = [] }) => {
    const names = subsets.map(({ name }) => name);
    const twice = names.findIndex((name, at) => names.indexOf(name) !== at);
    return twice < 0 ? undefined : new Refusal('is used twice', ['subsets', twice, 'name']);
  },
});
export interface DestinationRuleSpec extends Static<typeof DestinationRuleSpec> {}

export const DestinationRule = message('istio.DestinationRule', {
  ...objectHead,
  spec: required(DestinationRuleSpec, 'Policies.'),
});
export interface DestinationRule extends Static<typeof DestinationRule> {}
