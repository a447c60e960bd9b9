// Autobahn's WebSocket cases: PyPI's `kosoku`, which runs Autobahn's own case files on Python 3, against an echo server
// by PyPI's `websockets`; both in a virtual environment of our own.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PEER_CACHE, installFromPypi } from './peers.ts';
import { ServerProcess } from './process.ts';

const PACKAGES = ['kosoku==0.1.0', 'websockets==17.4'];
// The versions are in the name, so that other pins are another folder.
const VENV = join(PEER_CACHE, PACKAGES.join('-').replaceAll('==', '-'));
const PYTHON = join(VENV, 'bin', 'python');
const SUITE = join(VENV, 'bin', 'kosoku');
const RUN_TIMEOUT_MS = 250_000;
const PARALLEL = '4';

const ECHO = `
import asyncio
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

async def echo(connection):
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass

async def main():
    async with serve(echo, '127.0.0.1', 0, max_size=None) as server:
        print('port', server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
`;

/** The suite's program, installed when `install` says so. A string beginning with `skip:` says why there is none. */
export function findAutobahn(install: boolean): string {
  if (existsSync(SUITE)) return SUITE;
  if (!install) return 'skip: no Autobahn here; "npm run test:interop" installs it when python3 is there';
  return installFromPypi(VENV, PACKAGES, 'Autobahn') ?? SUITE;
}

/** The echo server, on a port of the system's choice. */
export class AutobahnEcho implements AsyncDisposable {
  readonly #process = new ServerProcess(PYTHON, ['-c', ECHO], { name: 'websockets' });
  port = 0;

  static async start(): Promise<AutobahnEcho> {
    const echo = new AutobahnEcho();
    await echo.#process.until(() => {
      echo.port = Number(/^port (\d+)/m.exec(echo.#process.output)?.[1] ?? 0);
      return echo.port !== 0;
    });
    return echo;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
  }
}

/** A case's verdict on its messages and on how the connection closed: `OK OK`, `FAILED WRONG CODE`. */
export type Verdicts = ReadonlyMap<string, string>;

/** Runs the cases (ids or `9.*`) against the server on a port. */
export async function autobahnVerdicts(port: number, cases: readonly string[]): Promise<Verdicts> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-autobahn-'));
  const includes = cases.flatMap((name) => ['-i', name]);
  const args = ['-m', 'fuzzingclient', '-p', PARALLEL, '-o', folder, ...includes, `127.0.0.1:${port}`];
  try {
    // It ends with 1 when a case fails, which is not for us to judge: the report says so.
    await promisify(execFile)(SUITE, args, { timeout: RUN_TIMEOUT_MS }).catch((cause: { killed?: boolean }) => {
      if (cause.killed === true) throw new Error(`the cases take more than ${RUN_TIMEOUT_MS} ms`);
    });
    return verdictsIn(await readFile(join(folder, 'index.json'), 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function verdictsIn(report: string): Verdicts {
  type Cases = Record<string, { readonly behavior: string; readonly behaviorClose: string }>;
  const agents = Object.values(JSON.parse(report) as Record<string, Cases>);
  return new Map(agents.flatMap(Object.entries).map(([id, { behavior, behaviorClose }]) =>
    [id, `${behavior} ${behaviorClose}`]));
}
