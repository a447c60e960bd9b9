// What holds for the whole mesh; the part of Istio's MeshConfig that weft has.
import type { HostPort } from '../../proxy/base/host-port.ts';

export interface MeshSettings {
  /** SPIFFE trust domain of every workload. */
  readonly trustDomain: string;
  /** PEM roots of the mesh's own authority, as they are now. */
  readonly roots: () => string;
  /** DNS suffix of services: `reviews.default.svc.<domain>`. */
  readonly domain: string;
  /** Policies here hold for every namespace. */
  readonly rootNamespace: string;
  /** Name of the cluster in metrics. */
  readonly clusterId: string;
  /** Zipkin collector of proxies that name none; undefined: no spans. */
  readonly zipkin: HostPort | undefined;
  /** A namespace's hosts are claimed by others' rules only where it grants that (S101). Istio has no such setting. */
  readonly strictHosts?: boolean;
}

/** Istio's defaults. */
export const MESH_DEFAULTS: MeshSettings = {
  trustDomain: 'cluster.local',
  roots: () => '',
  domain: 'cluster.local',
  rootNamespace: 'istio-system',
  clusterId: 'Kubernetes',
  zipkin: undefined,
};

/** Istio's DestinationRule default. */
export const CONNECT_TIMEOUT = '10s';

/** Limits are off unless a DestinationRule sets them: Istio writes 2^32-1 for each. */
export const UNLIMITED = 4_294_967_295;
