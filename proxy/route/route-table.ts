// A RouteConfiguration, compiled: immutable, swapped whole, asked once for each request.
import type { RouteConfiguration, VirtualHost as VirtualHostConfig } from '../config/route.ts';
import type { RequestHead } from '../http/message.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { DIRECT_BODY_BYTES_MAX } from './direct-response.ts';
import { DomainIndex } from './domain-index.ts';
import type { FilterConfigCompiler } from './filter-config.ts';
import { NO_FILTER_CONFIGS } from './filter-config.ts';
import type { Level, TableSettings } from './route-entry-compile.ts';
import { compileLevel } from './route-entry-compile.ts';
import type { RouteEntry } from './route-entry.ts';
import type { VirtualHost } from './virtual-host.ts';
import { compileVirtualHost } from './virtual-host.ts';

export class RouteTable {
  /** Name by which RDS knows it. */
  readonly name: string;
  /** Clusters that routes name; those that headers name at run time are not among them. */
  readonly clusters: ReadonlySet<string>;
  /** There may be more hosts, which come when they are asked for. */
  readonly isOnDemand: boolean;
  readonly #hosts: DomainIndex<VirtualHost>;
  readonly #ignorePort: boolean;

  constructor(
    name: string, clusters: ReadonlySet<string>, hosts: DomainIndex<VirtualHost>, ignorePort: boolean,
    isOnDemand = false,
  ) {
    this.name = name;
    this.clusters = clusters;
    this.#hosts = hosts;
    this.#ignorePort = ignorePort;
    this.isOnDemand = isOnDemand;
  }

  /** `random` is the request's draw in [0, 1), for routes that take a share. Never throws. */
  match(head: RequestHead, info: StreamInfo | undefined, random: number): RouteEntry | undefined {
    const authority = this.#ignorePort ? withoutPort(head.authority) : head.authority;
    return this.#hosts.find(authority)?.match(head, random, info);
  }
}

const OUTERMOST: Level = { requestHeaders: [], responseHeaders: [], filterConfigs: NO_FILTER_CONFIGS, mirrors: [] };

/** Compiles a table in slices, because thousands of virtual hosts take longer than an event loop may be held. */
export class RouteTableBuild {
  readonly #config: RouteConfiguration;
  readonly #settings: TableSettings;
  readonly #level: Level;
  readonly #hosts = new DomainIndex<VirtualHost>();
  #next = 0;

  /** Throws ConfigError, as `step` does. `owner` names the table among all of a worker. */
  constructor(config: RouteConfiguration, compileFilterConfig: FilterConfigCompiler, owner = '') {
    this.#config = config;
    this.#settings = {
      compileFilterConfig: (name, fields, path, outer) => compileFilterConfig(name, fields, path, outer, owner),
      directBodyBytesMax: config.maxDirectResponseBodySizeBytes ?? DIRECT_BODY_BYTES_MAX,
      mostSpecificWins: config.mostSpecificHeaderMutationsWins === true,
      clusters: new Set(),
    };
    this.#level = compileLevel(config, OUTERMOST, this.#settings, '');
  }

  /** Compiles virtual hosts until about `routes` routes are done; the table once all are. */
  step(routes: number): RouteTable | undefined {
    const configs = this.#config.virtualHosts ?? [];
    let left = routes;
    while (this.#next < configs.length) {
      if (left <= 0) return undefined;
      const config = configs[this.#next]!;
      this.#compileHost(config, `virtualHosts[${this.#next}]`);
      this.#next++;
      left -= Math.max(1, config.routes?.length ?? 0);
    }
    const { name = '', ignorePortInHostMatching: ignoresPort = false, vhds } = this.#config;
    return new RouteTable(name, this.#settings.clusters, this.#hosts, ignoresPort, vhds !== undefined);
  }

  #compileHost(config: VirtualHostConfig, path: string): void {
    const host = compileVirtualHost(config, this.#level, this.#settings, path);
    config.domains.forEach((domain, i) => this.#hosts.add(domain, host, `${path}.domains[${i}]`));
  }
}

/** Compiles a table at once. Throws ConfigError with the field's path; nothing is kept of a table that fails. */
export function compileRouteTable(config: RouteConfiguration, compileFilterConfig: FilterConfigCompiler): RouteTable {
  return new RouteTableBuild(config, compileFilterConfig).step(Infinity)!;
}

/** The authority without `:port`; the colons of an IPv6 literal are inside its brackets. */
function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon === -1 || colon < authority.lastIndexOf(']') ? authority : authority.slice(0, colon);
}
