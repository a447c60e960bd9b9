// The same bootstrap file under a real Envoy and under weft, each on ports of its own, in front of the same upstreams.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ServerProcess, answers, freePorts } from './process.ts';

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
  /** Of `own`: the admin port, when there is one, else a listener; how readiness is told. */
  readonly admin?: number;
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
  static async start(envoyBinary: string, file: string, plan: PortPlan, edit = (text: string): string => text): Promise<SideBySide> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-side-by-side-'));
    const text = edit(await readFile(file, 'utf8'));
    const envoy = await startProxy('envoy', envoyBinary, text, plan, folder);
    const weft = await startProxy('weft', process.execPath, text, plan, folder);
    return new SideBySide(envoy, weft, folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.envoy.process.stop(), this.weft.process.stop()]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function startProxy(name: 'envoy' | 'weft', binary: string, text: string, plan: PortPlan, folder: string): Promise<RunningProxy> {
  const ports = await freePorts(plan.own.length);
  const own = new Map(plan.own.map((port, i) => [port, ports[i]!]));
  const file = join(folder, `${name}.yaml`);
  await writeFile(file, text.replaceAll(/\b1[89]\d{3}\b/g, (port) => String(own.get(Number(port)) ?? plan.shared.get(Number(port)) ?? port)));
  const args = name === 'weft' ? [WEFT, 'proxy', '-c', file, '--concurrency', '1', '--log-level', 'error']
    : ['-c', file, '--concurrency', '1', '-l', 'error', '--use-dynamic-base-id'];
  const server = new ServerProcess(binary, args, { name });
  const portOf = (port: number): number => own.get(port) ?? plan.shared.get(port) ?? port;
  try {
    await server.until(() => (plan.admin === undefined ? listens(portOf(plan.listener)) : answers(`http://127.0.0.1:${portOf(plan.admin)}/ready`)));
  } catch (cause) {
    await server.stop();
    throw cause;
  }
  return { name, process: server, portOf };
}

async function listens(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
