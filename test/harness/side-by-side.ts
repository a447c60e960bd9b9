// The same bootstrap file under a real Envoy and under weft, each on ports of its own, in front of the same upstreams.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { ServerProcess } from './process.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

/** One running proxy. */
export interface RunningProxy {
  readonly name: 'envoy' | 'weft';
  readonly process: ServerProcess;
  /** The port that stands where the file has this one. */
  portOf(port: number): number;
}

/** Ports of the file that proxies bind themselves (each gets its own), and those of upstreams (shared). */
export interface PortPlan {
  readonly own: readonly number[];
  readonly shared: ReadonlyMap<number, number>;
  /** Of `own`: the listener that tells readiness by answering anything. */
  readonly listener: number;
}

export class SideBySide implements AsyncDisposable {
  readonly envoy: RunningProxy;
  readonly weft: RunningProxy;
  readonly #folder: string;

  private constructor(envoy: RunningProxy, weft: RunningProxy, folder: string) {
    this.envoy = envoy;
    this.weft = weft;
    this.#folder = folder;
  }

  /** `edit` changes the text before ports are put in, for variants of one file. */
  static async start(
    envoyBinary: string, file: string, plan: PortPlan, edit = (text: string): string => text,
  ): Promise<SideBySide> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-side-by-side-'));
    const text = edit(await readFile(file, 'utf8'));
    const envoy = await startProxy('envoy', envoyBinary, text, plan, folder);
    try {
      return new SideBySide(envoy, await startProxy('weft', process.execPath, text, plan, folder), folder);
    } catch (cause) {
      await envoy.process.stop();
      throw cause;
    }
  }

  /** What a proxy wrote to access logs whose path is /dev/stdout in the file; latin1. */
  logOf({ name }: RunningProxy): Promise<string> {
    return readFile(join(this.#folder, `${name}.log`), 'latin1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.envoy.process.stop(), this.weft.process.stop()]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function startProxy(
  name: 'envoy' | 'weft', binary: string, text: string, plan: PortPlan, folder: string,
): Promise<RunningProxy> {
  const ports = await freePorts(plan.own.length);
  const own = new Map(plan.own.map((port, i) => [port, ports[i]!]));
  const file = join(folder, `${name}.yaml`);
  const put = (port: string): string => String(own.get(Number(port)) ?? plan.shared.get(Number(port)) ?? port);
  // A log of each proxy's own: /dev/stdout cannot be opened anew where it is a pipe.
  await writeFile(
    file,
    text.replaceAll(/\b1[89]\d{3}\b/g, put).replaceAll('path: /dev/stdout', `path: ${join(folder, `${name}.log`)}`),
  );
  const args = name === 'weft' ? [WEFT, 'proxy', '-c', file, '--concurrency', '1', '--log-level', 'error']
    : ['-c', file, '--concurrency', '1', '-l', 'error', '--use-dynamic-base-id',
      '--file-flush-interval-msec', '500'];
  const server = new ServerProcess(binary, args, { name });
  const portOf = (port: number): number => own.get(port) ?? plan.shared.get(port) ?? port;
  try {
    await server.until(() => listens(portOf(plan.listener)));
  } catch (cause) {
    await server.stop();
    throw cause;
  }
  return { name, process: server, portOf };
}

async function listens(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      signal: AbortSignal.timeout(1000), redirect: 'manual' });
    await response.arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
