// One bootstrap under weft or under a real Envoy, in a process of its own: what interop tests put between two peers.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { findEnvoy, reasonToSkip } from './peers.ts';
import { ServerProcess, answers } from './process.ts';
import { until } from './until.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

export type ProxyKind = 'weft' | 'envoy';

/** A kind of proxy, and why it is left out. */
export interface Candidate {
  readonly kind: ProxyKind;
  readonly skip: string | false;
}

/** Envoy's run proves that a test is right, weft's that weft is. `weftSkip` says what weft cannot do yet. */
export function candidates(): readonly Candidate[] {
  return [{ kind: 'envoy', skip: reasonToSkip(findEnvoy(false)) }, { kind: 'weft', skip: false }];
}

export class ProxyProcess implements AsyncDisposable {
  readonly kind: ProxyKind;
  readonly process: ServerProcess;
  readonly #admin: number;
  readonly #folder: string;
  #ports: ReadonlyMap<string, number> = new Map();

  private constructor(kind: ProxyKind, process: ServerProcess, admin: number, folder: string) {
    this.kind = kind;
    this.process = process;
    this.#admin = admin;
    this.#folder = folder;
  }

  /**
   * Ready when it resolves. `bootstrap` is in JSON's shape, without admin; listeners may have port 0. `openFiles` is a
   * limit of weft's descriptors.
   */
  static async start(kind: ProxyKind, bootstrap: unknown, openFiles?: number): Promise<ProxyProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-test-'));
    const [admin = 0] = await freePorts(1);
    const address = { socket_address: { address: '127.0.0.1', port_value: admin } };
    const file = join(folder, 'bootstrap.json');
    // Certificates' keys are in it.
    await writeFile(file, JSON.stringify({ admin: { address }, ...(bootstrap as object) }), { mode: 0o600 });
    const started = new ProxyProcess(kind, launch(kind, file, openFiles), admin, folder);
    try {
      await started.#untilReady();
      return started;
    } catch (cause) {
      await started[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** The port of a listener. */
  port(listener: string): number {
    const port = this.#ports.get(listener);
    if (port === undefined) throw new Error(`${this.kind} has no listener ${listener}:\n${this.process.output}`);
    return port;
  }

  /** A counter or gauge by its flat name; one that there is not rejects. */
  async stat(name: string): Promise<number> {
    const text = await this.#get(`/stats?filter=${encodeURIComponent(name)}`);
    const line = text.split('\n').find((row) => row.startsWith(`${name}: `));
    if (line === undefined) throw new Error(`${this.kind} has no stat ${name}`);
    return Number(line.slice(name.length + 2));
  }

  /** What the admin interface says on a path. */
  admin(path: string): Promise<string> {
    return this.#get(path);
  }

  /** /clusters as text. */
  clusters(): Promise<string> {
    return this.#get('/clusters');
  }

  /** Waits until no client's connection is open, which leaks would keep from happening; then nothing has crashed. */
  async quiet(prefix: string): Promise<void> {
    await until(`${this.kind}: no connection is open on ${prefix}`,
      async () => (await this.stat(`http.${prefix}.downstream_cx_active`)) === 0, 30_000);
    // Envoy's workers cannot die alone.
    const deaths = this.kind === 'weft' ? await this.stat('server.worker_deaths') : 0;
    if (deaths !== 0) throw new Error(`${deaths} workers died:\n${this.process.output}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #untilReady(): Promise<void> {
    await this.process.until(() => answers(`http://127.0.0.1:${this.#admin}/ready`));
    const text = await this.#get('/listeners?format=json');
    const { listener_statuses: statuses } = JSON.parse(text) as {
      listener_statuses: { name: string; local_address: { socket_address: { port_value: number } } }[];
    };
    this.#ports = new Map(statuses.map((row) => [row.name, row.local_address.socket_address.port_value]));
  }

  async #get(path: string): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#admin}${path}`)).text();
  }
}

function launch(kind: ProxyKind, file: string, openFiles: number | undefined): ServerProcess {
  const common = ['-c', file, '--concurrency', '1'];
  if (openFiles !== undefined) {
    const command = [process.execPath, WEFT, 'proxy', ...common, '--log-level', 'warning'];
    return new ServerProcess('sh', ['-c', `ulimit -n ${openFiles}; exec "$@"`, 'sh', ...command], { name: 'weft' });
  }
  return kind === 'weft'
    ? new ServerProcess(process.execPath, [WEFT, 'proxy', ...common, '--log-level', 'error'], { name: 'weft' })
    : new ServerProcess(findEnvoy(false), [...common, '-l', 'error', '--use-dynamic-base-id'], { name: 'envoy' });
}
