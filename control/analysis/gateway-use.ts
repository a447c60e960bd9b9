// Gateways and the VirtualServices bound to them: who claims which host, who claims it twice, who claims nothing.
import { findingAt, placeOf, titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { hostIntersection } from '../registry/hostname.ts';
import { PERIMETER_ANNOTATIONS, perimeterValue } from '../translate/gateway-perimeter.ts';
import { certificateOf, certificateSecrets, rootsOf, rootsSecret, secretTexts } from '../translate/gateway-secret.ts';
import { gatewayServers, serverKind, type ServerKind } from '../translate/gateway-server.ts';
import type { MeshView } from '../translate/mesh-view.ts';
import { gatewayName } from '../translate/rule-scope.ts';
import { gatewaysOf, hostsOf } from '../translate/virtual-service.ts';
import { hiddenBehind } from './route-reach.ts';

type Gateway = MeshObject<'Gateway'>;
type VirtualServiceObject = MeshObject<'VirtualService'>;

export function gatewayFindings(view: MeshView): Finding[] {
  return [
    ...view.inventory.list('Gateway').flatMap((gateway) => boundFindings(view, gateway)),
    ...portConflicts(view),
  ];
}

/** Of one gateway: what is bound to it, without a server for its host, or behind another of the same host. */
function boundFindings(view: MeshView, gateway: Gateway): Finding[] {
  const name = gatewayName(gateway.name, gateway.namespace);
  const bound = view.inventory.list('VirtualService').filter((object) => gatewaysOf(object).includes(name));
  return [
    ...idleServers(gateway, bound),
    ...missingSecrets(view, gateway),
    ...badAnnotations(gateway),
    ...bound.flatMap((object, at) => [
      ...unserved(view, gateway, object),
      ...withoutServer(gateway, object),
      ...behindOthers(view, object, bound.slice(0, at)),
    ]),
  ];
}

type RuleKind = 'http' | 'tcp' | 'tls';

/** Which rules of a VirtualService a server goes by; the mesh's own TLS goes by none. */
const RULES: Readonly<Record<ServerKind, RuleKind | undefined>> = {
  http: 'http', https: 'http', tcp: 'tcp', tls: 'tcp', passthrough: 'tls', mesh: undefined,
};

/** Servers for which nobody has a rule. */
function idleServers(gateway: Gateway, bound: readonly VirtualServiceObject[]): Finding[] {
  const idle = gateway.body.spec.servers.flatMap((server, index) => {
    const kind = RULES[serverKind(server)];
    if (kind === undefined || server.tls?.httpsRedirect === true) return [];
    if (bound.some((object) => (object.body.spec[kind] ?? []).length > 0)) return [];
    const what = kind === 'http' ? 'every request gets 404' : 'there is no listener for it';
    const path = bound.length === 0 ? [] : ['spec', 'servers', index];
    const reason = `no VirtualService ${path.length > 0 ? `with ${kind} rules ` : ''}is bound to it: ${what}`;
    return [findingAt(gateway, path, reason)];
  });
  return bound.length === 0 ? idle.slice(0, 1) : idle;
}

function badAnnotations(gateway: Gateway): Finding[] {
  return Object.entries(PERIMETER_ANNOTATIONS).flatMap(([name, max]) => {
    const key = name as keyof typeof PERIMETER_ANNOTATIONS;
    if (!gateway.annotations.has(name) || perimeterValue(gateway, key) !== undefined) return [];
    const finding = findingAt(gateway, ['metadata', 'annotations', name], `must be a whole number from 1 to ${max}`);
    return [{ ...finding, level: 'error' as const }];
  });
}

/** Secrets that no namespace has, or that hold nothing of use: in which namespace the proxies are is not known here. */
function missingSecrets(view: MeshView, gateway: Gateway): Finding[] {
  const has = (name: string, isUseful: (namespace: string) => boolean): boolean =>
    view.inventory.list('Secret').some((secret) => secret.name === name && isUseful(secret.namespace));
  return gateway.body.spec.servers.flatMap(({ tls }, at) => {
    if (tls === undefined) return [];
    const path = ['spec', 'servers', at, 'tls'];
    const keys = certificateSecrets(tls).filter((name) =>
      !has(name, (namespace) => certificateOf(secretTexts(view, namespace, name)) !== undefined));
    const roots = rootsSecret(tls);
    const isRooted = roots === undefined || [roots, `${roots}-cacert`].some((name) =>
      has(name, (namespace) => rootsOf(secretTexts(view, namespace, name)) !== undefined));
    return [
      ...keys.map((name) => `no Secret '${name}' has tls.crt and tls.key: the port does not come up`),
      ...(isRooted ? [] : [`no Secret '${roots}' or '${roots}-cacert' has ca.crt: the port does not come up`]),
    ].map((reason) => ({ ...findingAt(gateway, path, reason), level: 'error' as const }));
  });
}

/** Rules of a kind that no server of the gateway goes by. */
function withoutServer(gateway: Gateway, object: VirtualServiceObject): Finding[] {
  const { servers } = gateway.body.spec;
  return (['http', 'tcp', 'tls'] as const).flatMap((kind) => {
    if ((object.body.spec[kind] ?? []).length === 0) return [];
    if (servers.some((server) => RULES[serverKind(server)] === kind)) return [];
    const reason = `no server of ${titleOf(gateway)} goes by ${kind} rules: ${SERVES[kind]} has them`;
    return [{ ...findingAt(object, ['spec', kind], reason), level: 'error' as const }];
  });
}

const SERVES: Readonly<Record<RuleKind, string>> = {
  http: 'one of HTTP, or of HTTPS that does not pass TLS through,',
  tcp: 'one of TCP, or of TLS that does not pass it through,',
  tls: 'one whose tls.mode is PASSTHROUGH',
};

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

/** Servers without effect because of others; proxies are told apart by what Gateways select. */
function portConflicts({ inventory }: MeshView): Finding[] {
  const selectors = inventory.list('Gateway').map(({ body }) => new Map(Object.entries(body.spec.selector ?? {})));
  const conflicts = selectors.flatMap((labels) => [...gatewayServers(inventory, labels).values()])
    .flatMap((port) => port.conflicts);
  return conflicts.map(({ loser, winner, reason }) => {
    const where = placeOf(winner.gateway.locate(['spec', 'servers', winner.index, 'port']));
    const text = `has no effect: ${reason} in ${where}`;
    return { ...findingAt(loser.gateway, ['spec', 'servers', loser.index, 'port'], text), level: 'error' };
  });
}
