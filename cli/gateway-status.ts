// What `weft status` says of Gateway API objects, a line each.
import { isFault, type Condition } from '../control/gateway-api/condition.ts';
import type { NamedStatus } from '../control/mesh-state.ts';

interface Part {
  readonly conditions?: readonly Condition[];
  readonly name?: string;
  readonly attachedRoutes?: number;
}

interface Parts extends Part {
  readonly listeners?: readonly Part[];
  readonly parents?: readonly Part[];
  readonly ancestors?: readonly Part[];
  readonly addresses?: readonly { readonly value: string }[];
}

export function gatewayLines(statuses: readonly NamedStatus[]): string[] {
  return statuses.map(({ kind, namespace, name, status }) => {
    const { conditions = [], listeners = [], parents = [], ancestors = [], addresses = [] } = status as Parts;
    const words = [
      ...addresses.map(({ value }) => value),
      ...listeners.map((listener) => `${listener.name ?? ''} ${listener.attachedRoutes ?? 0} routes`),
      ...faultsOf([{ conditions }, ...listeners, ...parents, ...ancestors]),
    ];
    return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}: ${words.length === 0 ? 'ok' : words.join(', ')}`;
  });
}

function faultsOf(parts: readonly Part[]): string[] {
  const said = parts.flatMap(({ conditions = [] }) => conditions.filter(isFault)
    .map(({ type, reason }) => `${type} ${reason}`));
  return [...new Set(said)];
}
