// Finds out before the workers bind whether a port is free, since sockets that share a port would never tell.
import { createServer } from 'node:net';

/** Binds alone and lets go again. Resolves with the port (the system's choice for 0), rejects with Node's error. */
export function probePort(host: string, port: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
    });
  });
}

/** Whether several threads of one process may bind one port here (Linux; not macOS). */
export async function sharesPorts(): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port: 0, reusePort: true }, () => server.close(() => resolve(true)));
  });
}
