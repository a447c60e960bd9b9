// A mesh of one value that our xDS server serves, and the bootstrap with which Envoy and weft alike ask for it.
import { ServerCredentials } from '@grpc/grpc-js';
import type { Server } from '@grpc/grpc-js';
import { listenXds, makeXdsServer } from '../../control/push/listen.ts';
import { PushServer } from '../../control/push/push-server.ts';
import { SnapshotBuilder } from '../../control/push/snapshot.ts';
import type { SnapshotInput } from '../../control/push/snapshot.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import type { Address } from '../../proxy/config/address.ts';
import type { Cluster } from '../../proxy/config/cluster.ts';
import type { ClusterLoadAssignment } from '../../proxy/config/endpoint.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import type { RouteConfiguration } from '../../proxy/config/route.ts';
import { HTTP_CONNECTION_MANAGER_TYPE, ROUTER_TYPE } from '../../proxy/config/type-url.ts';
import { Wire } from '../../proxy/config/wire.ts';
import { until } from './until.ts';

/** node.id of the proxy. */
export const NODE_ID = 'proxy~1';
const NODE = { id: NODE_ID, cluster: 'test' };

const addressOf = (portValue: number): Address => ({ socketAddress: { address: '127.0.0.1', portValue } });

/** By EDS. */
export function edsCluster(name: string): Cluster {
  const edsConfig = { ads: {}, resourceApiVersion: 'V3' } as const;
  return { name, type: 'EDS', edsClusterConfig: { edsConfig }, connectTimeout: '1s' };
}

export function endpointsOf(clusterName: string, port: number): ClusterLoadAssignment {
  return { clusterName, endpoints: [{ lbEndpoints: [{ endpoint: { address: addressOf(port) } }] }] };
}

function routesTo(cluster: string): RouteConfiguration {
  const headers = [{ header: { key: 'x-cluster', value: cluster } }];
  const routes = [{ match: { prefix: '/' }, route: { cluster }, responseHeadersToAdd: headers }];
  return { name: 'r', virtualHosts: [{ name: 'all', domains: ['*'], routes }] };
}

/** A listener whose routes come by RDS as `r`. */
export function listenerOn(port: number): Listener {
  return {
    name: 'l',
    address: addressOf(port),
    filterChains: [{
      filters: [{
        name: 'http',
        typedConfig: {
          '@type': HTTP_CONNECTION_MANAGER_TYPE,
          statPrefix: 'in',
          rds: { routeConfigName: 'r', configSource: { ads: {}, resourceApiVersion: 'V3' } },
          httpFilters: [{ name: 'router', typedConfig: { '@type': ROUTER_TYPE } }],
        },
      }],
    }],
  };
}

/** The variants of xDS as a bootstrap calls them. */
export type ApiType = 'GRPC' | 'DELTA_GRPC';

/** Envoy's JSON; for Envoy and weft alike. `node` is told to the control plane; `secure` is of the cluster's fields. */
export function xdsBootstrap(
  adminPort: number, xdsPort: number, node: object = NODE, secure: Record<string, unknown> = {},
  apiType: ApiType = 'DELTA_GRPC',
): string {
  const http2 = { explicit_http_config: { http2_protocol_options: {} } };
  const options = { '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions', ...http2 };
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: xdsPort } } };
  return JSON.stringify({
    node,
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    dynamic_resources: {
      ads_config: {
        api_type: apiType, transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3' },
      lds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [{
        name: 'xds', type: 'STATIC', connect_timeout: '1s', ...secure,
        typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options },
        load_assignment: { cluster_name: 'xds', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
      }],
    },
  });
}

/** A control plane whose mesh is one value that the test sets. */
export class XdsControl {
  readonly push: PushServer;
  mesh: SnapshotInput;
  port: number;
  #server: Server | undefined = undefined;

  /** On a port of the system's choice, or one that another left. */
  constructor(mesh: SnapshotInput, port = 0) {
    this.mesh = mesh;
    this.port = port;
    const wire = new Wire();
    const builder = new SnapshotBuilder(wire);
    const log = { info: (): void => undefined, warning: (): void => undefined };
    this.push = new PushServer({
      wire, log, clock: systemClock, wheel: new TimerWheel(systemClock), snapshotFor: () => builder.build(this.mesh),
    });
  }

  async listen(): Promise<void> {
    this.#server = makeXdsServer(this.push);
    this.port = await listenXds(this.#server, `127.0.0.1:${this.port}`, ServerCredentials.createInsecure());
  }

  kill(): void {
    this.#server?.forceShutdown();
  }

  set(mesh: SnapshotInput): void {
    this.mesh = mesh;
    this.push.refresh();
  }

  /** All four types are sent, answered and accepted. */
  synced(): Promise<void> {
    return until('synced', () => {
      const types = this.push.receipts.list()[0]?.types ?? [];
      return types.length === 4 && types.every(({ sent, acked, pending }) => !pending && sent === acked);
    });
  }
}

/** One listener whose routes lead to one cluster, which adds its name to responses as x-cluster. */
export function meshTo(cluster: string, port: number, upstreamPort: number): SnapshotInput {
  return {
    clusters: [edsCluster(cluster)],
    endpoints: [endpointsOf(cluster, upstreamPort)],
    listeners: [listenerOn(port)],
    routes: [routesTo(cluster)],
  };
}

/** The cluster that answered, or the status. */
export async function clusterAt(url: string): Promise<string> {
  const response = await fetch(url);
  await response.arrayBuffer();
  return response.status === 200 ? (response.headers.get('x-cluster') ?? '') : String(response.status);
}

/** Clusters that answered while requests follow one another, in the order of their first answer. */
export class Traffic {
  readonly seen = new Map<string, number>();
  readonly #done: Promise<void>;
  #isRunning = true;

  constructor(url: string) {
    this.#done = this.#run(url);
  }

  async stop(): Promise<string[]> {
    this.#isRunning = false;
    await this.#done;
    return [...this.seen.keys()];
  }

  async #run(url: string): Promise<void> {
    while (this.#isRunning) {
      const cluster = await clusterAt(url);
      this.seen.set(cluster, (this.seen.get(cluster) ?? 0) + 1);
    }
  }
}
