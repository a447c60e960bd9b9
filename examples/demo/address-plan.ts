// Where each workload of the demo lives: an address of its own out of 127/8,
// or ports on 127.0.0.1 where there is only that.
import { createServer } from 'node:net';

/**
 * A workload's "pod": the sidecar takes `inbound` from the mesh and gives to `app`;
 * the application calls out by `outbound`.
 */
export interface PodAddress {
  readonly ip: string;
  readonly inboundPort: number;
  readonly appPort: number;
  readonly outboundPort: number;
  readonly adminPort: number;
}

const INBOUND = 9080;
const APP = 19_080;
const OUTBOUND = 15_001;
const ADMIN = 15_000;

/** Plans `count` pods that nothing else uses. */
export async function planPods(count: number, seed: number): Promise<PodAddress[]> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const network = `127.${64 + ((seed + attempt) % 128)}.${Math.trunc(seed / 128) % 250}`;
    if (!(await canBind(`${network}.1`, ADMIN))) continue;
    return Array.from({ length: count }, (_, i) => ({
      ip: `${network}.${i + 1}`, inboundPort: INBOUND, appPort: APP, outboundPort: OUTBOUND, adminPort: ADMIN,
    }));
  }
  return planByPorts(count);
}

/** Only 127.0.0.1 can be bound (macOS): every pod gets four ports. */
async function planByPorts(count: number): Promise<PodAddress[]> {
  const ports = await freePorts(count * 4);
  return Array.from({ length: count }, (_, i) => ({
    ip: '127.0.0.1', inboundPort: ports[i * 4]!, appPort: ports[i * 4 + 1]!, outboundPort: ports[i * 4 + 2]!,
    adminPort: ports[i * 4 + 3]!,
  }));
}

/** Ports of 127.0.0.1 that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => bind('127.0.0.1', 0)));
  const ports: number[] = [];
  for (const server of servers) {
    const address = server?.address();
    if (typeof address === 'object' && address !== null) ports.push(address.port);
    server?.close();
  }
  if (ports.length < count) throw new Error('no free ports on 127.0.0.1');
  return ports;
}

export async function canBind(host: string, port: number): Promise<boolean> {
  const server = await bind(host, port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

function bind(host: string, port: number): Promise<ReturnType<typeof createServer> | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}
