// A service of the mesh, whichever kind of object described it: a name, ports, and the endpoints behind them.
import { isIP } from 'node:net';
import type { Origin } from '../model/mesh-object.ts';
import type { PortProtocol } from './port-protocol.ts';
import type { Workload } from './workload.ts';

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  readonly protocol: PortProtocol;
}

/** One place where a service's port is served. */
export interface ServiceEndpoint {
  /** IP address, or a DNS name where the service's resolution is `dns`. */
  readonly address: string;
  readonly port: number;
  readonly servicePort: number;
  readonly workload: Workload;
}

/**
 * `static`: endpoints are addresses. `dns`: names that the proxy looks up; `dns-round-robin`: of whose addresses each
 * new connection takes the first. `none`: where the caller wanted to go, if its proxy knows; else as `dns`.
 */
export type Resolution = 'static' | 'dns' | 'dns-round-robin' | 'none';

export interface MeshService {
  /** Fully qualified, lower case; may start with `*.` for a ServiceEntry. */
  readonly hostname: string;
  readonly name: string;
  readonly namespace: string;
  readonly ports: readonly ServicePort[];
  readonly resolution: Resolution;
  /** Outside of the mesh: no mutual TLS by itself. */
  readonly external: boolean;
  /** Namespaces that see it; undefined is all of them, `.` resolved. */
  readonly exportTo: ReadonlySet<string> | undefined;
  /** Names that a server certificate must carry one of, from ServiceEntry.subjectAltNames. */
  readonly subjectAltNames: readonly string[];
  readonly endpoints: readonly ServiceEndpoint[];
  /** Virtual addresses by which clients may ask for it too. */
  readonly addresses: readonly string[];
  /** Ranges of addresses that are all its own, as `10.0.0.0/8` without bits beyond the length. */
  readonly ranges: readonly string[];
  /** Those that it would have where it has none: one of each family, for proxies that want them. */
  readonly autoAddresses: readonly string[];
  readonly origin: Origin;
}

/** Of which families an application can call made-up addresses. */
export type AutoFamilies = 'ipv4' | 'ipv6' | 'dual';

/** Those by which clients ask for it; of made-up ones those of `families`, undefined being none. */
export function virtualAddresses(
  { addresses, autoAddresses }: MeshService, families: AutoFamilies | undefined,
): readonly string[] {
  const own = addresses.filter((address) => isIP(address) !== 0);
  if (own.length > 0 || families === undefined) return own;
  return autoAddresses.filter((address) => families === 'dual' || `ipv${isIP(address)}` === families);
}

export function portOf(service: MeshService, number: number): ServicePort | undefined {
  return service.ports.find((port) => port.number === number);
}

/** `exportTo` of an object in `namespace`: undefined for everybody, else the namespaces named. */
export function exportedNamespaces(
  exportTo: readonly string[] | undefined,
  namespace: string,
): ReadonlySet<string> | undefined {
  if (exportTo === undefined || exportTo.length === 0 || exportTo.includes('*')) return undefined;
  return new Set(exportTo.filter((name) => name !== '~').map((name) => (name === '.' ? namespace : name)));
}

export function isVisible(exportTo: ReadonlySet<string> | undefined, namespace: string): boolean {
  return exportTo === undefined || exportTo.has(namespace);
}
