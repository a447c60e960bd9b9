// The upstreams of the comparison: one cheap server for each shape of traffic, started once for all rows.
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { findProgram } from '../../test/harness/peers.ts';
import { GRPC_PATH, grpcMessage } from '../load/http2-load.ts';
import type { Shape } from './bootstrap.ts';
import { fillIn } from './peer-configs.ts';
import { startServer } from './servers.ts';

const BACKEND = fileURLToPath(new URL('../load/backend.ts', import.meta.url));

/** Asked of /status so far, each on a connection of its own. */
let questions = 0;

/** Files that nginx serves below /flaky/, in bytes: they have no blocks on the disk. */
const FILES = { '1m': 1_000_000, '256m': 256_000_000 };

/** The port for each shape; nobody listens where the program is not installed, and rows say what they need. */
export type Upstreams = Readonly<Record<Shape, number>> & {
  /** Where nginx counts its connections. */
  readonly status: number;
};

export async function startBackends(folder: string): Promise<Upstreams> {
  for (const [name, bytes] of Object.entries(FILES)) {
    await writeFile(join(folder, name), '');
    await truncate(join(folder, name), bytes);
  }
  const [plain = 0, h2 = 0, tls = 0, grpc = 0, status = 0] = await freePorts(5);
  await startWeb(folder, plain, h2, tls, status);
  await startCalls(folder, grpc);
  return { h1: plain, h2, grpc, mtls: plain, 'mtls-up': tls, 'mtls-both': tls, tcp: plain, 'tcp-mtls': plain, status };
}

/** Connections that nginx has accepted but for those of this question; undefined without nginx. */
export async function acceptedConnections({ status }: Upstreams): Promise<number | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${status}/status`, { headers: { connection: 'close' } });
    const accepted = /^\s*(\d+) \d+ \d+/m.exec(await response.text())?.[1];
    questions++;
    return accepted === undefined ? undefined : Number(accepted) - questions;
  } catch {
    return undefined;
  }
}

/** nginx answers from memory; without it a process of our own answers HTTP/1.1 alone. */
async function startWeb(
  folder: string, plain: number, h2: number, tls: number, status: number,
): Promise<void> {
  const nginx = findProgram('nginx');
  if (nginx === undefined) {
    await startServer('backend', process.execPath, [BACKEND, String(plain)], plain);
    return;
  }
  const ports = new Map([['18021', plain], ['18022', h2], ['18023', tls],
    ['18024', status]]);
  const config = await fillIn('backend.conf', 'backend', folder, (text) =>
    text.replaceAll(/\b1802[1-4]\b/g, (port) => String(ports.get(port))));
  await startServer('backend', nginx, ['-c', config, '-g', 'daemon off;'], plain);
}

/** nghttpd answers a POST with a message and trailers. */
async function startCalls(folder: string, port: number): Promise<void> {
  const nghttpd = findProgram('nghttpd');
  if (nghttpd === undefined) return;
  const root = join(folder, 'grpc');
  const types = join(folder, 'mime.types');
  await mkdir(dirname(join(root, GRPC_PATH)), { recursive: true });
  await writeFile(join(root, GRPC_PATH), grpcMessage('world'));
  await writeFile(types, 'application/grpc grpc\n');
  const flags = ['--no-tls', '-a', '127.0.0.1', '-d', root, '--mime-types-file', types, '--trailer', 'grpc-status: 0'];
  await startServer('nghttpd', nghttpd, [...flags, String(port)], port);
}
