// Ports for servers that must be told theirs before they listen, for the examples and for tests.
import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** Below the range from which systems choose: no client's connection and no server with port 0 is given one of them. */
const FIRST = 20_000;
const COUNT = 12_000;
const ATTEMPTS_MAX = 1000;

const given = new Set<number>();

/** Ports of 127.0.0.1 that were free a moment ago, all different; none twice in a process. Throws if none is free. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count; attempt++) {
    if (attempt === ATTEMPTS_MAX) throw new Error(`no free ports on 127.0.0.1: ${attempt} from ${FIRST} on tried`);
    const port = FIRST + Math.floor(Math.random() * COUNT);
    const server = given.has(port) ? undefined : await bind('127.0.0.1', port);
    if (server === undefined) continue;
    given.add(port);
    ports.push(port);
    servers.push(server);
  }
  await Promise.all(servers.map(close));
  return ports;
}

export async function canBind(host: string, port: number): Promise<boolean> {
  const server = await bind(host, port);
  if (server === undefined) return false;
  await close(server);
  return true;
}

/** Undefined when the port is in use. */
function bind(host: string, port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}

function close(server: Server): Promise<unknown> {
  return new Promise((resolve) => server.close(resolve));
}
