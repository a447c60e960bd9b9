// Gateways and the VirtualServices bound to them: who claims which host, who claims it twice, who claims nothing.
import { findingAt, placeOf, titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { hostIntersection } from '../registry/hostname.ts';
import type { MeshView } from '../translate/mesh-view.ts';
import { gatewayName } from '../translate/rule-scope.ts';
import { gatewaysOf, hostsOf } from '../translate/virtual-service.ts';
import { hiddenBehind } from './route-reach.ts';

type Gateway = MeshObject<'Gateway'>;
type VirtualServiceObject = MeshObject<'VirtualService'>;

export function gatewayFindings(view: MeshView): Finding[] {
  return [
    ...view.inventory.list('Gateway').flatMap((gateway) => boundFindings(view, gateway)),
    ...mixedPorts(view),
  ];
}

/** Of one gateway: what is bound to it, without a server for its host, or behind another of the same host. */
function boundFindings(view: MeshView, gateway: Gateway): Finding[] {
  const name = gatewayName(gateway.name, gateway.namespace);
  const bound = view.inventory.list('VirtualService').filter((object) => gatewaysOf(object).includes(name));
  const isRedirect = gateway.body.spec.servers.every(({ tls }) => tls?.httpsRedirect === true);
  if (bound.length === 0 && !isRedirect) {
    return [findingAt(gateway, [], 'no VirtualService is bound to it: every request gets 404')];
  }
  return bound.flatMap((object, at) => [
    ...unserved(view, gateway, object),
    ...behindOthers(view, object, bound.slice(0, at)),
  ]);
}

function unserved(view: MeshView, gateway: Gateway, object: VirtualServiceObject): Finding[] {
  const served = gateway.body.spec.servers.flatMap(({ hosts }) => hosts.map((host) => host.split('/').at(-1) ?? ''));
  return hostsOf(view, object).flatMap((host, at) => {
    if (served.some((pattern) => hostIntersection(pattern, host) !== undefined)) return [];
    const reason = `no server of ${titleOf(gateway)} has host ${host}; it has ${served.join(', ')}`;
    return [{ ...findingAt(object, ['spec', 'hosts', at], reason), level: 'error' as const }];
  });
}

function behindOthers(
  view: MeshView, object: VirtualServiceObject, before: readonly VirtualServiceObject[],
): Finding[] {
  const hosts = new Set(hostsOf(view, object));
  const sharing = before.filter((other) => hostsOf(view, other).some((host) => hosts.has(host)));
  return hiddenBehind(object, sharing);
}

/** One port speaks one protocol; the first server decides, and the others are left out. */
function mixedPorts(view: MeshView): Finding[] {
  const first = new Map<string, { readonly isTls: boolean; readonly where: string }>();
  return view.inventory.list('Gateway').flatMap((gateway) => gateway.body.spec.servers.flatMap(({ port }, at) => {
    const path = ['spec', 'servers', at, 'port'];
    const labels = Object.entries(gateway.body.spec.selector ?? {}).map(String);
    const selector = labels.sort((a, b) => (a < b ? -1 : 1)).join();
    const key = `${selector} ${port.number}`;
    const isTls = port.protocol === 'HTTPS';
    const other = first.get(key);
    if (other === undefined) first.set(key, { isTls, where: placeOf(gateway.locate(path)) });
    if (other === undefined || other.isTls === isTls) return [];
    const reason = `has no listener: port ${port.number} is ${isTls ? 'plaintext' : 'HTTPS'} in ${other.where}`;
    return [{ ...findingAt(gateway, path, reason), level: 'error' as const }];
  }));
}
