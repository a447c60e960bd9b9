// Which proxies are a Gateway's: those that are deployed for it by name, or the workloads of the Service that it names.
import type { GatewayObject } from '../../gateway-api/listener.ts';
import { NAME_LABEL, namedService } from '../../gateway-api/gateway-place.ts';
import { byAge } from '../../gateway-api/precedence.ts';
import { attachments } from '../../gateway-api/attachment.ts';
import type { MeshObject } from '../../model/mesh-object.ts';
import { hasLabels } from '../../registry/workload.ts';
import type { MeshView, Scope } from '../mesh-view.ts';

type Place = Pick<Scope, 'namespace' | 'labels'>;

/** The Gateways of this controller that a proxy serves, the oldest first. */
export function gatewaysAt({ inventory, settings }: MeshView, proxy: Place): GatewayObject[] {
  return [...inventory.derived(attachments).listeners.keys()].filter((gateway) => {
    const service = namedService(inventory, settings.domain, gateway);
    if (service !== undefined) return serves(service, proxy);
    return gateway.namespace === proxy.namespace && proxy.labels.get(NAME_LABEL) === gateway.name;
  }).toSorted(byAge);
}

function serves({ namespace, body }: MeshObject<'Service'>, proxy: Place): boolean {
  const selector = Object.entries(body.spec.selector ?? {});
  return namespace === proxy.namespace && selector.length > 0 && hasLabels(proxy.labels, new Map(selector));
}
