// The proxies of the comparison: how each is started with the same job, on its own ports.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findEnvoy, findProgram } from '../../test/harness/peers.ts';
import { ServerProcess, answers, freePorts } from '../../test/harness/process.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const SIDECAR = here('../../test/interop/bootstraps/sidecar.yaml');
const WEFT = here('../../cli/weft.mjs');

/** One proxy under load. */
export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly process: ServerProcess;
}

/** Ports of the upstreams: reviews v1, reviews v2, ratings. */
export type Upstreams = readonly [number, number, number];

/** Puts ports and folder into a configuration file and writes it to the folder. */
async function prepare(
  file: string, name: string, folder: string, listener: number, admin: number, upstreams: Upstreams,
): Promise<string> {
  const ports = new Map([
    [18_010, listener], [18_011, admin], [18_021, upstreams[0]], [18_022, upstreams[1]], [18_023, upstreams[2]],
    [18_029, 1],
  ]);
  const text = (await readFile(file, 'utf8'))
    .replaceAll(/\b18\d{3}\b/g, (port) => String(ports.get(Number(port)) ?? port))
    .replaceAll('@FOLDER@', folder)
    // A file, because the terminal would be what is measured.
    .replaceAll('path: /dev/stdout', `path: ${join(folder, `${name}.access.log`)}`);
  const target = join(folder, `${name}-${file.split('/').at(-1)}`);
  await writeFile(target, text);
  return target;
}

export async function startBackend(folder: string): Promise<{ process: ServerProcess; upstreams: Upstreams }> {
  const ports = await freePorts(3);
  const upstreams: Upstreams = [ports[0]!, ports[1]!, ports[2]!];
  const nginx = findProgram('nginx');
  const process = nginx === undefined
    ? new ServerProcess(
      globalThis.process.execPath, [here('../load/backend.ts'), ...ports.map(String)], { name: 'backend' },
    )
    : new ServerProcess(
      nginx,
      ['-c', await prepare(here('configs/backend.conf'), 'backend', folder, 0, 0, upstreams), '-g', 'daemon off;'],
      { name: 'backend' },
    );
  await process.until(() => answers(`http://127.0.0.1:${upstreams[0]}/`));
  return { process, upstreams };
}

/** Starts all proxies that are here; says on stdout which are not. */
export async function startPeers(folder: string, upstreams: Upstreams): Promise<Peer[]> {
  const commands = new Map<string, (listener: number, admin: number) => Promise<[string, string[]] | undefined>>([
    ['weft', async (listener, admin) => [process.execPath, [
      WEFT, 'proxy', '-c', await prepare(SIDECAR, 'weft', folder, listener, admin, upstreams), '--concurrency', '1',
      '-l', 'error',
    ]]],
    ['envoy', async (listener, admin) => {
      const binary = findEnvoy(true);
      if (binary.startsWith('skip:')) return undefined;
      return [binary, [
        '-c', await prepare(SIDECAR, 'envoy', folder, listener, admin, upstreams), '--concurrency', '1', '-l', 'error',
        '--use-dynamic-base-id',
      ]];
    }],
    ['haproxy', async (listener, admin) => program(
      'haproxy', (file) => ['-db', '-f', file], here('configs/haproxy.cfg'), folder, listener, admin, upstreams,
    )],
    ['nginx', async (listener, admin) => program(
      'nginx', (file) => ['-c', file, '-g', 'daemon off;'], here('configs/nginx.conf'), folder, listener, admin,
      upstreams,
    )],
  ]);
  const peers: Peer[] = [];
  for (const [name, command] of commands) {
    const [listener, admin] = await freePorts(2);
    const found = await command(listener!, admin!);
    if (found === undefined) {
      process.stdout.write(`${name}: not installed, left out\n`);
      continue;
    }
    const server = new ServerProcess(found[0], found[1], { name });
    peers.push({ name, port: listener!, process: server });
    await server.until(() => answersAs(listener!));
  }
  return peers;
}

async function program(
  name: string, args: (file: string) => string[], config: string, folder: string, listener: number, admin: number,
  upstreams: Upstreams,
): Promise<[string, string[]] | undefined> {
  const binary = findProgram(name);
  if (binary === undefined) return undefined;
  return [binary, args(await prepare(config, name, folder, listener, admin, upstreams))];
}

/** fetch cannot set a host header; any answer will do here. */
async function answersAs(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/reviews/0`, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
