// nghttpd as an independent HTTP/2 upstream: it serves three files, echoes uploads and adds a trailer.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { findProgram } from './peers.ts';
import { ServerProcess } from './process.ts';

export const withoutNghttpd: string | false =
  findProgram('nghttpd') === undefined ? 'nghttpd is not installed (Debian: nghttp2-server)' : false;

/** Paths as those of peer-server.ts, without HTTP/1.1's way to misbehave. Port 1, where nobody is, without nghttpd. */
export async function startNghttpd(): Promise<AsyncDisposable & { readonly port: number }> {
  if (withoutNghttpd !== false) return { port: 1, [Symbol.asyncDispose]: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), 'weft-test-'));
  for (const name of ['hello', 'trailers', 'together']) await writeFile(join(folder, name), 'hello');
  const [port = 0] = await freePorts(1);
  const flags = ['--no-tls', '-a', '127.0.0.1', '-d', folder, '--echo-upload', '--trailer', 'x-checksum: abc'];
  const server = new ServerProcess(findProgram('nghttpd')!, [...flags, String(port)], { name: 'nghttpd' });
  await server.until(() => accepts(port));
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
