// Endpoints as configuration, EDS or the resolver name them, compiled: addresses checked, metadata read.
import { isIP } from 'node:net';
import { ConfigError } from '../base/error.ts';
import { joinHostPort } from '../base/host-port.ts';
import type { LbMetadata } from '../base/metadata-match.ts';
import type { Address } from '../config/address.ts';
import type { ClusterLoadAssignment, HealthCheckConfig, LbEndpoint } from '../config/endpoint.ts';
import { localityName } from '../config/local-zone.ts';
import type { Metadata } from '../config/node.ts';

/** Where to connect to. */
export type ConnectTarget = { readonly host: string; readonly port: number } | { readonly path: string };

export type HealthStatus = NonNullable<LbEndpoint['healthStatus']>;

export type EndpointHealth = 'healthy' | 'degraded' | 'unhealthy';

/** What is said about one endpoint. */
export interface EndpointFacts {
  /** ip:port with IPv6 in brackets, or a socket's path: the key under which its state is kept. */
  readonly address: string;
  readonly target: ConnectTarget;
  readonly hostname: string | undefined;
  readonly weight: number;
  readonly priority: number;
  readonly health: EndpointHealth;
  /** The same in the words of configuration. */
  readonly status: HealthStatus;
  /** region/zone/sub-zone. */
  readonly locality: string;
  /** Its locality's load_balancing_weight; 0 where none is given. */
  readonly localityWeight: number;
  /** `envoy.lb` of its metadata, which subsets and retries go by. */
  readonly lbMetadata: LbMetadata | undefined;
  /** `hash_key` in it. */
  readonly hashKey: string | undefined;
  /** `istio.workload` of its metadata. */
  readonly workload: string | undefined;
  readonly check: CheckFacts | undefined;
  /** `envoy.transport_socket_match` of its metadata. */
  readonly transportMatch: Readonly<Record<string, unknown>> | undefined;
}

/** How one endpoint is checked otherwise than its cluster says. */
export interface CheckFacts {
  readonly disabled: boolean;
  readonly hostname: string | undefined;
  readonly target: ConnectTarget | undefined;
  readonly port: number | undefined;
}

export interface Assignment {
  readonly endpoints: readonly EndpointFacts[];
  readonly overprovisioningPercent: number;
}

/** Envoy's default for policy.overprovisioning_factor. */
const OVERPROVISIONING_PERCENT = 140;

/** An address that comes twice counts once, as in Envoy. A ConfigError for a host name, which nobody would resolve. */
export function compileAssignment(config: ClusterLoadAssignment, path = ''): Assignment {
  const endpoints = new Map<string, EndpointFacts>();
  for (const [l, locality] of (config.endpoints ?? []).entries()) {
    const place: Place = {
      locality: localityName(locality.locality ?? {}),
      localityWeight: locality.loadBalancingWeight ?? 0,
      priority: locality.priority ?? 0,
    };
    for (const [e, endpoint] of (locality.lbEndpoints ?? []).entries()) {
      const facts = factsOf(endpoint, place, `${path}endpoints[${l}].lbEndpoints[${e}]`);
      if (!endpoints.has(facts.address)) endpoints.set(facts.address, facts);
    }
  }
  const overprovisioningPercent = config.policy?.overprovisioningFactor ?? OVERPROVISIONING_PERCENT;
  return { endpoints: [...endpoints.values()], overprovisioningPercent };
}

/** Whether every endpoint has an IP address already, so that a DNS cluster needs no resolver. */
export function isResolved(config: ClusterLoadAssignment): boolean {
  return (config.endpoints ?? []).every(({ lbEndpoints = [] }) => lbEndpoints.every(({ endpoint }) => {
    const address = endpoint.address.socketAddress?.address;
    return address === undefined || isIP(address) !== 0;
  }));
}

type Place = Pick<EndpointFacts, 'locality' | 'localityWeight' | 'priority'>;

function factsOf(config: LbEndpoint, place: Place, path: string): EndpointFacts {
  const { endpoint, metadata, loadBalancingWeight = 1 } = config;
  const target = targetOf(endpoint.address, `${path}.endpoint.address`);
  const workload = metadataOf(metadata, 'istio')?.['workload'];
  const lbMetadata = metadataOf(metadata, 'envoy.lb');
  const hashKey = lbMetadata?.['hash_key'];
  return {
    ...place,
    address: addressText(target),
    target,
    hostname: endpoint.hostname === '' ? undefined : endpoint.hostname,
    weight: loadBalancingWeight,
    health: healthOf(config),
    status: config.healthStatus ?? 'UNKNOWN',
    lbMetadata,
    hashKey: typeof hashKey === 'string' && hashKey !== '' ? hashKey : undefined,
    check: endpoint.healthCheckConfig === undefined ? undefined : checkOf(endpoint.healthCheckConfig, path),
    workload: typeof workload === 'string' ? workload : undefined,
    transportMatch: metadataOf(metadata, 'envoy.transport_socket_match'),
  };
}

function checkOf(config: HealthCheckConfig, path: string): CheckFacts {
  const { hostname, address, portValue, disableActiveHealthCheck: disabled = false } = config;
  return {
    disabled,
    hostname: hostname === '' ? undefined : hostname,
    target: address === undefined ? undefined : targetOf(address, `${path}.endpoint.healthCheckConfig.address`),
    port: portValue === 0 ? undefined : portValue,
  };
}

function targetOf({ socketAddress, pipe }: Address, path: string): ConnectTarget {
  if (pipe !== undefined) return { path: pipe.path };
  const at = `${path}.socketAddress`;
  if (socketAddress === undefined) throw new ConfigError(at, 'is missing');
  const { address: host, portValue: port } = socketAddress;
  if (isIP(host) === 0) throw new ConfigError(`${at}.address`, `'${host}' is not an IP address`);
  if (port === 0) throw new ConfigError(`${at}.portValue`, 'must not be 0: nothing listens there');
  return { host, port };
}

function addressText(target: ConnectTarget): string {
  return 'path' in target ? target.path : joinHostPort(target.host, target.port);
}

function healthOf({ healthStatus = 'UNKNOWN' }: LbEndpoint): EndpointHealth {
  if (healthStatus === 'UNKNOWN' || healthStatus === 'HEALTHY') return 'healthy';
  return healthStatus === 'DEGRADED' ? 'degraded' : 'unhealthy';
}

/** The map has foreign keys: an own key is asked for, so that an inherited one is never taken for it. */
function metadataOf(metadata: Metadata | undefined, key: string): Readonly<Record<string, unknown>> | undefined {
  const all = metadata?.filterMetadata;
  return all !== undefined && Object.hasOwn(all, key) ? all[key] : undefined;
}
