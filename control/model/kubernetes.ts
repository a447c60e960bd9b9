// The Kubernetes objects that say which services there are and where their instances run.
import { bool, enumeration, string, uint32 } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, required, type Fields, type Static } from '../../proxy/config/schema.ts';
import { hostPattern, intOrString, label, opaque } from './scalar.ts';
import { objectHead } from './object-meta.ts';

/** Fields that Kubernetes acts on and the mesh has no use for. */
function elsewhere(...names: string[]): Record<string, ReturnType<typeof optional<unknown>>> {
  return Object.fromEntries(names.map((name) => [name, optional(opaque(), 'Kubernetes acts on it; not read here.')]));
}

const port = () => uint32({ minimum: 1, maximum: 65_535 });

const servicePort = message('k8s.v1.ServicePort', {
  name: optional(string(), 'Name; its first word is the protocol (http-web) when appProtocol is absent.'),
  port: required(port(), 'Port that clients name.'),
  targetPort: optional(intOrString(), 'Port of the instances, by number or name; `port` when absent.'),
  protocol: optional(enumeration(['TCP', 'UDP', 'SCTP']), 'Transport; TCP when absent.'),
  appProtocol: optional(string(), 'What is spoken; goes before the name.'),
  nodePort: optional(opaque(), 'Kubernetes acts on it; not read here.'),
});

export const Service = message('k8s.v1.Service', {
  ...objectHead,
  spec: required(message('k8s.v1.ServiceSpec', {
    selector: optional(map(string()), 'Labels of its pods and workload entries.'),
    ports: optional(list(servicePort), 'Ports.'),
    clusterIP: optional(string(), 'Virtual IP, or None.'),
    clusterIPs: optional(list(string()), 'Virtual IPs.'),
    publishNotReadyAddresses: optional(bool(), 'Serve addresses that are not ready as well.'),
    ...elsewhere(
      'sessionAffinityConfig', 'externalIPs', 'loadBalancerIP', 'loadBalancerClass', 'loadBalancerSourceRanges',
      'allocateLoadBalancerNodePorts', 'externalTrafficPolicy', 'healthCheckNodePort', 'ipFamilyPolicy',
      'internalTrafficPolicy',
    ),
    sessionAffinity: optional(string(), 'ClientIP is warned about: write a DestinationRule.'),
    type: optional(string(), 'ExternalName is another name of a host; the others are alike here.'),
    externalName: optional(hostPattern(), 'The host that it is another name of.'),
    ipFamilies: optional(list(string()), 'IPv4, IPv6; of pods with both addresses, that of the first is used.'),
    trafficDistribution: optional(string(), 'Nearness; warned about: write localityLbSetting of a DestinationRule.'),
  }), 'What the service is.'),
});
export interface Service extends Static<typeof Service> {}

const objectReference = message('k8s.v1.ObjectReference', {
  kind: optional(string(), 'Kind; Pod.'),
  name: optional(string(), 'Name of the pod.'),
  namespace: optional(string(), 'Namespace of the pod.'),
  ...elsewhere('uid', 'apiVersion', 'resourceVersion', 'fieldPath'),
});

const endpointAddress = message('k8s.v1.EndpointAddress', {
  ip: required(string({ minLength: 1 }), 'IP address.'),
  hostname: optional(opaque(), 'Kubernetes acts on it; not read here.'),
  nodeName: optional(string(), 'Node, whose labels say where it is.'),
  targetRef: optional(objectReference, 'The pod that serves it, whose labels and identity hold.'),
});

export const Endpoints = message('k8s.v1.Endpoints', {
  ...objectHead,
  subsets: optional(list(message('k8s.v1.EndpointSubset', {
    addresses: optional(list(endpointAddress), 'Addresses that are ready.'),
    notReadyAddresses: optional(list(endpointAddress), 'Addresses that are not.'),
    ports: optional(list(message('k8s.v1.EndpointPort', {
      name: optional(string(), 'The service port that it serves.'),
      port: required(port(), 'Number.'),
      protocol: optional(enumeration(['TCP', 'UDP', 'SCTP']), 'Transport.'),
      appProtocol: optional(opaque(), 'The service says it.'),
    })), 'Ports on those addresses.'),
  })), 'Addresses with the ports that they serve.'),
});
export interface Endpoints extends Static<typeof Endpoints> {}

export const EndpointSlice = message('k8s.discovery.v1.EndpointSlice', {
  ...objectHead,
  addressType: optional(enumeration(['IPv4', 'IPv6'], { refused: { FQDN: 'write a ServiceEntry' } }), 'Family.'),
  endpoints: optional(list(message('k8s.discovery.v1.Endpoint', {
    addresses: required(list(string({ minLength: 1 }), { min: 1 }), 'IP addresses.'),
    conditions: optional(message('k8s.discovery.v1.EndpointConditions', {
      ready: optional(bool(), 'Takes traffic; true when absent.'),
      serving: optional(bool(), 'As ready, also while terminating.'),
      terminating: optional(bool(), 'Going away.'),
    }), 'State.'),
    targetRef: optional(objectReference, 'The pod that serves it.'),
    zone: optional(string(), 'Zone.'),
    nodeName: optional(string(), 'Node, whose labels say where it is.'),
    ...elsewhere('hostname', 'hints', 'deprecatedTopology'),
  })), 'Endpoints.'),
  ports: optional(list(message('k8s.discovery.v1.EndpointPort', {
    name: optional(string(), 'The service port that it serves.'),
    port: required(port(), 'Number.'),
    protocol: optional(enumeration(['TCP', 'UDP', 'SCTP']), 'Transport.'),
    appProtocol: optional(opaque(), 'The service says it.'),
  })), 'Ports of all of them.'),
});
export interface EndpointSlice extends Static<typeof EndpointSlice> {}

const container = message('k8s.v1.Container', {
  name: optional(string(), 'Name.'),
  ports: optional(list(message('k8s.v1.ContainerPort', {
    name: optional(string(), 'Name that Service.targetPort may use.'),
    containerPort: required(port(), 'Number.'),
    protocol: optional(enumeration(['TCP', 'UDP', 'SCTP']), 'Transport.'),
    ...elsewhere('hostPort', 'hostIP'),
  })), 'Ports.'),
  ...elsewhere(
    'image', 'command', 'args', 'workingDir', 'envFrom', 'env', 'resources', 'resizePolicy', 'restartPolicy',
    'volumeMounts', 'volumeDevices', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle',
    'terminationMessagePath', 'terminationMessagePolicy', 'imagePullPolicy', 'securityContext',
    'stdin', 'stdinOnce', 'tty',
  ),
});

const podFields = {
  serviceAccountName: optional(label(), "Identity; 'default' when absent."),
  nodeName: optional(string(), 'Node, whose labels say where it is.'),
  containers: optional(list(container), 'Containers; their named ports.'),
  ...elsewhere(
    'serviceAccount', 'volumes', 'initContainers', 'ephemeralContainers', 'restartPolicy',
    'terminationGracePeriodSeconds',
    'activeDeadlineSeconds', 'dnsPolicy', 'nodeSelector', 'automountServiceAccountToken', 'hostNetwork',
    'hostPID', 'hostIPC', 'shareProcessNamespace', 'securityContext', 'imagePullSecrets', 'hostname', 'subdomain',
    'affinity', 'schedulerName', 'tolerations', 'hostAliases', 'priorityClassName', 'priority', 'dnsConfig',
    'readinessGates', 'runtimeClassName', 'enableServiceLinks', 'preemptionPolicy', 'overhead',
    'topologySpreadConstraints', 'setHostnameAsFQDN', 'os', 'hostUsers', 'schedulingGates', 'resourceClaims',
    'resources',
  ),
} satisfies Fields;

export const Pod = message('k8s.v1.Pod', {
  ...objectHead,
  spec: optional(message('k8s.v1.PodSpec', podFields), 'What the pod is.'),
  status: optional(message('k8s.v1.PodStatus', {
    podIP: optional(string(), 'Address.'),
    podIPs: optional(list(message('k8s.v1.PodIP', { ip: optional(string(), 'Address.') })), 'Addresses.'),
    phase: optional(string(), 'Life phase; Succeeded and Failed pods serve nothing.'),
    conditions: optional(list(message('k8s.v1.PodCondition', {
      type: required(string(), 'Which condition; Ready is read.'),
      status: required(string(), 'True, False or Unknown.'),
      ...elsewhere('lastProbeTime', 'lastTransitionTime', 'reason', 'message', 'observedGeneration'),
    })), 'Conditions.'),
    ...elsewhere(
      'hostIP', 'hostIPs', 'startTime', 'containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses',
      'qosClass', 'message', 'reason', 'nominatedNodeName', 'resize', 'resourceClaimStatuses', 'observedGeneration',
    ),
  }), 'Where it runs.'),
});
export interface Pod extends Static<typeof Pod> {}

export const ServiceAccount = message('k8s.v1.ServiceAccount', {
  ...objectHead,
  ...elsewhere('secrets', 'imagePullSecrets', 'automountServiceAccountToken'),
});
export interface ServiceAccount extends Static<typeof ServiceAccount> {}

export const Namespace = message('k8s.v1.Namespace', {
  ...objectHead,
  ...elsewhere('spec'),
});
export interface Namespace extends Static<typeof Namespace> {}

export const Node = message('k8s.v1.Node', {
  ...objectHead,
  ...elsewhere('spec'),
});
export interface Node extends Static<typeof Node> {}
