// Who this proxy is, and free-form metadata (envoy.config.core.v3: base.proto).
import { string, struct } from './scalar.ts';
import { map, message, optional, type Static } from './schema.ts';

export const Metadata = message('envoy.config.core.v3.Metadata', {
  filterMetadata: optional(map(struct()), 'Objects by the name of who reads them, such as istio.'),
}, {
  warned: { 'no filter reads it': ['typed_filter_metadata'] },
});
export interface Metadata extends Static<typeof Metadata> {}

export const Locality = message('envoy.config.core.v3.Locality', {
  region: optional(string(), 'Region.'),
  zone: optional(string(), 'Zone in the region.'),
  subZone: optional(string(), 'Part of the zone, such as a rack.'),
});
export interface Locality extends Static<typeof Locality> {}

export const Node = message('envoy.config.core.v3.Node', {
  id: optional(string(), 'Name of this proxy, unique in the mesh; --service-node overrides it. xDS needs one.'),
  cluster: optional(string(), 'Service that this proxy belongs to; --service-cluster overrides it.'),
  metadata: optional(struct(), 'What the control plane is told. WEFT_CA { address, token_file, root_file, '
    + 'trust_domain } '
    + 'makes this proxy ask that certificate authority for its identity.'),
  locality: optional(Locality, 'Where this proxy runs.'),
}, {
  warned: {
    'weft says by itself what it is and can do': ['user_agent_name', 'user_agent_version', 'user_agent_build_version',
      'extensions', 'client_features', 'listening_addresses'],
    'xDS resource names have no context parameters': ['dynamic_parameters'],
  },
});
export interface Node extends Static<typeof Node> {}
