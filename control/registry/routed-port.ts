// What ports of Services speak whose names do not say it, where routes of the Gateway API do: they route HTTP or gRPC.
import type { Inventory } from '../model/inventory.ts';
import type { PortProtocol } from './port-protocol.ts';

/** For a Service's port that declares nothing. */
export function routedProtocol(
  inventory: Inventory, namespace: string, name: string, port: number,
): PortProtocol | undefined {
  const found = inventory.derived(routedPorts);
  return found.get(`${namespace}/${name}:${port}`) ?? found.get(`${namespace}/${name}:`);
}

interface Named {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly port?: number;
}

function routedPorts(inventory: Inventory): ReadonlyMap<string, PortProtocol> {
  const found = new Map<string, PortProtocol>();
  for (const [kind, protocol] of [['GRPCRoute', 'http2'], ['HTTPRoute', 'http']] as const) {
    for (const { namespace: own, body: { spec } } of inventory.list(kind)) {
      const parents = (spec.parentRefs ?? []).filter((ref) => ref.group === '' && ref.kind === 'Service');
      const rules: readonly { readonly backendRefs?: readonly Named[] }[] = spec.rules ?? [];
      const backends = rules.flatMap(({ backendRefs = [] }) => backendRefs)
        .filter(({ group = '', kind: named = 'Service' }) => group === '' && named === 'Service');
      for (const { namespace = own, name, port } of [...parents, ...backends] as readonly Named[]) {
        const key = `${namespace}/${name}:${port ?? ''}`;
        if (!found.has(key)) found.set(key, protocol);
      }
    }
  }
  return found;
}
