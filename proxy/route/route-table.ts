// A RouteConfiguration, compiled: immutable, swapped whole, asked once for each request.
import type { HostPart, KeptHosts } from '../config/host-part.ts';
import type { RouteConfiguration, VirtualHost as VirtualHostConfig } from '../config/route.ts';
import { ConfigError } from '../base/error.ts';
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

/** A virtual host with what a later table needs, to take it over as it is. */
export interface TableHost {
  readonly host: VirtualHost;
  readonly domains: readonly string[];
  /** Clusters that its routes name. */
  readonly clusters: readonly string[];
  /** Its number in the table, where filters have configuration in it: their buckets are known by that. */
  readonly place: number | undefined;
}

export class RouteTable {
  /** Name by which RDS knows it. */
  readonly name: string;
  /** Clusters that routes name; those that headers name at run time are not among them. */
  readonly clusters: ReadonlySet<string>;
  /** There may be more hosts, which come when they are asked for. */
  readonly isOnDemand: boolean;
  /** In the order of configuration. */
  readonly hosts: readonly TableHost[];
  readonly #hosts: DomainIndex<VirtualHost>;
  readonly #ignorePort: boolean;

  constructor(
    name: string, clusters: ReadonlySet<string>, hosts: readonly TableHost[], index: DomainIndex<VirtualHost>,
    ignorePort: boolean, isOnDemand = false,
  ) {
    this.name = name;
    this.clusters = clusters;
    this.hosts = hosts;
    this.#hosts = index;
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
  readonly #parts: readonly (VirtualHostConfig | TableHost)[];
  readonly #clusters: ReadonlySet<string>;
  readonly #named = new Set<string>();
  readonly #hosts: TableHost[] = [];
  readonly #index = new DomainIndex<VirtualHost>();
  #hasFilterConfigs = false;

  /**
   * Throws ConfigError, as `step` does. `owner` names the table among all of a worker. `parts` stand in the place of
   * the configuration's virtual hosts; those that are kept are `before`'s, which differs in nothing else.
   */
  constructor(
    config: RouteConfiguration, compileFilterConfig: FilterConfigCompiler, owner = '',
    parts: readonly HostPart[] = config.virtualHosts ?? [], before?: RouteTable,
  ) {
    this.#config = config;
    this.#parts = parts.flatMap<VirtualHostConfig | TableHost>((part) => (
      'from' in part ? keptHosts(part, before) : [part]));
    this.#settings = {
      compileFilterConfig: (name, fields, path, outer) => {
        this.#hasFilterConfigs = true;
        return compileFilterConfig(name, fields, path, outer, owner);
      },
      directBodyBytesMax: config.maxDirectResponseBodySizeBytes ?? DIRECT_BODY_BYTES_MAX,
      mostSpecificWins: config.mostSpecificHeaderMutationsWins === true,
      clusters: this.#named,
    };
    this.#level = compileLevel(config, OUTERMOST, this.#settings, '');
    this.#clusters = new Set(this.#named);
  }

  /** Compiles virtual hosts until about `routes` routes are done; the table once all are. */
  step(routes: number): RouteTable | undefined {
    let left = routes;
    while (this.#hosts.length < this.#parts.length) {
      if (left <= 0) return undefined;
      const part = this.#parts[this.#hosts.length]!;
      const isKept = 'host' in part;
      this.#add(isKept ? part : this.#compile(part));
      left -= isKept ? KEPT_COST : Math.max(1, part.routes?.length ?? 0);
    }
    const { name = '', ignorePortInHostMatching: ignoresPort = false, vhds } = this.#config;
    const clusters = new Set(this.#clusters);
    for (const host of this.#hosts) for (const cluster of host.clusters) clusters.add(cluster);
    return new RouteTable(name, clusters, this.#hosts, this.#index, ignoresPort, vhds !== undefined);
  }

  #compile(config: VirtualHostConfig): TableHost {
    this.#named.clear();
    this.#hasFilterConfigs = false;
    const at = this.#hosts.length;
    const host = compileVirtualHost(config, this.#level, this.#settings, `virtualHosts[${at}]`);
    const { domains } = config;
    return { host, domains, clusters: [...this.#named], place: this.#hasFilterConfigs ? at : undefined };
  }

  #add(made: TableHost): void {
    const at = this.#hosts.length;
    if (made.place !== undefined && made.place !== at) {
      throw new ConfigError(`virtualHosts[${at}]`, 'has filters\' configuration, and was kept at another place');
    }
    const { domains, host } = made;
    for (let i = 0; i < domains.length; i++) this.#index.add(domains[i]!, host, `virtualHosts[${at}].domains[${i}]`);
    this.#hosts.push(made);
  }
}

/** Of what compiling a route costs. */
const KEPT_COST = 1 / 8;

function keptHosts({ from, count }: KeptHosts, before: RouteTable | undefined): readonly TableHost[] {
  const hosts = before?.hosts.slice(from, from + count) ?? [];
  if (hosts.length !== count) throw new ConfigError('virtualHosts', 'are to be kept, and are not there');
  return hosts;
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
