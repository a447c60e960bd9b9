// A mesh on one machine, whatever runs in it: its control plane with its CA, and a sidecar for each workload.
import { mkdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workloadSpiffeId } from '../../certs/spiffe.ts';
import { openStore } from '../../certs/store.ts';
import { TokenAuthority, writeTokenFile } from '../../certs/token.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { ManagedProcess } from './managed-process.ts';
import type { ProcessPlan } from './managed-process.ts';
import type { PodRunner } from './pod-runner.ts';
import { accepts, answers } from './ready.ts';
import type { MeshAddresses } from './sidecar-bootstrap.ts';
import { sidecarBootstrap } from './sidecar-bootstrap.ts';
import type { Workload } from './workloads.ts';
import { TRUST_DOMAIN } from './workloads.ts';

export interface LocalMeshOptions {
  /** Temporary, the mesh's own: keys, bootstraps, logs. All run in it, and it is removed at the end. */
  readonly folder: string;
  /** The mesh's YAML. */
  readonly meshDir: string;
  /** Address of the control plane, and its ports. Default 127.0.0.1. */
  readonly host?: string;
  readonly xdsPort: number;
  readonly caPort: number;
  readonly httpPort: number;
  readonly gatewayPorts: MeshAddresses['gatewayPorts'];
  /** Zipkin v2 collectors that get the spans as well. */
  readonly zipkin: readonly string[];
  /** Group of egress gateways, by which a firewall knows them; absent: as all others. */
  readonly egressGid?: number;
  /** Where pods are network namespaces: how something runs in one. Absent: all run here. */
  readonly pods?: PodRunner;
  /** What runs beside the applications there, to call as they do for whoever asks it. Absent: nothing. */
  readonly forwarder?: string;
  /** A line of progress. */
  say(line: string): void;
}

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
/** Tokens live an hour. */
const TOKEN_REFRESH_MS = 25 * 60_000;
/** Of applications, which start faster so. */
const COMPILED = {
  NODE_COMPILE_CACHE_PORTABLE: '1',
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/weft/compile', import.meta.url)),
};

export class LocalMesh {
  readonly #options: LocalMeshOptions;
  readonly #mesh: MeshAddresses;
  readonly #tokens: TokenAuthority;
  readonly #processes = new Map<string, ManagedProcess>();
  readonly #workloads = new Set<Workload>();
  #refresh: NodeJS.Timeout | undefined = undefined;
  #stopping = false;

  constructor(options: LocalMeshOptions) {
    this.#options = options;
    mkdirSync(join(options.folder, 'logs'), { recursive: true });
    const store = openStore({ dir: this.caDir, trustDomain: TRUST_DOMAIN });
    this.#tokens = new TokenAuthority({ key: store.tokenKey, trustDomain: TRUST_DOMAIN, clock: systemClock });
    const { host = '127.0.0.1', pods } = options;
    this.#mesh = {
      xds: { host, port: options.xdsPort }, ca: { host, port: options.caPort },
      rootFile: pods?.share(store.rootFile) ?? store.rootFile, extraCollectors: options.zipkin,
      gatewayPorts: options.gatewayPorts,
    };
  }

  get caDir(): string {
    return join(this.#options.folder, 'ca');
  }

  /** The audit log of a workload's proxy; without one, the control plane's. */
  auditDir(workload?: Workload): string {
    return join(this.#options.folder, 'audit', workload?.name ?? 'control');
  }

  /** True once it is to end: nothing starts any more. */
  get isStopping(): boolean {
    return this.#stopping;
  }

  adminUrl({ pod }: Workload): string {
    return `http://${pod.ip}:${pod.adminPort}`;
  }

  process(name: string): ManagedProcess {
    const found = this.#processes.get(name);
    if (found === undefined) throw new Error(`the mesh has no process ${name}`);
    return found;
  }

  /** Where a process's output goes. */
  logFile(process: string): string {
    return join(this.#options.folder, 'logs', `${process.replace('/', '-')}.log`);
  }

  async startControl(): Promise<void> {
    const { folder, meshDir, httpPort, host = '127.0.0.1' } = this.#options;
    const { xds, ca } = this.#mesh;
    const args = [WEFT, 'control', '--config', meshDir, '--xds', `${xds.host}:${xds.port}`,
      '--secure', `${ca.host}:${ca.port}`, '--http', `${host}:${httpPort}`, '--ca-dir', join(folder, 'ca'),
      '--audit-dir', this.auditDir()];
    const ready = (): Promise<boolean> => answers(`http://${host}:${httpPort}/api/status`);
    await this.#launch(this.#managed('control', args, {}, ready));
    this.#refresh = setInterval(() => void this.#renewTokens(), TOKEN_REFRESH_MS);
  }

  /** Its sidecar and its application, if it has one. Resolves when both are ready; `onReady` hears of each. */
  async startWorkload(workload: Workload, onReady?: () => void): Promise<void> {
    this.#workloads.add(workload);
    const processes = [...await this.#proxy(workload), ...this.#application(workload),
      ...this.#forwarder(workload)];
    await Promise.all(processes.map((process) => this.#launch(process).then(onReady)));
  }

  /** Its sidecar, or the gateway that it is. */
  async #proxy(workload: Workload): Promise<ManagedProcess[]> {
    if (workload.place === 'outside') return [];
    await this.#writeToken(workload);
    const bootstrap = sidecarBootstrap(workload, this.#mesh, this.#tokenFile(workload), this.auditDir(workload));
    await writeFile(this.#bootstrapFile(workload), `${JSON.stringify(bootstrap, undefined, 2)}\n`);
    this.#options.pods?.prepare(workload, [this.#tokenFile(workload), this.auditDir(workload)]);
    return [this.#sidecar(workload)];
  }

  /** Ends it: the application, then the sidecar. With `atOnce` both are killed together, as a machine that dies. */
  async stopWorkload(workload: Workload, atOnce = false): Promise<void> {
    this.#workloads.delete(workload);
    const { name } = workload;
    const names = [`app/${name}`, `forward/${name}`, `sidecar/${name}`];
    if (atOnce) for (const name of names) this.#processes.get(name)?.abandon();
    for (const name of names) {
      await this.#processes.get(name)?.stop();
      this.#processes.delete(name);
    }
  }

  /** Ends everything, sidecars last, and removes the temporary folder. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    clearInterval(this.#refresh);
    const all = [...this.#processes.values()];
    const isApp = (process: ManagedProcess): boolean => /^(app|forward)\//.test(process.plan.name);
    await Promise.all(all.filter(isApp).map((process) => process.stop()));
    await Promise.all(all.filter((process) => !isApp(process)).map((process) => process.stop()));
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  /** Kills every process at once. */
  abandon(): void {
    this.#stopping = true;
    for (const process of this.#processes.values()) process.abandon();
  }

  async #launch(process: ManagedProcess): Promise<void> {
    if (this.#stopping) throw new Error('the mesh is ending');
    this.#processes.set(process.plan.name, process);
    await process.start();
  }

  #managed(
    name: string, args: string[], env: Record<string, string>, ready: () => Promise<boolean>,
    how: Pick<ProcessPlan, 'gid' | 'inside'> = {},
  ): ManagedProcess {
    const { folder } = this.#options;
    const plan = { name, args, env, cwd: folder, logFile: this.logFile(name), ready, ...how };
    return new ManagedProcess(plan, (process, how) => {
      if (!this.#stopping) this.#options.say(`${process.plan.name} ended (${how}) and is started again`);
    });
  }

  #sidecar(workload: Workload): ManagedProcess {
    const args = [WEFT, 'proxy', '-c', this.#bootstrapFile(workload), '--concurrency', '1', '--drain-time-s', '4'];
    const ready = (): Promise<boolean> => answers(`${this.adminUrl(workload)}/ready`);
    const gid = workload.place === 'egress' ? this.#options.egressGid : undefined;
    const how = gid === undefined ? this.#options.pods?.asSidecar(workload) : { gid };
    return this.#managed(`sidecar/${workload.name}`, args, {}, ready, how);
  }

  #application(workload: Workload): ManagedProcess[] {
    const { pod, name, version, locality, portName, entry, place } = workload;
    const { pods } = this.#options;
    if (entry === undefined) return [];
    const env = {
      HOST: pod.ip, PORT: String(pod.appPort), VERSION: version, POD_NAME: name, LOCALITY: locality,
      ...(place === 'outside' ? { TLS_PORT: String(pod.outboundPort), MUTUAL_PORT: String(pod.adminPort) }
        : pods === undefined && { HTTP_PROXY: `http://${pod.ip}:${pod.outboundPort}` }),
      ...COMPILED,
    };
    const ready = (): Promise<boolean> => (portName.startsWith('http')
      ? answers(`http://${pod.ip}:${pod.appPort}/health`) : accepts(pod.ip, pod.appPort));
    if (pods !== undefined) {
      const listens = (): Promise<boolean> => pods.listens(application.pid, pod.appPort);
      const application = this.#managed(`app/${name}`, [entry], env, listens, pods.asApplication(workload));
      return [application];
    }
    return [this.#managed(`app/${name}`, [entry], env, ready)];
  }

  #forwarder(workload: Workload): ManagedProcess[] {
    const { pods, forwarder } = this.#options;
    const { pod, name, isGateway, place } = workload;
    if (pods === undefined || forwarder === undefined || isGateway || place === 'outside') return [];
    const env = { HOST: pod.ip, PORT: String(pod.outboundPort), APP_PORT: String(pod.appPort), ...COMPILED };
    const ready = (): Promise<boolean> => accepts(pod.ip, pod.outboundPort);
    return [this.#managed(`forward/${name}`, [forwarder], env, ready, pods.asApplication(workload))];
  }

  async #renewTokens(): Promise<void> {
    for (const workload of this.#workloads) if (workload.place !== 'outside') await this.#writeToken(workload);
  }

  async #writeToken(workload: Workload): Promise<void> {
    const identity = workloadSpiffeId(TRUST_DOMAIN, workload.namespace, workload.serviceAccount);
    if (identity === undefined) throw new Error(`${workload.serviceAccount} is no name of a service account`);
    writeTokenFile(this.#tokenFile(workload), await this.#tokens.mint(identity));
    this.#options.pods?.give(this.#tokenFile(workload));
  }

  #tokenFile(workload: Workload): string {
    return join(this.#options.folder, `${workload.name}.token`);
  }

  #bootstrapFile(workload: Workload): string {
    return join(this.#options.folder, `${workload.name}.json`);
  }
}
