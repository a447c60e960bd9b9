// How objects of the Gateway API name others: parents, backends, certificates (gateway.networking.k8s.io).
import { string, uint32 } from '../../../proxy/config/scalar.ts';
import { message, optional, Refusal, required, type Fields, type Static } from '../../../proxy/config/schema.ts';
import { label, matching, objectName } from '../scalar.ts';

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

/** Where no group is named, of routes' parents and of kinds of routes. */
export function groupName(): ReturnType<typeof matching> {
  return matching(/^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, 'an API group');
}

export function kindWord(): ReturnType<typeof matching> {
  return matching(/^[a-zA-Z]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/, 'a kind');
}

/** DNS name, which may start with `*.`; lower case. */
export function hostname(): ReturnType<typeof matching> {
  return matching(/^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
    "a host name in lower case, which may start with '*.'");
}

/** Without a wildcard. */
export function preciseHostname(): ReturnType<typeof matching> {
  return matching(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, 'a host name in lower case');
}

export function portNumber(): ReturnType<typeof uint32> {
  return uint32({ minimum: 1, maximum: 65_535 });
}

const parent = {
  group: optional(groupName(), 'Group; gateway.networking.k8s.io when absent, empty for a Service.'),
  kind: optional(kindWord(), 'Gateway (default), ListenerSet, or Service for the mesh.'),
  namespace: optional(label(), "Namespace; the route's when absent."),
  name: required(objectName(), 'Name.'),
} satisfies Fields;

/** Of a ListenerSet. */
export const ParentGatewayRef = message('k8s.gateway.v1.ParentGatewayReference', parent);
export interface ParentGatewayRef extends Static<typeof ParentGatewayRef> {}

export const ParentRef = message('k8s.gateway.v1.ParentReference', {
  ...parent,
  sectionName: optional(objectName(), 'Listener, by its name; all when absent.'),
  port: optional(portNumber(), 'Port of the listener, or of the Service; all when absent.'),
});
export interface ParentRef extends Static<typeof ParentRef> {}

const named = {
  group: optional(groupName(), 'Group; empty when absent.'),
  kind: optional(kindWord(), 'Kind; Service when absent.'),
  name: required(string({ minLength: 1, maxBytes: 253 }), 'Name.'),
  namespace: optional(label(), "Namespace; the route's when absent. Another one's needs a ReferenceGrant."),
  port: optional(portNumber(), 'Port of the Service, which it needs.'),
} satisfies Fields;

interface Ported {
  readonly group?: string;
  readonly kind?: string;
  readonly port?: number;
}

export function needsPort({ group = '', kind = 'Service', port }: Ported): Refusal | undefined {
  return group === '' && kind === 'Service' && port === undefined ? new Refusal('needs port for a Service') : undefined;
}

/** A backend without a share. */
export const BackendObjectRef = message('k8s.gateway.v1.BackendObjectReference', named, { check: needsPort });
export interface BackendObjectRef extends Static<typeof BackendObjectRef> {}

export const backendFields = {
  ...named,
  weight: optional(uint32({ maximum: 1_000_000 }), 'Share of the sum of weights; 1 when absent, 0 is none.'),
} satisfies Fields;

export const BackendRef = message('k8s.gateway.v1.BackendRef', backendFields, { check: needsPort });
export interface BackendRef extends Static<typeof BackendRef> {}

export const SecretRef = message('k8s.gateway.v1.SecretObjectReference', {
  group: optional(groupName(), 'Group; empty when absent.'),
  kind: optional(kindWord(), 'Kind; Secret when absent.'),
  name: required(string({ minLength: 1, maxBytes: 253 }), 'Name.'),
  namespace: optional(label(), "Namespace; the object's own when absent. Another one's needs a ReferenceGrant."),
});
export interface SecretRef extends Static<typeof SecretRef> {}

/** Of the object's namespace unless it names one. */
export const ObjectRef = message('k8s.gateway.v1.ObjectReference', {
  group: required(groupName(), 'Group; empty for the core.'),
  kind: required(kindWord(), 'Kind.'),
  name: required(string({ minLength: 1, maxBytes: 253 }), 'Name.'),
  namespace: optional(label(), "Namespace; the object's own when absent."),
});
export interface ObjectRef extends Static<typeof ObjectRef> {}

export const LocalObjectRef = message('k8s.gateway.v1.LocalObjectReference', {
  group: required(groupName(), 'Group; empty for the core.'),
  kind: required(kindWord(), 'Kind.'),
  name: required(string({ minLength: 1, maxBytes: 253 }), 'Name.'),
});
export interface LocalObjectRef extends Static<typeof LocalObjectRef> {}
