// The servers of the Gateways that select a proxy, by port, and which of them conflict: on one port the first decides.
import type { GatewayServer } from '../model/gateway.ts';
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { hostIntersection } from '../registry/hostname.ts';
import { hasLabels, type Labels } from '../registry/workload.ts';

/** One server of a Gateway. */
export interface Server {
  readonly gateway: MeshObject<'Gateway'>;
  readonly server: GatewayServer;
  readonly index: number;
}

/** A server that has no effect, because of another one. */
export interface Conflict {
  readonly loser: Server;
  readonly winner: Server;
  readonly reason: string;
}

export interface PortServers {
  readonly kept: readonly Server[];
  readonly conflicts: readonly Conflict[];
}

/**
 * `http` is plaintext HTTP, `https` HTTP whose TLS ends here, `tls` bytes whose TLS ends here, `tcp` plaintext bytes;
 * `passthrough` goes on by server name, `mesh` by the cluster that the server name spells.
 */
export type ServerKind = 'http' | 'https' | 'tcp' | 'tls' | 'passthrough' | 'mesh';

export function serverKind({ port: { protocol }, tls }: GatewayServer): ServerKind {
  if (protocol === 'TCP' || protocol === 'MONGO') return 'tcp';
  if (protocol !== 'HTTPS' && protocol !== 'TLS') return 'http';
  const { mode = 'PASSTHROUGH' } = tls ?? {};
  if (mode === 'PASSTHROUGH') return 'passthrough';
  if (mode === 'AUTO_PASSTHROUGH') return 'mesh';
  return protocol === 'HTTPS' ? 'https' : 'tls';
}

/** Of every Gateway that selects these labels, in the order of the Gateways. */
export function gatewayServers(inventory: Inventory, labels: Labels): Map<number, PortServers> {
  const byPort = new Map<number, Server[]>();
  for (const gateway of inventory.list('Gateway')) {
    if (!hasLabels(labels, new Map(Object.entries(gateway.body.spec.selector ?? {})))) continue;
    for (const [index, server] of gateway.body.spec.servers.entries()) {
      const servers = byPort.get(server.port.number) ?? [];
      servers.push({ gateway, server, index });
      byPort.set(server.port.number, servers);
    }
  }
  return new Map([...byPort].map(([port, servers]) => [port, settle(servers)]));
}

function settle(servers: readonly Server[]): PortServers {
  const kept: Server[] = [];
  const conflicts: Conflict[] = [];
  for (const loser of servers) {
    const found = conflictWith(loser, kept);
    if (found === undefined) kept.push(loser);
    else conflicts.push({ loser, ...found });
  }
  return { kept, conflicts };
}

/** Istio's rules: servers of HTTP share a port, those of TLS share it by their hosts, nothing else is shared. */
function conflictWith(server: Server, kept: readonly Server[]): Omit<Conflict, 'loser'> | undefined {
  const [first] = kept;
  if (first === undefined) return undefined;
  const family = familyOf(first);
  const { number } = server.server.port;
  if (familyOf(server) !== family) return { winner: first, reason: `port ${number} is ${FAMILIES[family]}` };
  if (family === 'http') return undefined;
  if (family === 'tcp') return { winner: first, reason: `port ${number} carries one server's TCP` };
  const hosts = new Set(serverNames(server));
  const twin = kept.find((other) => serverNames(other).some((host) => hosts.has(host)));
  if (twin !== undefined) return { winner: twin, reason: `port ${number} has its host` };
  const namesake = kept.find((other) => tableName(other) === tableName(server));
  return namesake && { winner: namesake, reason: `port ${number} has its name` };
}

type Family = 'http' | 'tcp' | 'tls';

const FAMILIES: Readonly<Record<Family, string>> = { http: 'plaintext HTTP', tcp: 'plaintext TCP', tls: 'TLS' };

function familyOf({ server }: Server): Family {
  const kind = serverKind(server);
  return kind === 'http' || kind === 'tcp' ? kind : 'tls';
}

/** `https.443.<port name>.<gateway>.<namespace>`: the route table, and the chain, of a server with TLS. */
export function tableName({ gateway, server }: Server): string {
  return `https.${server.port.number}.${server.port.name}.${gateway.name}.${gateway.namespace}`;
}

/** Hosts without their namespaces: what SNI says. */
export function serverNames({ server }: Server): string[] {
  return server.hosts.map((text) => text.split('/').at(-1) ?? '');
}

/** `[namespace/]host`: which VirtualServices may claim the host, by their namespace; undefined is any. */
export function serverHosts({ gateway, server }: Server): { host: string; namespace: string | undefined }[] {
  return server.hosts.map((text) => {
    const [scope = '', host] = text.split('/');
    if (host === undefined) return { host: text, namespace: undefined };
    return { host, namespace: scope === '*' ? undefined : scope === '.' ? gateway.namespace : scope };
  });
}

/** What of `hosts`, claimed by an object of `namespace`, a server has: the narrower of the two, each once. */
export function claimedHosts(server: Server, namespace: string, hosts: readonly string[]): string[] {
  const claimed = hosts.flatMap((own) => serverHosts(server).flatMap(({ host, namespace: wanted }) => {
    const mayClaim = wanted === undefined || wanted === namespace;
    return (mayClaim ? hostIntersection(host, own) : undefined) ?? [];
  }));
  return [...new Set(claimed)];
}
