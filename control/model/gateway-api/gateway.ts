// GatewayClass, Gateway and ListenerSet: who implements a gateway, and what it listens for (gateway.networking.k8s.io).
import { enumeration, string } from '../../../proxy/config/scalar.ts';
import { list, map, message, optional, Refusal, required, type Static } from '../../../proxy/config/schema.ts';
import { LabelSelector } from '../label-selector.ts';
import { objectHead } from '../object-meta.ts';
import { matching, objectName } from '../scalar.ts';
import {
  groupName, hostname, kindWord, LocalObjectRef, ObjectRef, ParentGatewayRef, portNumber, SecretRef,
} from './reference.ts';

export const GatewayClass = message('k8s.gateway.v1.GatewayClass', {
  ...objectHead,
  spec: required(message('k8s.gateway.v1.GatewayClassSpec', {
    controllerName: required(matching(/^[a-z0-9][-a-z0-9.]{0,200}\/.{1,200}$/, "a name like 'weft.dev/controller'"),
      'Who implements gateways of the class.'),
    description: optional(string(), 'For people.'),
    parametersRef: optional(ObjectRef, 'More settings; no kind of them is known, and the class is not accepted.'),
  }), 'The class.'),
});
export interface GatewayClass extends Static<typeof GatewayClass> {}

const RouteNamespaces = message('k8s.gateway.v1.RouteNamespaces', {
  from: optional(enumeration(['All', 'Selector', 'Same', 'None']), 'Whose.'),
  selector: optional(LabelSelector, 'For Selector: labels of the namespace.'),
});
export interface RouteNamespaces extends Static<typeof RouteNamespaces> {}

const ListenerTls = message('k8s.gateway.v1.ListenerTLSConfig', {
  mode: optional(enumeration(['Terminate', 'Passthrough']), 'Where TLS ends; Terminate when absent.'),
  certificateRefs: optional(list(SecretRef, { max: 64 }), 'Secrets of certificates with their keys.'),
  options: optional(map(string()), 'Words of other implementations; each is warned about.'),
});

export const Listener = message('k8s.gateway.v1.Listener', {
  name: required(objectName(), 'Name, unique in the object.'),
  hostname: optional(hostname(), 'Hosts of its requests; all when absent.'),
  port: required(portNumber(), 'Port.'),
  protocol: required(string({ minLength: 1, maxBytes: 255 }), 'HTTP, HTTPS, TLS or TCP.'),
  tls: optional(ListenerTls, 'For HTTPS and TLS.'),
  allowedRoutes: optional(message('k8s.gateway.v1.AllowedRoutes', {
    namespaces: optional(RouteNamespaces, "Routes of these; of the gateway's own when absent."),
    kinds: optional(list(message('k8s.gateway.v1.RouteGroupKind', {
      group: optional(groupName(), 'Group; gateway.networking.k8s.io when absent.'),
      kind: required(kindWord(), 'Kind.'),
    }), { max: 8 }), 'Routes of these kinds; all that go with the protocol when absent.'),
  }), 'Who may attach.'),
}, {
  check: ({ protocol, hostname: host, tls }) => {
    if (['HTTP', 'TCP', 'UDP'].includes(protocol) && tls !== undefined) {
      return new Refusal(`must not be set for ${protocol}`, ['tls']);
    }
    if (['TCP', 'UDP'].includes(protocol) && host !== undefined) {
      return new Refusal(`must not be set for ${protocol}`, ['hostname']);
    }
    if (protocol === 'HTTPS' && tls?.mode === 'Passthrough') {
      return new Refusal('must be Terminate for HTTPS', ['tls', 'mode']);
    }
    return undefined;
  },
});
export interface Listener extends Static<typeof Listener> {}

const listeners = list(Listener, { min: 1, max: 64 });

interface Named {
  readonly listeners: readonly Listener[];
}

function checkListeners({ listeners: all }: Named): Refusal | undefined {
  const names = new Set<string>();
  for (const [at, { name }] of all.entries()) {
    if (names.has(name)) return new Refusal(`'${name}' stands twice`, ['listeners', at, 'name']);
    names.add(name);
  }
  return undefined;
}

const FrontendValidation = message('k8s.gateway.v1.FrontendTLSValidation', {
  caCertificateRefs: required(list(ObjectRef, { min: 1, max: 16 }), 'ConfigMaps (or Secrets) with ca.crt.'),
  mode: optional(enumeration(['AllowValidOnly', 'AllowInsecureFallback']), 'What a client without a good certificate '
    + 'gets; AllowValidOnly when absent: nothing.'),
});
export interface FrontendValidation extends Static<typeof FrontendValidation> {}

const FrontendTls = message('k8s.gateway.v1.TLSConfig', {
  validation: optional(FrontendValidation, 'Clients show certificates; none are asked for when absent.'),
});

const GatewayTlsConfig = message('k8s.gateway.v1.GatewayTLSConfig', {
  backend: optional(message('k8s.gateway.v1.GatewayBackendTLS', {
    clientCertificateRef: optional(SecretRef, 'Shown to backends that BackendTLSPolicies are for.'),
  }), 'Towards backends.'),
  frontend: optional(message('k8s.gateway.v1.FrontendTLSConfig', {
    default: required(FrontendTls, 'At all ports of HTTPS.'),
    perPort: optional(list(message('k8s.gateway.v1.TLSPortConfig', {
      port: required(portNumber(), 'Port.'),
      tls: required(FrontendTls, 'In place of the default there.'),
    }), { max: 64 }), 'At some ports.'),
  }), 'Towards clients.'),
});

export const KubernetesGateway = message('k8s.gateway.v1.Gateway', {
  ...objectHead,
  spec: required(message('k8s.gateway.v1.GatewaySpec', {
    gatewayClassName: required(objectName(), 'Class: a GatewayClass of this controller, or weft.'),
    listeners: required(listeners, 'What it listens for.'),
    addresses: optional(list(message('k8s.gateway.v1.GatewaySpecAddress', {
      type: optional(string({ minLength: 1 }), 'Hostname or IPAddress (default).'),
      value: optional(string(), "For Hostname a Service, whose workloads then are the gateway's proxies."),
    }), { max: 16 }), 'Where it is; without any, its proxies are those with the label '
      + 'gateway.networking.k8s.io/gateway-name.'),
    infrastructure: optional(message('k8s.gateway.v1.GatewayInfrastructure', {
      labels: optional(map(string()), 'For whoever deploys its proxies.'),
      annotations: optional(map(string()), 'For whoever deploys its proxies.'),
      parametersRef: optional(LocalObjectRef, 'More settings; no kind of them is known, and the gateway is not '
        + 'accepted.'),
    }), 'What is made for it.'),
    allowedListeners: optional(message('k8s.gateway.v1.AllowedListeners', {
      namespaces: optional(RouteNamespaces, 'ListenerSets of these; none when absent.'),
    }), 'Who may add listeners.'),
    tls: optional(GatewayTlsConfig, 'Certificates of clients, and its own towards backends.'),
    defaultScope: optional(enumeration(['None'], {
      refused: { All: 'routes name their gateways' },
    }), 'Only None.'),
  }, { check: checkListeners }), 'The gateway.'),
});
export interface KubernetesGateway extends Static<typeof KubernetesGateway> {}

export const ListenerSet = message('k8s.gateway.v1.ListenerSet', {
  ...objectHead,
  spec: required(message('k8s.gateway.v1.ListenerSetSpec', {
    parentRef: required(ParentGatewayRef, 'The Gateway that the listeners are added to.'),
    listeners: required(listeners, 'Listeners, as those of a Gateway.'),
  }, { check: checkListeners }), 'Listeners.'),
});
export interface ListenerSet extends Static<typeof ListenerSet> {}
