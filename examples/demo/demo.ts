// The demo: a mesh on one machine with a gateway and Bookinfo in it.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planPods } from './address-plan.ts';
import { canBind, freePorts } from './free-ports.ts';
import { LocalMesh } from './local-mesh.ts';
import { writeMesh, writePods } from './mesh-directory.ts';
import { lead } from './namespaces.ts';
import { HOST_IP } from './pod-network.ts';
import { PodRunner } from './pod-runner.ts';
import { answers } from './ready.ts';
import { until, type TouredMesh, type TouredWorkload } from './tour-context.ts';
import type { Workload } from './workloads.ts';
import { WORKLOAD_COUNT, planWorkloads } from './workloads.ts';

export interface DemoOptions {
  /** Port of the product page; 0 takes any. When a wish is not free another one is taken and said. */
  readonly port: number;
  /** The conventional ports of the control plane, or free ones. */
  readonly conventionalPorts: boolean;
  /** A folder with the mesh's YAML instead of the example's copy. */
  readonly configDir: string | undefined;
  readonly zipkin: readonly string[];
  /** In namespaces of its own: the folder by whose sockets it is reached. Each pod is a network namespace then. */
  readonly inside?: string | undefined;
  /** A line of progress. */
  say(line: string): void;
}

/** Sockets that lead into namespaces. */
export const PAGE = 'page.sock';
export const CONTROL = 'control.sock';
export const CONVENTIONAL = { xds: 15_010, ca: 15_012, http: 15_080 };

export class Demo implements TouredMesh {
  readonly folder: string;
  readonly meshDir: string;
  readonly workloads: readonly Workload[];
  readonly gatewayPort: number;
  readonly httpPort: number;
  readonly #options: DemoOptions;
  readonly #mesh: LocalMesh;
  readonly #host: string;

  private constructor(options: DemoOptions, folder: string, workloads: readonly Workload[], ports: readonly number[]) {
    this.#options = options;
    this.folder = folder;
    this.workloads = workloads;
    this.meshDir = options.configDir ?? join(folder, 'mesh');
    const [gateway, xds, ca, http] = ports;
    this.gatewayPort = gateway!;
    this.httpPort = http!;
    this.#host = options.inside === undefined ? '127.0.0.1' : HOST_IP;
    this.#mesh = new LocalMesh({
      host: this.#host, ...(options.inside !== undefined && { pods: new PodRunner(folder) }),
      folder, meshDir: this.meshDir, xdsPort: xds!, caPort: ca!, httpPort: http!, gatewayPorts: { 80: gateway! },
      zipkin: options.zipkin, say: options.say,
    });
  }

  /** Plans addresses and writes the mesh's YAML; nothing runs yet. */
  static async plan(options: DemoOptions): Promise<Demo> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-demo-'));
    const pods = options.inside === undefined ? await planPods(WORKLOAD_COUNT, process.pid)
      : PodRunner.plan(WORKLOAD_COUNT);
    const workloads = planWorkloads(pods);
    const demo = new Demo(options, folder, workloads, await choosePorts(options));
    if (options.configDir === undefined) await writeMesh(demo.meshDir, workloads);
    else await writePods(demo.meshDir, workloads);
    return demo;
  }

  /** Of the control plane's page and API. */
  get controlUrl(): string {
    return `http://${this.#host}:${this.httpPort}`;
  }

  get tracesUrl(): string {
    return `${this.controlUrl}/traces`;
  }

  get productPageUrl(): string {
    return `http://127.0.0.1:${this.gatewayPort}/productpage`;
  }

  adminUrl(workload: Workload): string {
    return this.#mesh.adminUrl(workload);
  }

  workload(name: string): Workload {
    const found = this.workloads.find((workload) => workload.name === name);
    if (found === undefined) throw new Error(`the demo has no workload ${name}`);
    return found;
  }

  metricsUrl(workload: TouredWorkload): string {
    return `${this.adminUrl(this.workload(workload.name))}/stats/prometheus`;
  }

  async killUntilBack(names: readonly string[]): Promise<void> {
    const processes = names.map((name) => this.#mesh.process(name));
    const before = processes.map(({ pid }) => pid);
    for (const process of processes) process.kill();
    await until(`${names.join(' and ')} are started again`, () => Promise.resolve(
      processes.every(({ pid, state }, at) => pid !== before[at] && state === 'running')));
    await Promise.all(processes.map((process) => process.untilReady()));
  }

  /** Control plane first, then everything else at once. */
  async start(): Promise<void> {
    const { say } = this.#options;
    await this.#mesh.startControl();
    say(`control plane and certificate authority are up (${this.tracesUrl})`);
    let ready = 0;
    const total = this.workloads.length + this.workloads.filter(({ entry }) => entry !== undefined).length;
    const onReady = (): void => {
      ready++;
      if (ready % 5 === 0 || ready === total) say(`${ready} of ${total} processes are ready`);
    };
    await Promise.all(this.workloads.map((workload) => this.#mesh.startWorkload(workload, onReady)));
    await this.untilServing();
    await this.#leadInside();
  }

  async #leadInside(): Promise<void> {
    const { inside } = this.#options;
    if (inside === undefined) return;
    await lead(join(inside, PAGE), '127.0.0.1', this.gatewayPort);
    await lead(join(inside, CONTROL), this.#host, this.httpPort);
  }

  /** Resolves when the product page answers through the gateway with everything on it. */
  async untilServing(): Promise<void> {
    const deadline = performance.now() + 30_000;
    const isWhole = (text: string): boolean => text.includes('Reviews served by') && text.includes('PublisherA');
    while (!(await answers(this.productPageUrl, isWhole)) && !this.#mesh.isStopping) {
      if (performance.now() > deadline) {
        throw new Error(`the product page does not answer; logs are in ${join(this.folder, 'logs')}`);
      }
    }
  }

  /** Ends everything, sidecars last, and removes the temporary folder. */
  stop(): Promise<void> {
    return this.#mesh.stop();
  }

  /** Kills every process at once. */
  abandon(): void {
    this.#mesh.abandon();
  }
}

/** Gateway, xDS, CA, page. */
async function choosePorts({ port, conventionalPorts, say }: DemoOptions): Promise<number[]> {
  const free = await freePorts(4);
  const wishes = conventionalPorts ? [port, CONVENTIONAL.xds, CONVENTIONAL.ca, CONVENTIONAL.http] : [port, 0, 0, 0];
  const chosen: number[] = [];
  for (const [i, wish] of wishes.entries()) {
    const taken = wish !== 0 && !(await canBind('127.0.0.1', wish));
    if (taken) say(`port ${wish} is in use; ${free[i]} is taken instead`);
    chosen.push(wish === 0 || taken ? free[i]! : wish);
  }
  return chosen;
}
