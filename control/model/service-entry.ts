// ServiceEntry and WorkloadEntry: services and instances that no Kubernetes object describes (networking.istio.io).
import { isIP } from 'node:net';
import { enumeration, string, uint32 } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { addressRange, hostPattern, label } from './scalar.ts';

const port = () => uint32({ minimum: 1, maximum: 65_535 });

export const WorkloadEntrySpec = message('istio.networking.v1.WorkloadEntry', {
  address: required(string({ minLength: 1, maxBytes: 253 }), 'IP address; a name where the service resolves by DNS.'),
  ports: optional(map(port()), "Where it serves the service's ports, by their names; their targetPort when absent."),
  labels: optional(map(string()), 'Labels.'),
  locality: optional(string(), '`region/zone/subzone`.'),
  weight: optional(uint32({ maximum: 1_000_000 }), 'Share among the endpoints. Default 1.'),
  serviceAccount: optional(label(), 'Identity; with it, mutual TLS is spoken.'),
}, {
  refused: { 'there is one network': ['network'] },
});
export interface WorkloadEntrySpec extends Static<typeof WorkloadEntrySpec> {}

export const WorkloadEntry = message('istio.WorkloadEntry', {
  ...objectHead,
  spec: required(WorkloadEntrySpec, 'One instance.'),
});
export interface WorkloadEntry extends Static<typeof WorkloadEntry> {}

export const WorkloadGroupSpec = message('istio.networking.v1.WorkloadGroup', {
  metadata: optional(message('istio.networking.v1.WorkloadGroup.ObjectMeta', {
    labels: optional(map(string()), 'Labels of its entries.'),
    annotations: optional(map(string()), 'Annotations of its entries; none is read.'),
  }), 'What its entries have.'),
  template: required(message('istio.networking.v1.WorkloadGroup.Template', {
    ports: optional(map(port()), "Where entries serve the service's ports."),
    labels: optional(map(string()), 'Labels of its entries.'),
    locality: optional(string(), '`region/zone/subzone` of its entries.'),
    weight: optional(uint32({ maximum: 1_000_000 }), 'Share of each entry.'),
    serviceAccount: optional(label(), 'Identity of its entries.'),
  }, {
    refused: { 'there is one network': ['network'], 'each entry has its own': ['address'] },
  }), 'What entries do not say themselves.'),
}, {
  refused: { 'nobody asks the entries of a group; write health checks where they run': ['probe'] },
});
export interface WorkloadGroupSpec extends Static<typeof WorkloadGroupSpec> {}

export const WorkloadGroup = message('istio.WorkloadGroup', {
  ...objectHead,
  spec: required(WorkloadGroupSpec, 'Entries that are alike.'),
});
export interface WorkloadGroup extends Static<typeof WorkloadGroup> {}

export const ServiceEntryPort = message('istio.networking.v1.ServicePort', {
  number: required(port(), 'Port that clients name.'),
  name: required(string({ minLength: 1 }), 'Name.'),
  protocol: optional(string(), 'HTTP, HTTPS, GRPC, HTTP2, TCP or TLS; the name says it when absent.'),
  targetPort: optional(port(), 'Port of the endpoints; `number` when absent.'),
});
export interface ServiceEntryPort extends Static<typeof ServiceEntryPort> {}

export const ServiceEntrySpec = message('istio.networking.v1.ServiceEntry', {
  hosts: required(list(hostPattern(), { min: 1 }), 'Host names.'),
  ports: required(list(ServiceEntryPort, { min: 1 }), 'Ports.'),
  location: optional(enumeration(['MESH_EXTERNAL', 'MESH_INTERNAL']), 'MESH_EXTERNAL (default) has no mutual TLS.'),
  resolution: optional(enumeration(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN'], {
    refused: { DYNAMIC_DNS: 'hosts that are learned from requests are not supported yet' },
    numbers: { NONE: 0, STATIC: 1, DNS: 2, DNS_ROUND_ROBIN: 3 },
  }), 'How endpoints are found. NONE (default) goes to the address that was called, where connections are '
    + 'redirected; elsewhere to the host that was asked for, which is looked up by DNS.'),
  endpoints: optional(list(WorkloadEntrySpec), 'Endpoints; with DNS the hosts themselves when absent.'),
  workloadSelector: optional(message('istio.networking.v1.WorkloadSelector', {
    labels: optional(map(string()), 'Labels of workload entries and pods of the namespace.'),
  }), 'Endpoints by label.'),
  subjectAltNames: optional(list(string({ minLength: 1 })), 'Names of which the server certificate carries one.'),
  exportTo: optional(list(string()), "Namespaces that see it: '*' (default), '.', '~' or names."),
  addresses: optional(list(addressRange()), 'Virtual IPs, by which clients may ask for it too. Ranges '
    + 'are those of TCP ports, where connections are redirected.'),
}, {
  check: (spec) => {
    if (spec.endpoints !== undefined && spec.workloadSelector !== undefined) {
      return new Refusal('must not be set beside workloadSelector', ['endpoints']);
    }
    return badResolution(spec);
  },
});
export interface ServiceEntrySpec extends Static<typeof ServiceEntrySpec> {}

interface Resolving {
  readonly resolution?: string;
  readonly hosts: readonly string[];
  readonly endpoints?: readonly { address: string }[];
}

function badResolution({ resolution = 'NONE', hosts, endpoints = [] }: Resolving): Refusal | undefined {
  // Where connections are redirected those of a wildcard of resolution NONE go on to where they wanted.
  const isNowhere = (host: string): boolean => host === '*' || (host.startsWith('*') && resolution !== 'NONE');
  const wildcard = hosts.findIndex(isNowhere);
  if (wildcard >= 0 && (resolution !== 'STATIC' && endpoints.length === 0)) {
    const reason = `a wildcard cannot be looked up by DNS; resolution ${resolution} needs a name`;
    return new Refusal(reason, ['hosts', wildcard]);
  }
  if (resolution !== 'STATIC') return undefined;
  const named = endpoints.findIndex(({ address }) => isIP(address) === 0);
  return named < 0 ? undefined
    : new Refusal('must be an IP address where resolution is STATIC', ['endpoints', named, 'address']);
}

export const ServiceEntry = message('istio.ServiceEntry', {
  ...objectHead,
  spec: required(ServiceEntrySpec, 'The service.'),
});
export interface ServiceEntry extends Static<typeof ServiceEntry> {}
