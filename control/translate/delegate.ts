// Rules that a VirtualService leaves to another one, merged with its own: Istio's one level of delegation.
import type { HttpMatch, HttpRule } from '../model/http-route.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { StringMatch } from '../model/string-match.ts';
import { exportedNamespaces, isVisible } from '../registry/service.ts';
import type { MeshView } from './mesh-view.ts';
import { gatewayName } from './rule-scope.ts';

type VirtualServiceObject = MeshObject<'VirtualService'>;

/** A rule with the object in which it is written: its short names are of that object's namespace. */
export interface PlacedRule {
  readonly rule: HttpRule;
  readonly object: VirtualServiceObject;
  readonly ruleIndex: number;
}

/** The http rules of an object, each delegation replaced by what it leads to. */
export function placedRules(view: MeshView, object: VirtualServiceObject): PlacedRule[] {
  return (object.body.spec.http ?? []).flatMap((rule, ruleIndex) => {
    if (rule.delegate === undefined) return [{ rule, object, ruleIndex }];
    const target = delegateOf(view, object, rule);
    return (target?.body.spec.http ?? []).flatMap((inner, index) => {
      // One level: what a delegate delegates is left out.
      const merged = inner.delegate === undefined ? mergeRules(rule, inner, object.namespace) : undefined;
      return target === undefined || merged === undefined ? [] : [{ rule: merged, object: target, ruleIndex: index }];
    });
  });
}

/** The VirtualService that a rule names, where it is one without hosts that the rule's namespace may see. */
export function delegateOf(
  { inventory }: Pick<MeshView, 'inventory'>, object: VirtualServiceObject, { delegate }: HttpRule,
): VirtualServiceObject | undefined {
  const found = inventory.get('VirtualService', delegate?.namespace ?? object.namespace, delegate?.name ?? '');
  if (found === undefined || (found.body.spec.hosts ?? []).length > 0) return undefined;
  const seenBy = exportedNamespaces(found.body.spec.exportTo, found.namespace);
  return isVisible(seenBy, object.namespace) ? found : undefined;
}

/** What the delegate says goes before the root's; undefined where their conditions exclude each other. */
export function mergeRules(root: HttpRule, inner: HttpRule, rootNamespace: string): HttpRule | undefined {
  const match = mergeMatches(root.match ?? [], inner.match ?? [], rootNamespace);
  if (match === undefined) return undefined;
  const { delegate: _delegate, match: _match, name: _name, ...own } = root;
  const name = [root.name ?? '', inner.name ?? ''].filter((part) => part !== '').join('-');
  return { ...own, ...inner, ...(name !== '' && { name }), ...(match.length > 0 && { match }) };
}

/** Each of the delegate's conditions has to fit one of the root's; one that fits none refuses the whole rule. */
function mergeMatches(
  roots: readonly HttpMatch[], leaves: readonly HttpMatch[], namespace: string,
): HttpMatch[] | undefined {
  const absolute = roots.map((root) => qualified(root, namespace));
  if (roots.length === 0 || leaves.length === 0) return [...absolute, ...leaves];
  const merged = leaves.map((leaf) =>
    absolute.filter((root) => !excludes(root, leaf)).map((root) => mergeMatch(root, leaf)));
  return merged.some((found) => found.length === 0) ? undefined : merged.flat();
}

/** Gateways in full, since the merged rule stands in another namespace. */
function qualified(match: HttpMatch, namespace: string): HttpMatch {
  if (match.gateways === undefined) return match;
  return { ...match, gateways: match.gateways.map((name) => gatewayName(name, namespace)) };
}

const MAPS = ['headers', 'withoutHeaders', 'queryParams'] as const;

function mergeMatch(root: HttpMatch, leaf: HttpMatch): HttpMatch {
  const name = [root.name ?? '', leaf.name ?? ''].filter((part) => part !== '').join('-');
  const merged: HttpMatch = { ...root, ...leaf, ...(name !== '' && { name }) };
  for (const field of MAPS) {
    const both = { ...root[field], ...leaf[field] };
    if (Object.keys(both).length > 0) merged[field] = both;
  }
  const labels = { ...root.sourceLabels, ...leaf.sourceLabels };
  return Object.keys(labels).length > 0 ? { ...merged, sourceLabels: labels } : merged;
}

/** Whether the delegate's condition admits what the root's does not. */
function excludes(root: HttpMatch, leaf: HttpMatch): boolean {
  const texts = ['uri', 'scheme', 'method', 'authority'] as const;
  return texts.some((field) => textExcludes(root[field], leaf[field]))
    || MAPS.some((field) => Object.entries(root[field] ?? {}).some(([key, match]) =>
      textExcludes(match, leaf[field]?.[key])))
    || (root.ignoreUriCase === true) !== (leaf.ignoreUriCase === true)
    || differs(root.port, leaf.port) || differs(root.sourceNamespace, leaf.sourceNamespace)
    || Object.entries(leaf.sourceLabels ?? {}).some(([key, value]) => differs(root.sourceLabels?.[key], value))
    || gatewaysExclude(root.gateways, leaf.gateways);
}

function differs<T>(root: T | undefined, leaf: T | undefined): boolean {
  return root !== undefined && leaf !== undefined && root !== leaf;
}

function gatewaysExclude(root: readonly string[] = [], leaf: readonly string[] = []): boolean {
  return root.length > 0 && leaf.some((name) => !root.includes(name));
}

/** Expressions cannot be compared, so that one of them excludes all but silence. */
function textExcludes(root: StringMatch | undefined, leaf: StringMatch | undefined): boolean {
  if (root === undefined || leaf === undefined) return false;
  if (root.regex !== undefined || leaf.regex !== undefined) return true;
  if (root.exact !== undefined) return leaf.exact !== root.exact;
  if (root.prefix === undefined) return false;
  return !(leaf.exact ?? leaf.prefix ?? '').startsWith(root.prefix);
}
