// Rules of VirtualServices for connections that no connection can reach: an earlier one takes all that they admit.
import { findingAt, placeOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { hostMatches } from '../registry/hostname.ts';
import type { StaticMatch } from '../translate/rule-scope.ts';

type VirtualServiceObject = MeshObject<'VirtualService'>;

/** What a rule asks of connections; names are for rules of TLS alone. */
interface Condition extends StaticMatch {
  readonly sniHosts?: readonly string[];
}

export function unreachableConnections(object: VirtualServiceObject): Finding[] {
  return (['tcp', 'tls'] as const).flatMap((kind) => {
    const rules = (object.body.spec[kind] ?? []).map(({ match = [] }): readonly Condition[] =>
      (match.length === 0 ? [{}] : match));
    return rules.flatMap((conditions, at) => {
      const before = rules.slice(0, at);
      const by = conditions.map((narrow) => before.findIndex((wide) => wide.some((one) => covers(one, narrow))));
      if (by.includes(-1)) return [];
      const where = placeOf(object.locate(['spec', kind, by[0] ?? 0]));
      const reason = `no connection reaches it: ${where} of ${object.name} takes all that it admits`;
      return [{ ...findingAt(object, ['spec', kind, at], reason), level: 'error' as const }];
    });
  });
}

/** True only where it is certain. */
function covers(wide: Condition, narrow: Condition): boolean {
  const { gateways = [], sourceLabels = {} } = wide;
  const own = narrow.gateways ?? [];
  if (wide.port !== undefined && wide.port !== narrow.port) return false;
  if (wide.sourceNamespace !== undefined && wide.sourceNamespace !== narrow.sourceNamespace) return false;
  if (gateways.length > 0 && (own.length === 0 || !own.every((name) => gateways.includes(name)))) return false;
  if (!Object.entries(sourceLabels).every(([key, value]) => narrow.sourceLabels?.[key] === value)) return false;
  const names = wide.sniHosts;
  return names === undefined
    || (narrow.sniHosts ?? []).every((host) => names.some((name) => hostMatches(name, host)));
}
