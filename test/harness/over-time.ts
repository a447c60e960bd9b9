// Scenarios over time: what upstreams do and what is asked of a proxy, step after step, and what came of each step.
import { CHECK_PATH, ScriptHost } from './script-hosts.ts';
import type { Behaviour } from './script-hosts.ts';
import { bootstrapOf, httpListener } from './weft.ts';

/** Each part of a step in the order of its declaration. */
export interface Step {
  /** Hosts that behave otherwise from now on; one letter a host. */
  readonly set?: Readonly<Record<string, Behaviour>>;
  /** Seconds that pass. */
  readonly pass?: number;
  /**
   * `a 503`: when that host is next checked it answers so (`reset`, `hang` and `refuse` too); the record has what time
   * has passed since its last check, in the scenario's units.
   */
  readonly check?: string;
  /** Requests one after the other. A letter is a request whose hash is that host's, a `.` one that any may get. */
  readonly ask?: string;
  /** The record does not say what came of this step's requests: chance decides. */
  readonly anyAnswer?: boolean;
  /** Requests at the same time, of which those that nobody answers stay open. */
  readonly start?: string;
  /** Requests that wait for their time stay open. */
  readonly still?: boolean;
  /** A status: the request that has waited longest at a host is answered, host after host by name. */
  readonly release?: readonly string[];
  /** Requests for which only the shares are looked at: they fit these weights by host, `-` being none. */
  readonly shares?: { readonly requests: number; readonly weights: Readonly<Record<string, number>> };
}

export interface Scenario {
  readonly name: string;
  /** One letter a host. */
  readonly hosts: string;
  readonly http2?: boolean;
  /** Bytes are proxied: each request has a connection of its own. */
  readonly tcp?: boolean;
  /** Fields of the cluster; `localities` groups its hosts. */
  readonly cluster: Readonly<Record<string, unknown>>;
  readonly localities?: readonly Locality[];
  /** Percent; default 140. */
  readonly overprovisioning?: number;
  readonly route?: Readonly<Record<string, unknown>>;
  /** Hosts whose checks wait until the script answers them. */
  readonly checked?: string;
  /** Answers to checks until the script begins. Default 200. */
  readonly firstChecks?: Readonly<Record<string, Behaviour>>;
  /** Milliseconds; for times between checks. */
  readonly unitMs?: number;
  /** Counters below `cluster.app.` (their growth in each step) and gauges (their value). */
  readonly counters?: readonly string[];
  readonly gauges?: readonly string[];
  /** Whether the record says which host answered. Default true. */
  readonly byHost?: boolean;
  readonly steps: readonly Step[];
}

export interface Locality {
  readonly hosts: string;
  readonly priority?: number;
  readonly zone?: string;
  readonly weight?: number;
}

/** What a step came to: answers (`status flags host tries` and how many), and figures. */
export interface Outcome {
  readonly answers: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
  readonly gap?: number;
}

/** A proxy and its time. */
export interface TimedProxy {
  port(): Promise<number>;
  stat(name: string): Promise<number>;
  nowMs(): number;
  pass(ms: number): Promise<void>;
  /** Lets sockets have their turn; time may go on. */
  turn(): Promise<void>;
  /** Nothing happens any more without time: some goes by. */
  tick(): Promise<void>;
}

export async function startHosts({ hosts, http2 = false }: Scenario): Promise<ScriptHost[]> {
  return Promise.all(hosts.split('').map((name) => ScriptHost.start(name, http2)));
}

export function scenarioBootstrap(scenario: Scenario, hosts: readonly ScriptHost[]): unknown {
  const routes = [
    {
      match: { prefix: '/', headers: [{ name: 'x-find', present_match: true }] }, route: { cluster: 'find', ...BY_KEY },
    },
    { match: { prefix: '/' }, route: { cluster: 'app', ...BY_KEY, ...scenario.route } },
  ];
  const manager = {
    route_config: {
      name: 'routes',
      virtual_hosts: [{ name: 'all', domains: ['*'], routes, include_attempt_count_in_response: true }],
      response_headers_to_add: [{ header: { key: 'x-flags', value: '%RESPONSE_FLAGS%' } }],
    },
  };
  return bootstrapOf([scenario.tcp === true ? TCP_LISTENER : httpListener([], manager)], [
    clusterOf('app', scenario, hosts, { ...protocol(scenario), ...scenario.cluster }),
    clusterOf('find', scenario, hosts, { ...protocol(scenario), lb_policy: 'RING_HASH' }),
  ]);
}

const TCP_LISTENER = {
  name: 'http',
  address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  filter_chains: [{
    filters: [{
      name: 'tcp',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
        stat_prefix: 'tcp', cluster: 'app',
      },
    }],
  }],
};

const BY_KEY = { hash_policy: [{ header: { header_name: 'x-key' } }] };

function protocol({ http2 }: Scenario): Record<string, unknown> {
  if (http2 !== true) return {};
  const type = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': type, explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

function clusterOf(name: string, scenario: Scenario, hosts: readonly ScriptHost[], fields: object): unknown {
  const localities = scenario.localities ?? [{ hosts: scenario.hosts }];
  const endpoints = localities.map(({ hosts: names, priority = 0, zone = '', weight }) => ({
    priority, locality: { zone }, ...(weight !== undefined && { load_balancing_weight: weight }),
    lb_endpoints: names.split('').map((letter) => ({
      endpoint: {
        address: {
          socket_address: { address: '127.0.0.1', port_value: hosts.find((host) => host.name === letter)!.port },
        },
      },
      // The same ring whatever the ports are.
      metadata: { filter_metadata: { 'envoy.lb': { hash_key: letter } } },
    })),
  }));
  const policy = { overprovisioning_factor: scenario.overprovisioning ?? 140 };
  const assignment = { cluster_name: name, endpoints, policy };
  return { name, type: 'STATIC', connect_timeout: '5s', load_assignment: assignment, ...fields };
}

/** A health check by HTTP of all hosts of a scenario. */
export function httpCheck(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    timeout: '10s', interval: '0.25s', no_traffic_interval: '0.25s', unhealthy_threshold: 2, healthy_threshold: 2,
    http_health_check: { path: CHECK_PATH }, ...fields,
  };
}
