// Header changes of a VirtualService: `set` overwrites, `add` appends, and Host is a rewrite of the authority.
import type { HeaderValueOption } from '../../proxy/config/header-value-option.ts';
import type { HeaderOperations, HeaderRules } from '../model/http-route.ts';

export interface HeaderChanges {
  readonly requestHeadersToAdd?: HeaderValueOption[];
  readonly requestHeadersToRemove?: string[];
  readonly responseHeadersToAdd?: HeaderValueOption[];
  readonly responseHeadersToRemove?: string[];
}

export function headerChanges(rules: readonly (HeaderRules | undefined)[]): HeaderChanges {
  const request = rules.flatMap((rule) => rule?.request ?? []);
  const response = rules.flatMap((rule) => rule?.response ?? []);
  return {
    ...nonEmpty('requestHeadersToAdd', request.flatMap(additions)),
    ...nonEmpty('requestHeadersToRemove', request.flatMap(removals)),
    ...nonEmpty('responseHeadersToAdd', response.flatMap(additions)),
    ...nonEmpty('responseHeadersToRemove', response.flatMap(removals)),
  };
}

/** What the rule makes of the Host header; `set` goes before `add`. */
export function hostRewrite(rules: HeaderRules | undefined): string | undefined {
  const { set = {}, add = {} } = rules?.request ?? {};
  for (const values of [set, add]) {
    for (const [name, value] of Object.entries(values)) if (isHost(name)) return value;
  }
  return undefined;
}

export function isHost(name: string): boolean {
  return /^(host|:authority)$/i.test(name);
}

function additions({ set = {}, add = {} }: HeaderOperations): HeaderValueOption[] {
  return [...options(set, 'OVERWRITE_IF_EXISTS_OR_ADD'), ...options(add, 'APPEND_IF_EXISTS_OR_ADD')];
}

type Append = NonNullable<HeaderValueOption['appendAction']>;

function options(values: Readonly<Record<string, string>>, appendAction: Append): HeaderValueOption[] {
  return Object.entries(values)
    .filter(([name]) => !isHost(name))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => ({ header: { key, value }, appendAction }));
}

function removals({ remove = [] }: HeaderOperations): string[] {
  return remove.filter((name) => !isHost(name));
}

function nonEmpty<K extends string, T>(key: K, values: T[]): { [P in K]?: T[] } {
  return (values.length === 0 ? {} : { [key]: values }) as { [P in K]?: T[] };
}
