// Where a Gateway is: the Service that it names or that was made for it, and its addresses.
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { resolveHost, serviceHost } from '../registry/hostname.ts';
import type { GatewayObject } from './listener.ts';

/** What a proxy that is deployed for a Gateway is marked with. */
export const NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

export interface GatewayAddress {
  readonly type: 'IPAddress' | 'Hostname';
  readonly value: string;
}

/** Where clients find it: at its Service's load balancer or virtual addresses, else at its pods. */
export function addressesOf(inventory: Inventory, domain: string, gateway: GatewayObject): GatewayAddress[] {
  const service = namedService(inventory, domain, gateway) ?? inventory.list('Service').find((one) =>
    one.namespace === gateway.namespace && one.body.spec.selector?.[NAME_LABEL] === gateway.name);
  if (service !== undefined) return serviceAddresses(service, domain);
  const pods = inventory.list('Pod').filter((pod) => pod.namespace === gateway.namespace
    && pod.labels.get(NAME_LABEL) === gateway.name);
  return pods.flatMap(({ body }) => body.status?.podIP ?? []).map((value) => ({ type: 'IPAddress', value }) as const);
}

/** By its first address of type Hostname. */
export function namedService(
  inventory: Inventory, domain: string, { namespace, body }: GatewayObject,
): MeshObject<'Service'> | undefined {
  const { value = '' } = body.spec.addresses?.find(({ type }) => type === 'Hostname') ?? {};
  if (value === '') return undefined;
  const host = resolveHost(value, namespace, domain);
  return inventory.list('Service').find((service) => serviceHost(service.name, service.namespace, domain) === host);
}

interface LoadBalancer {
  readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] };
}

function serviceAddresses({ name, namespace, body }: MeshObject<'Service'>, domain: string): GatewayAddress[] {
  const { ingress = [] } = (body.status as LoadBalancer | undefined)?.loadBalancer ?? {};
  const balanced = ingress.flatMap(({ ip, hostname }): GatewayAddress[] => {
    if (typeof ip === 'string') return [{ type: 'IPAddress', value: ip }];
    return typeof hostname === 'string' ? [{ type: 'Hostname', value: hostname }] : [];
  });
  if (balanced.length > 0) return balanced;
  const own = (body.spec.clusterIPs ?? [body.spec.clusterIP ?? 'None']).filter((ip) => ip !== 'None');
  if (own.length > 0) return own.map((value) => ({ type: 'IPAddress', value }));
  return [{ type: 'Hostname', value: serviceHost(name, namespace, domain) }];
}
