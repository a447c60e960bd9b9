// What the Gateway API's objects are told of themselves: conditions, attached routes, addresses. Pure: whoever has an
// API server writes them there, the command line shows them.
import type { Inventory } from '../model/inventory.ts';
import type { KindName } from '../model/kind.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { attachments, type RouteAttachment, type RouteParent } from './attachment.ts';
import { condition, generation, type Condition, type ObjectStatus } from './condition.ts';
import { classFault, CONTROLLER_NAME, isOwnClass } from './gateway-class.ts';
import { gatewayStatus, listenerSetStatus } from './gateway-status.ts';
import { policyStatuses } from './policy-status.ts';

const STATUS_KINDS: readonly KindName[] = [
  'GatewayClass', 'KubernetesGateway', 'ListenerSet', 'HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute',
  'BackendTLSPolicy',
];

/** Kinds whose status this controller writes. */
export function hasStatus(kind: KindName): boolean {
  return STATUS_KINDS.includes(kind);
}

/** Of every object that is this controller's. `domain` is the suffix of Services' names. */
export function gatewayApiStatuses(inventory: Inventory, domain: string): ObjectStatus[] {
  const found = inventory.derived(attachments);
  return [
    ...inventory.list('GatewayClass').filter(isOwnClass).map(classStatus),
    ...[...found.listeners.keys()].map((gateway) => gatewayStatus(inventory, domain, found, gateway)),
    ...inventory.list('ListenerSet').flatMap((set) => listenerSetStatus(inventory, found, set) ?? []),
    ...found.routes.filter(({ parents }) => parents.length > 0).map(routeStatus),
    ...policyStatuses(inventory, found),
  ];
}

function classStatus(object: MeshObject<'GatewayClass'>): ObjectStatus {
  const conditions = [condition(object, 'Accepted', classFault(object)),
    condition(object, 'SupportedVersion', undefined)];
  return {
    object,
    status: { conditions, supportedFeatures: SUPPORTED_FEATURES.map((name) => ({ name })) },
    conditions: conditions.map((one) => ({ path: ['spec'], condition: one })),
  };
}

function routeStatus(attachment: RouteAttachment): ObjectStatus {
  const { route, parents } = attachment;
  const made = parents.map((parent) => ({ parent, conditions: parentConditions(attachment, parent) }));
  const refs = route.body.spec.parentRefs ?? [];
  return {
    object: route,
    status: {
      parents: made.map(({ parent: { ref }, conditions }) => (
        { parentRef: ref, controllerName: CONTROLLER_NAME, conditions })),
    },
    conditions: made.flatMap(({ parent: { ref }, conditions }) => conditions.map((one) => ({
      path: one.type === 'ResolvedRefs' ? ['spec', 'rules'] : ['spec', 'parentRefs', refs.indexOf(ref)], condition: one,
    }))),
  };
}

function parentConditions({ route, unresolved, dropped }: RouteAttachment, parent: RouteParent): Condition[] {
  const isPartial = dropped.size > 0 && parent.unaccepted?.reason !== 'UnsupportedValue';
  const message = `Dropped Rule ${[...dropped].map(([index, reason]) => `${index}: ${reason}`).join('; ')}`;
  return [
    condition(route, 'Accepted', parent.unaccepted),
    condition(route, 'ResolvedRefs', unresolved),
    ...(isPartial ? [{
      type: 'PartiallyInvalid', status: 'True', reason: 'UnsupportedValue', message, ...generation(route),
    } as const] : []),
  ];
}

/** Names of the conformance suite's features, in their order. */
export const SUPPORTED_FEATURES: readonly string[] = [
  'BackendTLSPolicy', 'BackendTLSPolicySANValidation', 'GRPCRoute', 'GRPCRouteNamedRouteRule', 'Gateway',
  'GatewayFrontendClientCertificateValidation', 'GatewayHTTPListenerIsolation',
  'GatewayHTTPSListenerDetectMisdirectedRequests', 'GatewayPort8080', 'HTTPRoute', 'HTTPRoute303RedirectStatusCode',
  'HTTPRoute307RedirectStatusCode', 'HTTPRoute308RedirectStatusCode', 'HTTPRouteBackendProtocolH2C',
  'HTTPRouteBackendProtocolWebSocket', 'HTTPRouteBackendRequestHeaderModification', 'HTTPRouteBackendTimeout',
  'HTTPRouteCORS', 'HTTPRouteDestinationPortMatching', 'HTTPRouteHostRewrite', 'HTTPRouteMethodMatching',
  'HTTPRouteNamedRouteRule', 'HTTPRouteParentRefPort', 'HTTPRoutePathRedirect', 'HTTPRoutePathRewrite',
  'HTTPRoutePortRedirect', 'HTTPRouteQueryParamMatching', 'HTTPRouteRequestMirror', 'HTTPRouteRequestMultipleMirrors',
  'HTTPRouteRequestPercentageMirror', 'HTTPRouteRequestTimeout', 'HTTPRouteResponseHeaderModification',
  'HTTPRouteRetry', 'HTTPRouteSchemeRedirect', 'ListenerSet', 'Mesh', 'MeshConsumerRoute',
  'MeshHTTPRouteBackendRequestHeaderModification', 'MeshHTTPRouteNamedRouteRule', 'MeshHTTPRouteQueryParamMatching',
  'MeshHTTPRouteRedirectPath', 'MeshHTTPRouteRedirectPort', 'MeshHTTPRouteRewritePath', 'MeshHTTPRouteSchemeRedirect',
  'ReferenceGrant', 'TCPRoute', 'TLSRoute', 'TLSRouteModeMixed', 'TLSRouteModeTerminate',
];
