// Kubernetes' label selectors, which unlike Istio's may also ask by expression.
import { enumeration, string } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';

const Requirement = message('k8s.meta.v1.LabelSelectorRequirement', {
  key: required(string({ minLength: 1 }), 'Label.'),
  operator: required(enumeration(['In', 'NotIn', 'Exists', 'DoesNotExist']), 'How it is compared.'),
  values: optional(list(string()), 'For In and NotIn, at least one; for the others none.'),
}, {
  check: ({ operator, values = [] }) => {
    const takesValues = operator === 'In' || operator === 'NotIn';
    if (takesValues === values.length > 0) return undefined;
    return new Refusal(takesValues ? `needs values for ${operator}` : `takes no values for ${operator}`, ['values']);
  },
});
interface Requirement extends Static<typeof Requirement> {}

export const LabelSelector = message('k8s.meta.v1.LabelSelector', {
  matchLabels: optional(map(string()), 'Labels with these values.'),
  matchExpressions: optional(list(Requirement), 'All of these too. NotIn and DoesNotExist hold without the label.'),
});
export interface LabelSelector extends Static<typeof LabelSelector> {}

/** An empty selector selects everything. */
export function selects(selector: LabelSelector, labels: ReadonlyMap<string, string>): boolean {
  return Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels.get(key) === value)
    && (selector.matchExpressions ?? []).every((requirement) => holds(requirement, labels.get(requirement.key)));
}

export function selectsAll(selector: LabelSelector | undefined): boolean {
  return selector === undefined
    || (Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0);
}

function holds({ operator, values = [] }: Requirement, label: string | undefined): boolean {
  switch (operator) {
    case 'In': return label !== undefined && values.includes(label);
    case 'NotIn': return label === undefined || !values.includes(label);
    case 'Exists': return label !== undefined;
    case 'DoesNotExist': return label === undefined;
  }
}
