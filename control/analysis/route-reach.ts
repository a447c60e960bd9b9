// Rules of VirtualServices that no request can reach: an earlier one takes all that they admit.
import { findingAt, placeOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { covers, type Condition } from './match-cover.ts';

type VirtualServiceObject = MeshObject<'VirtualService'>;
type Path = readonly (string | number)[];

/** One condition with the rule that it belongs to. */
interface Place {
  readonly object: VirtualServiceObject;
  readonly rule: number;
  readonly path: Path;
  readonly condition: Condition;
}

/** Within one VirtualService. */
export function unreachableRules(object: VirtualServiceObject): Finding[] {
  const findings: Finding[] = [];
  const before: Place[] = [];
  for (const places of rulesOf(object)) {
    findings.push(...hidden(places, before));
    before.push(...places);
  }
  return findings;
}

/**
 * Of a VirtualService behind others of the same host and gateway, whose rules go first. What takes every request goes
 * last among them, so that only another such hides it.
 */
export function hiddenBehind(object: VirtualServiceObject, earlier: readonly VirtualServiceObject[]): Finding[] {
  const before = earlier.flatMap((other) => rulesOf(other).flat());
  return rulesOf(object).flatMap((places) => hidden(places, before.filter(({ condition }) =>
    !takesAll(condition) || places.every((place) => takesAll(place.condition)))));
}

function takesAll(condition: Condition): boolean {
  return covers(condition, undefined);
}

function rulesOf(object: VirtualServiceObject): Place[][] {
  return (object.body.spec.http ?? []).map(({ match = [] }, rule) => {
    const at = ['spec', 'http', rule];
    if (match.length === 0) return [{ object, rule, path: at, condition: undefined }];
    return match.map((condition, index) => ({ object, rule, path: [...at, 'match', index], condition }));
  });
}

/** A rule none of whose conditions is left is an error; one that keeps some of them gets warnings. */
function hidden(places: readonly Place[], before: readonly Place[]): Finding[] {
  const covered = places.flatMap((place) => {
    const by = before.find(({ condition }) => covers(condition, place.condition));
    return by === undefined ? [] : [{ place, by }];
  });
  const [first] = covered;
  if (first === undefined) return [];
  if (covered.length === places.length) {
    const { object, rule } = first.place;
    return [{
      ...findingAt(object, ['spec', 'http', rule], `no request reaches it: ${byText(first.by)}`), level: 'error',
    }];
  }
  return covered.map(({ place, by }) => findingAt(place.object, place.path, `has no effect: ${byText(by)}`));
}

function byText({ object, path }: Place): string {
  return `${placeOf(object.locate(path))} of ${object.name} takes all that it admits`;
}
