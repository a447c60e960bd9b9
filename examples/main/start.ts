// The simplest example: three instances of one web server behind a weft proxy, started, watched, and ended by Ctrl-C.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { messageOf } from '../../proxy/base/error.ts';
import { canBind, freePorts } from '../demo/free-ports.ts';
import { ManagedProcess } from '../demo/managed-process.ts';
import { answers } from '../demo/ready.ts';
import { bootstrapYaml } from './bootstrap.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const SERVER = fileURLToPath(new URL('server.ts', import.meta.url));
const INSTANCES = ['web-1', 'web-2', 'web-3'];
const OPTIONS = { port: { type: 'string', default: '8000' }, help: { type: 'boolean', short: 'h' } } as const;
const HELP = `usage: node examples/main/start.ts [--port N]

      --port N    where the proxy listens on 127.0.0.1 (default 8000); 0 takes a free port
`;

class Example {
  readonly #folder: string;
  readonly #port: number;
  readonly #adminPort: number;
  readonly #instances: readonly ManagedProcess[];
  readonly #proxy: ManagedProcess;
  readonly #failure = Promise.withResolvers<never>();
  #up = false;
  #stopping = false;

  private constructor(folder: string, port: number, adminPort: number, instancePorts: readonly number[]) {
    this.#folder = folder;
    this.#port = port;
    this.#adminPort = adminPort;
    this.#instances = INSTANCES.map((name, i) => this.#managed(name, instancePorts[i]!, [SERVER]));
    // One worker thread: with more, each takes its own turns through the instances.
    const args = [WEFT, 'proxy', '-c', this.#bootstrapFile, '--concurrency', '1', '--drain-time-s', '4'];
    this.#proxy = this.#managed('proxy', port, args);
  }

  /** Chooses ports and writes the proxy's configuration; nothing runs yet. */
  static async plan(wish: number): Promise<Example> {
    const [free, adminPort, ...instancePorts] = await freePorts(2 + INSTANCES.length);
    const port = wish === 0 ? free! : wish;
    if (!(await canBind('127.0.0.1', port))) throw new Error(`port ${port} is in use: choose another with --port N`);
    const example = new Example(await mkdtemp(join(tmpdir(), 'weft-main-')), port, adminPort!, instancePorts);
    const text = bootstrapYaml({ listener: port, admin: adminPort!, instances: instancePorts });
    await writeFile(example.#bootstrapFile, text);
    return example;
  }

  /** Rejects when one of the processes ends before all are ready. */
  async start(): Promise<void> {
    await Promise.race([this.#startAll(), this.#failure.promise]);
    this.#up = true;
    if (!this.#stopping) say(this.#whatToTry());
  }

  /** The proxy first, so that it finishes what it has begun; then the instances and the temporary folder. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#proxy.stop();
    await Promise.all(this.#instances.map((instance) => instance.stop()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** What the proxy wrote to its log, for when it does not start. */
  async proxyLog(): Promise<string> {
    return readFile(this.#proxy.plan.logFile, 'utf8').catch(() => '');
  }

  async #startAll(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => instance.start()));
    if (!this.#stopping) await this.#proxy.start();
  }

  #whatToTry(): string {
    const url = `http://127.0.0.1:${this.#port}`;
    const admin = `http://127.0.0.1:${this.#adminPort}`;
    const list = this.#instances.map(({ plan, pid }) => `  ${plan.name}   127.0.0.1:${plan.env['PORT']}   pid ${pid}`);
    return `${list.join('\n')}
  proxy   ${url}   admin ${admin}
  files   ${this.#folder}   (weft.yaml is the proxy's whole configuration)

The instances answer in turn:
  for i in 1 2 3 4 5 6; do curl -s ${url}; done
No request fails when one dies; it is started again:
  kill -9 ${this.#instances[0]!.pid}; for i in 1 2 3 4 5 6; do curl -s ${url}; done
What the proxy knows and counts:
  curl ${admin}/clusters
  curl ${admin}/stats?filter=cluster.web
Ctrl-C ends everything.
`;
  }

  get #bootstrapFile(): string {
    return join(this.#folder, 'weft.yaml');
  }

  /** Ready when `port` answers; for the proxy that means an instance's answer through it. */
  #managed(name: string, port: number, args: readonly string[]): ManagedProcess {
    const env = { INSTANCE: name, PORT: String(port) };
    const ready = (): Promise<boolean> => answers(`http://127.0.0.1:${port}/`, (body) => body.startsWith('hello'));
    const logFile = join(this.#folder, `${name}.log`);
    return new ManagedProcess({ name, args, env, logFile, ready }, (process, how) => void this.#onDeath(process, how));
  }

  async #onDeath(process: ManagedProcess, how: string): Promise<void> {
    if (this.#stopping) return;
    if (!this.#up) {
      this.#failure.reject(new Error(`${process.plan.name} ended (${how}) before everything was ready`));
      return;
    }
    say(`${process.plan.name} ended (${how}) and is started again`);
    await process.untilReady().catch(() => undefined);
    if (process.state === 'running') say(`${process.plan.name} is back, pid ${process.pid}`);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Resolves with the exit status: 0 after Ctrl-C, 1 when something does not start. */
async function run(port: number): Promise<number> {
  const interrupted = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupted.resolve());
  const example = await Example.plan(port);
  try {
    await Promise.race([example.start(), interrupted.promise]);
    await interrupted.promise;
    return 0;
  } catch (cause) {
    process.stderr.write(`${messageOf(cause)}\n${await example.proxyLog()}`);
    return 1;
  } finally {
    say('stopping …');
    await example.stop();
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const port = Number(values.port);
  if (/^\d{1,5}$/.test(values.port) && port <= 65_535) return run(port);
  process.stderr.write(`--port takes a port number, not "${values.port}"\n\n${HELP}`);
  return 2;
}

try {
  process.exitCode = await main();
} catch (cause) {
  process.stderr.write(`${messageOf(cause)}\n`);
  process.exitCode = 2;
}
