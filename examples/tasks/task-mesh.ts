// The mesh that tasks run in: what a task needs is started, what it does not need is ended, its rules come and go.
import { mkdir, mkdtemp, readFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { planPods } from '../demo/address-plan.ts';
import { freePorts } from '../demo/free-ports.ts';
import { LocalMesh } from '../demo/local-mesh.ts';
import type { LocalMeshOptions } from '../demo/local-mesh.ts';
import { HOST_IP } from '../demo/pod-network.ts';
import { PodRunner } from '../demo/pod-runner.ts';
import { removeFile, replaceFromFile, writePods } from '../demo/mesh-directory.ts';
import type { Workload } from '../demo/workloads.ts';
import type { Application, ApplicationName } from './applications.ts';
import { POD_COUNT, planApplications } from './applications.ts';
import { writeShopCertificates } from './shop-certificates.ts';

const MESH_FILE = fileURLToPath(new URL('apps/mesh.yaml', import.meta.url));
const FORWARDER = fileURLToPath(new URL('apps/forward.ts', import.meta.url));
const WORKLOADS_FILE = 'workloads.yaml';
const TASK_FILE = 'task.yaml';

interface TaskMeshOptions extends Pick<LocalMeshOptions, 'egressGid'> {
  /** Each pod is a network namespace; called in namespaces of its own. */
  readonly inside?: boolean;
}

export class TaskMesh {
  readonly folder: string;
  readonly gatewayPort: number;
  /** For a Gateway's port 443. */
  readonly gatewayTlsPort: number;
  readonly httpPort: number;
  readonly #mesh: LocalMesh;
  readonly #applications: Record<ApplicationName, Application>;
  readonly #running = new Set<Workload>();
  readonly #pods: PodRunner | undefined;
  #controlUp = false;

  private constructor(
    folder: string, applications: Record<ApplicationName, Application>, ports: readonly number[],
    say: (line: string) => void, { inside = false, ...options }: TaskMeshOptions,
  ) {
    const [gateway, gatewayTls, xds, ca, http] = ports;
    this.folder = folder;
    this.gatewayPort = gateway!;
    this.gatewayTlsPort = gatewayTls!;
    this.httpPort = http!;
    this.#applications = applications;
    const pods = inside ? new PodRunner(folder) : undefined;
    this.#pods = pods;
    this.#mesh = new LocalMesh({
      ...(pods !== undefined && { host: HOST_IP, pods, forwarder: FORWARDER }),
      folder, meshDir: this.meshDir, xdsPort: xds!, caPort: ca!, httpPort: http!,
      gatewayPorts: { 80: gateway!, 443: gatewayTls! }, zipkin: [], say, ...options,
    });
  }

  /** Chooses addresses and makes the folder; nothing runs yet. */
  static async plan(say: (line: string) => void, options: TaskMeshOptions = {}): Promise<TaskMesh> {
    const folder = await mkdtemp(join(tmpdir(), 'weft-tasks-'));
    const pods = options.inside === true ? PodRunner.plan(POD_COUNT) : await planPods(POD_COUNT, process.pid);
    const mesh = new TaskMesh(folder, planApplications(pods), await freePorts(5), say, options);
    await mkdir(mesh.meshDir);
    await writeShopCertificates(mesh.tlsDir);
    mesh.#pods?.give(join(mesh.tlsDir, 'client.key'));
    mesh.#pods?.give(join(mesh.tlsDir, 'outside.key'), 'application');
    return mesh;
  }

  get meshDir(): string {
    return join(this.folder, 'mesh');
  }

  /** Certificates of the gateway and of a client; the gateway knows the folder as `tls`. */
  get tlsDir(): string {
    return join(this.folder, 'tls');
  }

  get isStopping(): boolean {
    return this.#mesh.isStopping;
  }

  adminUrl(workload: Workload): string {
    return this.#mesh.adminUrl(workload);
  }

  /** What a workload's application has as its HTTP_PROXY, and whoever asks as that application. */
  sidecarUrl({ pod }: Workload): string {
    return `http://${pod.ip}:${pod.outboundPort}`;
  }

  /** The application itself, past its sidecar and the mesh. */
  applicationUrl(workload: Workload): string {
    const { ip, appPort, namespace } = workload.pod;
    return namespace === undefined ? `http://${ip}:${appPort}` : this.sidecarUrl(workload);
  }

  workload(name: string): Workload {
    for (const { workloads } of Object.values(this.#applications)) {
      const found = workloads.find((workload) => workload.name === name);
      if (found !== undefined) return found;
    }
    throw new Error(`there is no workload ${name}`);
  }

  /** What an application wrote. */
  log(workload: string): Promise<string> {
    return readFile(this.#mesh.logFile(`app/${workload}`), 'utf8');
  }

  /** Makes the mesh that of these applications alone, without rules; resolves when all of it is ready. */
  async arrange(names: readonly ApplicationName[], isOpen = false): Promise<void> {
    const applications = names.map((name) => this.#applications[name]);
    const wanted = applications.flatMap(({ workloads }) => workloads);
    const credentials = names.includes('egress') ? [join(this.tlsDir, 'credential.yaml')] : [];
    const common = [...(isOpen ? [] : [MESH_FILE]), ...credentials];
    await this.#writeFiles([...common, ...applications.flatMap(({ files }) => files)], wanted);
    if (!this.#controlUp) await this.#mesh.startControl();
    this.#controlUp = true;
    const idle = [...this.#running].filter((workload) => !wanted.includes(workload));
    await Promise.all([...idle.map((workload) => this.kill(workload, false)),
      ...wanted.filter((workload) => !this.#running.has(workload)).map((workload) => this.revive(workload))]);
  }

  /** Puts a file of rules in force, in place of the one before of that name. */
  apply(file: string, name = TASK_FILE): Promise<void> {
    return replaceFromFile(file, join(this.meshDir, name));
  }

  /** Ends a pod; the mesh is not told of it. With `atOnce` its connections are cut. */
  async kill(workload: Workload, atOnce = true): Promise<void> {
    this.#running.delete(workload);
    await this.#mesh.stopWorkload(workload, atOnce);
  }

  async revive(workload: Workload): Promise<void> {
    this.#running.add(workload);
    await this.#mesh.startWorkload(workload);
  }

  stop(): Promise<void> {
    return this.#mesh.stop();
  }

  /** Kills every process at once. */
  abandon(): void {
    this.#mesh.abandon();
  }

  async #writeFiles(files: readonly string[], workloads: readonly Workload[]): Promise<void> {
    const names = new Set([WORKLOADS_FILE, ...files.map((file) => basename(file))]);
    for (const old of await readdir(this.meshDir)) {
      if (!names.has(old)) await removeFile(join(this.meshDir, old));
    }
    for (const file of files) await replaceFromFile(file, join(this.meshDir, basename(file)));
    await writePods(this.meshDir, workloads);
  }
}
