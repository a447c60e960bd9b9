// A weft proxy inside the test's process: real workers, real sockets, ports of the system's choice;
// and bootstraps by hand.
import { systemClock } from '../../proxy/base/clock.ts';
import { Bootstrap } from '../../proxy/config/bootstrap.ts';
import { decode } from '../../proxy/config/decode.ts';
import { Listener } from '../../proxy/config/listener.ts';
import { RunningProxy } from '../../proxy/supervisor/running-proxy.ts';
import { Logger } from '../../proxy/telemetry/log.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters';

/** A proxy that ends with the test. */
export class TestProxy implements AsyncDisposable {
  readonly running: RunningProxy;
  readonly logLines: string[];

  private constructor(running: RunningProxy, logLines: string[]) {
    this.running = running;
    this.logLines = logLines;
  }

  /** `bootstrap` in either spelling; its faults reject. */
  static async start(bootstrap: unknown, options: { concurrency?: number; heapMb?: number } = {}): Promise<TestProxy> {
    const decoded = decode(Bootstrap, bootstrap);
    if (decoded.value === undefined) throw new Error(decoded.errors.map((error) => error.message).join('\n'));
    const logLines: string[] = [];
    const log = new Logger('info', systemClock, (line) => logLines.push(line) > 0);
    const { id = 'test', metadata = {} } = decoded.value.node ?? {};
    const node = { id, cluster: 'test', metadata };
    const running = await RunningProxy.start({
      bootstrap: decoded.value, node, log, clock: systemClock, logLevel: 'off', version: 'test',
      concurrency: options.concurrency ?? 1,
      ...(options.heapMb !== undefined && { heapMb: options.heapMb }),
    });
    return new TestProxy(running, logLines);
  }

  /** The port of a listener, which listens by now. */
  port(listener = 'http'): number {
    const port = this.running.supervisor.portOf(listener);
    if (port === undefined) throw new Error(`listener ${listener} does not listen:\n${this.logLines.join('')}`);
    return port;
  }

  /** The sum of a counter or gauge over all workers, by its flat name. */
  stat(name: string): number {
    return this.running.stats.read(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running.stop();
  }
}

/** A listener `http` on 127.0.0.1 with one connection manager in front of `routes`; `manager` adds fields to it. */
export function httpListener(
  routes: readonly unknown[], manager: Record<string, unknown> = {}, name = 'http',
): unknown {
  const { http_filters: filters = [], ...rest } = manager as { http_filters?: unknown[] };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{
      filters: [{
        name: 'http',
        typed_config: {
          '@type': `${TYPE}.network.http_connection_manager.v3.HttpConnectionManager`,
          stat_prefix: name,
          route_config: { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
          http_filters: [
            ...filters,
            { name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.http.router.v3.Router` } },
          ],
          ...rest,
        },
      }],
    }],
  };
}

/** A STATIC cluster over ports of 127.0.0.1; `fields` are added. */
export function staticCluster(name: string, ports: readonly number[], fields: Record<string, unknown> = {}): unknown {
  const endpoints = ports.map((port) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
  }));
  return {
    name, type: 'STATIC', connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
    ...fields,
  };
}

export function bootstrapOf(listeners: readonly unknown[], clusters: readonly unknown[]): unknown {
  return { static_resources: { listeners, clusters } };
}

/** Everything to one cluster. */
export function routeTo(cluster: string, route: Record<string, unknown> = {}): unknown {
  return { match: { prefix: '/' }, route: { cluster, ...route } };
}

/** A listener as configuration sources give it to the supervisor: decoded. */
export function decoded(listener: unknown): Listener {
  const { value, errors } = decode(Listener, listener);
  if (value === undefined) throw new Error(errors.map((error) => error.message).join('\n'));
  return value;
}
