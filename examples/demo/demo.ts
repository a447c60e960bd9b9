// The mesh on one machine: control plane with its CA, a gateway, Bookinfo, a sidecar for each; started, watched, ended.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workloadSpiffeId } from '../../certs/spiffe.ts';
import { openStore } from '../../certs/store.ts';
import { TokenAuthority, writeTokenFile } from '../../certs/token.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { planPods } from './address-plan.ts';
import { canBind, freePorts } from './free-ports.ts';
import { ManagedProcess } from './managed-process.ts';
import { writeMesh, writePods } from './mesh-directory.ts';
import { answers } from './ready.ts';
import type { MeshAddresses } from './sidecar-bootstrap.ts';
import { sidecarBootstrap } from './sidecar-bootstrap.ts';
import type { Workload } from './workloads.ts';
import { TRUST_DOMAIN, WORKLOAD_COUNT, isGateway, planWorkloads } from './workloads.ts';

export interface DemoOptions {
  /** Port of the product page; 0 takes any. When a wish is not free another one is taken and said. */
  readonly port: number;
  /** The conventional ports of the control plane, or free ones. */
  readonly conventionalPorts: boolean;
  /** A folder with the mesh's YAML instead of the example's copy. */
  readonly configDir: string | undefined;
  readonly zipkin: readonly string[];
  /** A line of progress. */
  say(line: string): void;
}

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const CONVENTIONAL = { xds: 15_010, ca: 15_012, http: 15_080 };
/** Tokens live an hour. */
const TOKEN_REFRESH_MS = 25 * 60_000;

export class Demo {
  readonly folder: string;
  readonly meshDir: string;
  readonly workloads: readonly Workload[];
  readonly gatewayPort: number;
  readonly httpPort: number;
  readonly #options: DemoOptions;
  readonly #mesh: MeshAddresses;
  readonly #tokens: TokenAuthority;
  readonly #processes = new Map<string, ManagedProcess>();
  #refresh: NodeJS.Timeout | undefined = undefined;
  #stopping = false;

  private constructor(options: DemoOptions, folder: string, workloads: readonly Workload[], ports: readonly number[]) {
    this.#options = options;
    this.folder = folder;
    this.workloads = workloads;
    this.meshDir = options.configDir ?? join(folder, 'mesh');
    const [gateway, xds, ca, http] = ports;
    this.gatewayPort = gateway!;
    this.httpPort = http!;
    const store = openStore({ dir: join(folder, 'ca'), trustDomain: TRUST_DOMAIN });
    this.#tokens = new TokenAuthority({ key: store.tokenKey, trustDomain: TRUST_DOMAIN, clock: systemClock });
    this.#mesh = {
      xds: { host: '127.0.0.1', port: xds! }, ca: { host: '127.0.0.1', port: ca! }, rootFile: store.rootFile,
      extraCollectors: options.zipkin, gatewayPort: this.gatewayPort,
    };
  }

  /** Plans addresses and writes the files; nothing runs yet. */
  static async plan(options: DemoOptions): Promise<Demo> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-demo-'));
    const workloads = planWorkloads(await planPods(WORKLOAD_COUNT, process.pid));
    const demo = new Demo(options, folder, workloads, await choosePorts(options));
    await mkdir(join(folder, 'logs'), { recursive: true });
    if (options.configDir === undefined) await writeMesh(demo.meshDir, workloads);
    else await writePods(demo.meshDir, workloads);
    await demo.#writeTokens();
    for (const workload of workloads) {
      const bootstrap = sidecarBootstrap(workload, demo.#mesh, demo.#tokenFile(workload));
      await writeFile(demo.#bootstrapFile(workload), `${JSON.stringify(bootstrap, undefined, 2)}\n`);
    }
    return demo;
  }

  get tracesUrl(): string {
    return `http://127.0.0.1:${this.httpPort}/traces`;
  }

  get productPageUrl(): string {
    return `http://127.0.0.1:${this.gatewayPort}/productpage`;
  }

  adminUrl(workload: Workload): string {
    return `http://${workload.pod.ip}:${workload.pod.adminPort}`;
  }

  workload(name: string): Workload {
    const found = this.workloads.find((workload) => workload.name === name);
    if (found === undefined) throw new Error(`the demo has no workload ${name}`);
    return found;
  }

  process(name: string): ManagedProcess {
    const found = this.#processes.get(name);
    if (found === undefined) throw new Error(`the demo has no process ${name}`);
    return found;
  }

  /** Control plane first, then everything else at once. */
  async start(): Promise<void> {
    const { say } = this.#options;
    await this.#launch(this.#controlPlane());
    say(`control plane and certificate authority are up (${this.tracesUrl})`);
    const sidecars = this.workloads.map((workload) => this.#sidecar(workload));
    const apps = this.workloads.filter((workload) => !isGateway(workload)).map(
      (workload) => this.#application(workload),
    );
    let ready = 0;
    const total = sidecars.length + apps.length;
    await Promise.all([...sidecars, ...apps].map(async (process) => {
      await this.#launch(process);
      ready++;
      if (ready % 5 === 0 || ready === total) say(`${ready} of ${total} processes are ready`);
    }));
    await this.untilServing();
    this.#refresh = setInterval(() => void this.#writeTokens(), TOKEN_REFRESH_MS);
  }

  /** Resolves when the product page answers through the gateway with everything on it. */
  async untilServing(): Promise<void> {
    const deadline = performance.now() + 30_000;
    const isWhole = (text: string): boolean => text.includes('Reviews served by') && text.includes('PublisherA');
    while (!(await answers(this.productPageUrl, isWhole))) {
      if (performance.now() > deadline) {
        throw new Error(`the product page does not answer; logs are in ${join(this.folder, 'logs')}`);
      }
    }
  }

  /** Ends everything, sidecars last, and removes the temporary folder. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    clearInterval(this.#refresh);
    const all = [...this.#processes.values()];
    const isApp = (process: ManagedProcess): boolean => process.plan.name.startsWith('app/');
    await Promise.all(all.filter(isApp).map((process) => process.stop()));
    await Promise.all(all.filter((process) => !isApp(process)).map((process) => process.stop()));
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Kills every process at once. */
  abandon(): void {
    this.#stopping = true;
    for (const process of this.#processes.values()) process.abandon();
  }

  async #launch(process: ManagedProcess): Promise<void> {
    this.#processes.set(process.plan.name, process);
    await process.start();
  }

  #managed(name: string, args: string[], env: Record<string, string>, ready: () => Promise<boolean>): ManagedProcess {
    const logFile = join(this.folder, 'logs', `${name.replace('/', '-')}.log`);
    return new ManagedProcess({ name, args, env, logFile, ready }, (process, how) => {
      if (!this.#stopping) this.#options.say(`${process.plan.name} ended (${how}) and is started again`);
    });
  }

  #controlPlane(): ManagedProcess {
    const { xds, ca } = this.#mesh;
    const args = [WEFT, 'control', '--config', this.meshDir, '--xds', `${xds.host}:${xds.port}`,
      '--secure', `${ca.host}:${ca.port}`, '--http', `127.0.0.1:${this.httpPort}`, '--ca-dir', join(this.folder, 'ca')];
    return this.#managed('control', args, {}, () => answers(`http://127.0.0.1:${this.httpPort}/api/status`));
  }

  #sidecar(workload: Workload): ManagedProcess {
    const args = [WEFT, 'proxy', '-c', this.#bootstrapFile(workload), '--concurrency', '1', '--drain-time-s', '4'];
    return this.#managed(`sidecar/${workload.name}`, args, {}, () => answers(`${this.adminUrl(workload)}/ready`));
  }

  #application(workload: Workload): ManagedProcess {
    const { pod, name, version, entry } = workload;
    const env = {
      HOST: pod.ip, PORT: String(pod.appPort), VERSION: version, POD_NAME: name,
      HTTP_PROXY: `http://${pod.ip}:${pod.outboundPort}`,
      NODE_COMPILE_CACHE_PORTABLE: '1',
      NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/weft/compile', import.meta.url)),
    };
    return this.#managed(`app/${name}`, [entry!], env, () => answers(`http://${pod.ip}:${pod.appPort}/health`));
  }

  async #writeTokens(): Promise<void> {
    for (const workload of this.workloads) {
      const identity = workloadSpiffeId(TRUST_DOMAIN, workload.namespace, workload.serviceAccount);
      if (identity === undefined) throw new Error(`${workload.serviceAccount} is no name of a service account`);
      writeTokenFile(this.#tokenFile(workload), await this.#tokens.mint(identity));
    }
  }

  #tokenFile(workload: Workload): string {
    return join(this.folder, `${workload.name}.token`);
  }

  #bootstrapFile(workload: Workload): string {
    return join(this.folder, `${workload.name}.json`);
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
