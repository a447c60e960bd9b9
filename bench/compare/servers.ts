// Server processes of the comparison: enough file descriptors, ready when they accept, and none left behind.
import { createConnection } from 'node:net';
import { ServerProcess } from '../../test/harness/process.ts';

/** Two for each connection of the largest row, and some; as many as the system allows where that is fewer. */
export const RAISE_LIMIT = 'ulimit -S -n 24576 2>/dev/null || ulimit -S -n "$(ulimit -H -n)"; exec "$0" "$@"';

const running = new Set<ServerProcess>();

/** Resolves when `port` accepts; a server that ends before rejects with what it printed. */
export async function startServer(
  name: string, command: string, args: readonly string[], port: number,
): Promise<ServerProcess> {
  // The shell becomes the server, so that the process id is the server's.
  const server = new ServerProcess('sh', ['-c', RAISE_LIMIT, command, ...args], { name });
  running.add(server);
  try {
    await server.until(() => accepts(port));
  } catch (cause) {
    await stopServer(server);
    throw cause;
  }
  return server;
}

export async function stopServer(server: ServerProcess): Promise<void> {
  await server.stop();
  running.delete(server);
}

/** For signals: nothing that was started stays. */
export async function stopServers(): Promise<void> {
  await Promise.all([...running].map((server) => stopServer(server)));
}

function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
