// Mutual TLS that callers and servers do not agree on, and policies about it that have no effect.
import type { ClientTls } from '../model/traffic-policy.ts';
import { findingAt, placeOf, titleOf, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { ruleHost } from '../translate/destination-policy.ts';
import type { MeshView } from '../translate/mesh-view.ts';
import { peerMode } from '../translate/peer-authentication.ts';

export function peerAuthenticationFindings(view: MeshView): Finding[] {
  return [
    ...idlePolicies(view),
    ...idleMeshConfigs(view),
    ...view.inventory.list('DestinationRule').flatMap((rule) => disagreements(view, rule)),
  ];
}

/** In Istio a selector of the root namespace selects nothing; of several policies of one scope the oldest holds. */
function idlePolicies({ inventory, settings }: MeshView): Finding[] {
  const whole = new Map<string, MeshObject>();
  return inventory.list('PeerAuthentication').flatMap((policy) => {
    const selects = Object.keys(policy.body.spec?.selector?.matchLabels ?? {}).length > 0;
    if (selects) {
      return policy.namespace === settings.rootNamespace
        ? [findingAt(policy, ['spec', 'selector'], 'has no effect: in the root namespace nothing is selected')] : [];
    }
    const first = whole.get(policy.namespace);
    if (first === undefined) whole.set(policy.namespace, policy);
    return first === undefined ? [] : [findingAt(policy, [], `has no effect: ${said(first)} holds for the namespace`)];
  });
}

function idleMeshConfigs({ inventory, settings }: MeshView): Finding[] {
  const configs = inventory.list('MeshConfig');
  const holds = configs.find(({ namespace }) => namespace === settings.rootNamespace);
  return configs.filter((config) => config !== holds).map((config) => findingAt(config, [],
    config.namespace === settings.rootNamespace ? `has no effect: ${said(holds!)} holds`
      : `has no effect: it must be in namespace ${settings.rootNamespace}`));
}

function said(object: MeshObject): string {
  return `${titleOf(object)} (${placeOf(object.origin)})`;
}

/** A rule that says another TLS than all servers of its host take: each request fails. */
function disagreements(view: MeshView, rule: MeshObject<'DestinationRule'>): Finding[] {
  const { trafficPolicy } = rule.body.spec;
  const levels = trafficPolicy?.portLevelSettings ?? [];
  const ofPorts = levels.map(({ port }) => port.number);
  return [
    ...disagreement(
      view, rule, ['spec', 'trafficPolicy', 'tls'], trafficPolicy?.tls, (port) => !ofPorts.includes(port)),
    ...levels.flatMap(({ tls, port: { number } }, at) => disagreement(
      view, rule, ['spec', 'trafficPolicy', 'portLevelSettings', at, 'tls'], tls, (port) => port === number)),
  ];
}

function disagreement(
  view: MeshView, rule: MeshObject<'DestinationRule'>, path: readonly (string | number)[], tls: ClientTls | undefined,
  isMeant: (port: number) => boolean,
): Finding[] {
  const service = view.registry.byHost(ruleHost(view, rule));
  const servers = (service?.endpoints ?? []).filter(({ servicePort }) => isMeant(servicePort));
  if (tls === undefined || service?.external !== false || servers.length === 0) return [];
  const wrong = tls.mode === 'ISTIO_MUTUAL' ? 'DISABLE' : 'STRICT';
  const { inventory, settings } = view;
  const fails = servers.every(({ workload, port }) => peerMode(inventory, settings, workload, port) === wrong);
  if (!fails) return [];
  const reason = wrong === 'DISABLE' ? 'every request fails: PeerAuthentication turns mutual TLS off there'
    : 'every request fails: PeerAuthentication lets in mutual TLS alone (ISTIO_MUTUAL)';
  return [{ ...findingAt(rule, path, reason), level: 'error' }];
}
