// A proxy's supervisor as far as xDS sees it, beside a management server that is not ours; and resources in its words.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { systemClock } from '../../proxy/base/clock.ts';
import { SeededRandom } from '../../proxy/base/random.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { Bootstrap } from '../../proxy/config/bootstrap.ts';
import { decode } from '../../proxy/config/decode.ts';
import type { ResourceRefusal } from '../../proxy/config/discovery.ts';
import { Wire } from '../../proxy/config/wire.ts';
import type { ComponentLog } from '../../proxy/telemetry/log.ts';
import { statName } from '../../proxy/telemetry/stat-name.ts';
import { Stats } from '../../proxy/telemetry/stats.ts';
import { DynamicConfig } from '../../proxy/xds/dynamic-config.ts';
import { discoveryNode } from '../../proxy/xds/node.ts';
import { decodeResponse } from '../../proxy/xds/resource-decode.ts';
import { readResourceFile } from '../../proxy/xds/resource-file.ts';
import { nameOfType } from '../../proxy/xds/resource-type.ts';
import type { ResourceBatch } from '../../proxy/xds/resource-client.ts';
import { RawXds, RawXdsServer } from './raw-xds.ts';
import type { Raw, RawAny, RawServerStream } from './raw-xds.ts';

export const xds = new RawXds();
const wire = new Wire();

export const cluster = (name: string, more: Raw = {}): RawAny => xds.any('envoy.config.cluster.v3.Cluster', {
  name, type: 'EDS', eds_cluster_config: { eds_config: { ads: {} } }, ...more,
});
export const staticCluster = (name: string): RawAny => xds.any('envoy.config.cluster.v3.Cluster', {
  name, type: 'STATIC', load_assignment: { cluster_name: name },
});
export const endpoints = (name: string): RawAny => {
  const endpoint = { address: { socket_address: { address: '10.0.0.1', port_value: 80 } } };
  const type = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
  return xds.any(type, { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] });
};
export const routes = (name: string, domain = '*'): RawAny => xds.any('envoy.config.route.v3.RouteConfiguration', {
  name,
  virtual_hosts: [{ name: 'all', domains: [domain], routes: [{ match: { prefix: '/' }, route: { cluster: 'a' } }] }],
});
const NOWHERE = { address: { socket_address: { address: '127.0.0.1', port_value: 1 } } };

export const listener = (name: string, routeName: string, more: Raw = {}, at: object = NOWHERE): RawAny => {
  const manager = xds.any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'in',
    rds: { route_config_name: routeName, config_source: { ads: {} } },
    http_filters: [{ name: 'router', typed_config: xds.any('envoy.extensions.filters.http.router.v3.Router', {}) }],
    ...more,
  });
  return xds.any('envoy.config.listener.v3.Listener', {
    name,
    ...at,
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  });
};

interface More {
  readonly extra?: Raw;
  readonly ownSecrets?: string[];
  /** Where clusters come from; default ADS. Listeners come over ADS then. */
  readonly cds?: Raw;
  /** Of ads_config; default DELTA_GRPC. */
  readonly apiType?: 'GRPC' | 'DELTA_GRPC';
}

/** Takes batches, and refuses what a test says. */
export class FakeProxy {
  readonly config: DynamicConfig;
  readonly batches: ResourceBatch[] = [];
  readonly lines: string[] = [];
  readonly stats: Stats;
  readonly refuse = new Map<string, string>();
  /** Resolves for each apply; a test that sets it holds configuration back. */
  hold: Promise<void> = Promise.resolve();
  bug: Error | undefined = undefined;
  initialised = 0;
  asked = 0;

  constructor(port: number, more: More = {}) {
    const file = {
      node: { id: 'sidecar~1', cluster: 'test', metadata: { NAMESPACE: 'default' } },
      dynamicResources: {
        adsConfig: { apiType: more.apiType ?? 'DELTA_GRPC', grpcServices: [{ envoyGrpc: { clusterName: 'xds' } }] },
        cdsConfig: more.cds ?? { ads: {} },
        ldsConfig: { ads: {} },
      },
      staticResources: { clusters: [xdsCluster('xds', port), xdsCluster('sds', port)], ...more.extra },
    };
    const { value: bootstrap, errors } = decode(Bootstrap, file);
    assert.deepEqual(errors, []);
    const say = (line: string): void => void this.lines.push(line);
    const log: ComponentLog = {
      trace: say, debug: say, info: say, warning: say, error: say, critical: say, enabled: () => true,
    };
    this.stats = new Stats({ chunk: () => undefined, register: () => undefined });
    this.config = new DynamicConfig({
      bootstrap: bootstrap!, node: discoveryNode(bootstrap!.node ?? {}, '0.1.0'), handler: this,
      tls: () => { throw new Error('no TLS here'); },
      ownSecrets: new Set(more.ownSecrets ?? []), wire, clock: systemClock,
      decode: (response) => decodeResponse({ wire, clock: systemClock }, response),
      decodeFile: (type, path) => readResourceFile(type, path, { clock: systemClock, wire: async () => wire }),
      wheel: new TimerWheel(systemClock),
      random: new SeededRandom(7), stats: this.stats, log, onInitialised: () => { this.initialised++; },
    });
  }

  async apply(batch: ResourceBatch): Promise<{ refused: ResourceRefusal[] }> {
    this.asked++;
    await this.hold;
    if (this.bug !== undefined) throw this.bug;
    this.batches.push(batch);
    const refused = batch.updated.filter(({ name }) => this.refuse.has(name));
    return { refused: refused.map(({ name }) => ({ name, reason: this.refuse.get(name)! })) };
  }

  /** `cds +a +b -c` for each batch. */
  get applied(): string[] {
    return this.batches.map(({ type, updated, removed }) => [
      nameOfType(type).service, ...updated.map(({ name }) => `+${name}`), ...removed.map((name) => `-${name}`),
    ].join(' '));
  }

  count(flat: string): number {
    const at = flat.lastIndexOf('.') + 1;
    const scope = { flat: flat.slice(0, at), family: '', labels: [] };
    return this.stats.counter(statName(scope, flat.slice(at))).value;
  }
}

export function xdsCluster(name: string, port: number): Raw {
  const address = { socketAddress: { address: '127.0.0.1', portValue: port } };
  const endpoints = [{ lbEndpoints: [{ endpoint: { address } }] }];
  return { name, connectTimeout: '2s', loadAssignment: { clusterName: name, endpoints } };
}


export interface Setting {
  readonly server: RawXdsServer;
  readonly proxy: FakeProxy;
  readonly stream: RawServerStream;
}

export async function connect(t: TestContext, more: More = {}): Promise<Setting> {
  const server = new RawXdsServer(xds);
  await server.listen();
  const proxy = new FakeProxy(server.port, more);
  t.after(() => {
    proxy.config.stop();
    server.kill();
  });
  proxy.config.start();
  return { server, proxy, stream: await server.streams.next() };
}
