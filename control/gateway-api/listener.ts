// The listeners of a Gateway, its ListenerSets' among them: which conflict, which routes they take, what they lack.
import { GATEWAY_GROUP } from '../model/gateway-api/reference.ts';
import type { FrontendValidation, Listener, RouteNamespaces } from '../model/gateway-api/gateway.ts';
import type { Inventory } from '../model/inventory.ts';
import { selects } from '../model/label-selector.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { keyPair, rootsOfRefs, type KeyPair } from './certificate.ts';
import type { Fault } from './condition.ts';
import { isOwnGateway } from './gateway-class.ts';
import { byAge } from './precedence.ts';

export type GatewayObject = MeshObject<'KubernetesGateway'>;
export type ListenerOwner = GatewayObject | MeshObject<'ListenerSet'>;
export type RouteKind = 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute' | 'TCPRoute';

/** Clients' certificates. */
export interface ClientValidation {
  /** PEM; empty where none of the refs holds any. */
  readonly roots: string;
  readonly mode: NonNullable<FrontendValidation['mode']>;
}

/** One listener, with what is wrong with it; conditions of the API are made from it. */
export interface GatewayListener {
  readonly gateway: GatewayObject;
  /** The Gateway, or the ListenerSet that adds it. */
  readonly owner: ListenerOwner;
  readonly index: number;
  readonly listener: Listener;
  /** Routes that may attach. */
  readonly kinds: readonly RouteKind[];
  readonly certificates: readonly KeyPair[];
  readonly clients: ClientValidation | undefined;
  readonly unaccepted: Fault | undefined;
  readonly conflict: Fault | undefined;
  readonly unresolved: Fault | undefined;
}

/** It carries traffic. */
export function isProgrammed({ unaccepted, conflict, listener, certificates, clients }: GatewayListener): boolean {
  if (unaccepted !== undefined || conflict !== undefined) return false;
  if (!isTerminating(listener)) return true;
  return certificates.length > 0 && (clients === undefined || clients.roots !== '' || isLenient(clients));
}

function isLenient({ mode }: ClientValidation): boolean {
  return mode === 'AllowInsecureFallback';
}

export function isTerminating({ protocol, tls }: Listener): boolean {
  return protocol === 'HTTPS' || (protocol === 'TLS' && tls?.mode !== 'Passthrough');
}

const PROTOCOL_KINDS: ReadonlyMap<string, readonly RouteKind[]> = new Map([
  ['HTTP', ['HTTPRoute', 'GRPCRoute']], ['HTTPS', ['HTTPRoute', 'GRPCRoute']], ['TLS', ['TLSRoute']],
  ['TCP', ['TCPRoute']],
]);

/** Of all Gateways of this controller, by Gateway, in the order in which they take effect. */
export function gatewayListeners(inventory: Inventory): ReadonlyMap<GatewayObject, readonly GatewayListener[]> {
  const sets = inventory.list('ListenerSet').toSorted(byAge);
  return new Map(inventory.list('KubernetesGateway').filter((gateway) => isOwnGateway(inventory, gateway))
    .map((gateway) => {
      const added = sets.filter((set) => parentOf(inventory, set) === gateway && isAllowed(inventory, set, gateway));
      const listeners = [gateway, ...added].flatMap((owner) =>
        owner.body.spec.listeners.map((listener, index) => describe(inventory, { gateway, owner, index, listener })));
      return [gateway, withConflicts(listeners)];
    }));
}

/** The Gateway that a ListenerSet names, where this controller has it. */
export function parentOf(inventory: Inventory, set: MeshObject<'ListenerSet'>): GatewayObject | undefined {
  const { group = GATEWAY_GROUP, kind = 'Gateway', name, namespace = set.namespace } = set.body.spec.parentRef;
  const gateway = group === GATEWAY_GROUP && kind === 'Gateway'
    ? inventory.get('KubernetesGateway', namespace, name) : undefined;
  return gateway !== undefined && isOwnGateway(inventory, gateway) ? gateway : undefined;
}

export function isAllowed(inventory: Inventory, set: MeshObject<'ListenerSet'>, gateway: GatewayObject): boolean {
  const { namespaces = {} } = gateway.body.spec.allowedListeners ?? {};
  return admits(inventory, { from: 'None', ...namespaces }, gateway.namespace, set.namespace);
}

/** Whether an object of `namespace` may attach to one of `own`. */
export function admits(
  inventory: Inventory, { from = 'Same', selector }: RouteNamespaces, own: string, namespace: string,
): boolean {
  switch (from) {
    case 'All': return true;
    case 'Same': return namespace === own;
    case 'None': return false;
    case 'Selector': {
      // Every namespace has its name for a label.
      const labels = new Map([['kubernetes.io/metadata.name', namespace],
        ...inventory.get('Namespace', '', namespace)?.labels ?? []]);
      return selector !== undefined && selects(selector, labels);
    }
  }
}

type Place = Pick<GatewayListener, 'gateway' | 'owner' | 'index' | 'listener'>;

function describe(inventory: Inventory, place: Place): GatewayListener {
  const { listener, gateway } = place;
  const supported = PROTOCOL_KINDS.get(listener.protocol);
  const { kinds, fault: badKinds } = routeKinds(listener, supported ?? []);
  const { certificates, fault: badCertificate } = certificatesOf(inventory, place);
  const clients = clientsOf(inventory, gateway, listener);
  const unaccepted = supported === undefined
    ? { reason: 'UnsupportedProtocol', message: `protocol ${listener.protocol} is not carried` } : clients?.unaccepted;
  return {
    ...place, kinds, certificates, clients: clients?.validation, unaccepted, conflict: undefined,
    unresolved: badCertificate ?? clients?.unresolved ?? badKinds,
  };
}

function routeKinds(
  { allowedRoutes, protocol }: Listener, supported: readonly RouteKind[],
): { kinds: readonly RouteKind[]; fault: Fault | undefined } {
  const wanted = allowedRoutes?.kinds;
  if (wanted === undefined || wanted.length === 0) return { kinds: supported, fault: undefined };
  const fits = ({ group = GATEWAY_GROUP, kind }: (typeof wanted)[number], own: RouteKind): boolean =>
    group === GATEWAY_GROUP && kind === own;
  const bad = wanted.filter((one) => !supported.some((own) => fits(one, own))).map(({ kind }) => kind);
  return {
    kinds: supported.filter((own) => wanted.some((one) => fits(one, own))),
    fault: bad.length === 0 ? undefined
      : { reason: 'InvalidRouteKinds', message: `${bad.join(', ')} cannot attach to a listener of ${protocol}` },
  };
}

function certificatesOf(
  inventory: Inventory, { owner, listener }: Place,
): { certificates: readonly KeyPair[]; fault: Fault | undefined } {
  if (!isTerminating(listener)) return { certificates: [], fault: undefined };
  const kind = owner.kind === 'ListenerSet' ? 'ListenerSet' : 'Gateway';
  const refs = listener.tls?.certificateRefs ?? [];
  const found = refs.map((ref) => keyPair(inventory, owner, kind, ref));
  const none: Fault = { reason: 'InvalidCertificateRef', message: 'tls has no certificateRefs' };
  return {
    certificates: found.filter((one) => 'chain' in one),
    fault: refs.length === 0 ? none : found.find((one) => 'reason' in one),
  };
}

interface Clients {
  readonly validation: ClientValidation;
  readonly unaccepted: Fault | undefined;
  readonly unresolved: Fault | undefined;
}

/** The port's own settings go before the default. */
function clientsOf(inventory: Inventory, gateway: GatewayObject, { protocol, port }: Listener): Clients | undefined {
  const { frontend } = gateway.body.spec.tls ?? {};
  if (protocol !== 'HTTPS' || frontend === undefined) return undefined;
  const { validation } = frontend.perPort?.find((one) => one.port === port)?.tls ?? frontend.default;
  if (validation === undefined) return undefined;
  const { caCertificateRefs, mode = 'AllowValidOnly' } = validation;
  const { roots, faults: [fault] } = rootsOfRefs(inventory, gateway, 'Gateway', caCertificateRefs, {
    kind: 'InvalidCACertificateKind', missing: 'InvalidCACertificateRef',
  });
  return {
    validation: { roots, mode },
    unaccepted: roots !== '' ? undefined
      : { reason: 'NoValidCACertificate', message: 'no caCertificateRef of the frontend has roots' },
    unresolved: fault,
  };
}

/** The Gateway's own go first, then those of ListenerSets by age; of its own that conflict none holds. */
function withConflicts(listeners: readonly GatewayListener[]): readonly GatewayListener[] {
  const settled: GatewayListener[] = [];
  for (const one of listeners) {
    const at = settled.findIndex((other) => other.conflict === undefined && conflictOf(one, other) !== undefined);
    const other = settled[at];
    const conflict = other === undefined ? undefined : conflictOf(one, other);
    settled.push({ ...one, conflict });
    if (other !== undefined && one.owner === other.owner && one.owner === one.gateway) {
      settled[at] = { ...other, conflict };
    }
  }
  return settled;
}

function conflictOf({ listener: one }: GatewayListener, { listener: other }: GatewayListener): Fault | undefined {
  if (one.port !== other.port) return undefined;
  if (familyOf(one) !== familyOf(other)) {
    return { reason: 'ProtocolConflict', message: `port ${one.port} is for ${one.protocol} and ${other.protocol}` };
  }
  if (familyOf(one) !== 'TCP' && one.hostname !== other.hostname) return undefined;
  return { reason: 'HostnameConflict', message: `port ${one.port} has ${one.hostname ?? 'all hosts'} twice` };
}

function familyOf({ protocol }: Listener): string {
  return protocol === 'HTTPS' ? 'TLS' : protocol;
}
