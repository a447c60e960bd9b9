// Pods under a real istiod: applications whose connections are redirected through weft or through a stock Envoy, both
// with Istio's bootstrap, and one pod without a sidecar.
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { istioBootstrap } from './istio-bootstrap.ts';
import type { IstioNode } from './istio-bootstrap.ts';
import type { Call, Outcome } from './istio-call.ts';
import { ISTIOD_NAME, ISTIOD_PORTS } from './istiod.ts';
import type { Istiod } from './istiod.ts';
import { findEnvoy } from './peers.ts';
import { APPLICATION_USER, HOST_IP, SIDECAR_USER } from './pod-network.ts';
import type { Pod } from './pod-network.ts';
import { answers } from './process.ts';
import type { ServerProcess } from './process.ts';
import type { ProxyKind } from './proxy-process.ts';

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const WEFT = path('../../cli/weft.mjs');
const ADMIN_PORT = 15_000;

export interface SidecarOptions {
  readonly kind: ProxyKind;
  readonly type?: IstioNode['type'];
  readonly labels?: Readonly<Record<string, string>>;
  readonly delta: boolean;
  readonly logLevel?: string;
}

export class IstioPods {
  readonly #folder: string;
  readonly #istiod: Istiod;
  readonly #running: ServerProcess[] = [];
  #calls = 0;

  constructor(folder: string, istiod: Istiod) {
    this.#folder = folder;
    this.#istiod = istiod;
    chmodSync(folder, 0o755);
  }

  startApplication(pod: Pod): void {
    const args = [path('./istio-application.ts'), pod.name];
    this.#running.push(pod.start(APPLICATION_USER, process.execPath, args, 'application'));
  }

  /** Ready when it resolves; the pod's connections are redirected then (not a gateway's). */
  async startProxy(pod: Pod, options: SidecarOptions): Promise<ServerProcess> {
    const { kind, type = 'sidecar', delta, labels = {} } = options;
    // Its own user writes the socket there.
    const folder = join(this.#folder, pod.name);
    mkdirSync(folder);
    chownSync(folder, SIDECAR_USER, SIDECAR_USER);
    const token = join(folder, 'token');
    writeFileSync(token, await this.#istiod.token('default', pod.name));
    const sds = join(folder, 'sds');
    const agent = {
      address: `${ISTIOD_NAME}:${ISTIOD_PORTS.secure}`, token_file: token, root_file: this.#istiod.rootFile };
    if (kind === 'envoy') await this.#startAgent(pod, { ...agent, sds_socket: sds });
    const metadata = kind === 'weft' ? { WEFT_CA: agent } : {};
    const node = { name: pod.name, ip: pod.ip, type, labels: { version: kind, ...labels }, metadata };
    const bootstrap = istioBootstrap({ node, istiodIp: HOST_IP, adminPort: ADMIN_PORT, delta, sds });
    const process = this.#launch(pod, kind, this.#write(pod, 'bootstrap', bootstrap), options.logLevel ?? 'warning');
    await process.until(() => answers(`http://${pod.ip}:${ADMIN_PORT}/ready`), 150_000);
    if (type === 'sidecar') this.#redirect(pod);
    return process;
  }

  /** In order, by a program in the pod. */
  async call(pod: Pod, calls: readonly Call[]): Promise<readonly Outcome[]> {
    const file = join(this.#folder, `calls-${++this.#calls}.json`);
    writeFileSync(file, JSON.stringify(calls));
    const { code, stdout } = await pod.run(process.execPath, path('./istio-calls.ts'), file);
    if (code !== 0) throw new Error(`${pod.name}: calls end with ${code}: ${stdout}`);
    return JSON.parse(stdout) as Outcome[];
  }

  async admin(pod: Pod, at: string): Promise<string> {
    return (await fetch(`http://${pod.ip}:${ADMIN_PORT}${at}`)).text();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.map((process) => process.stop()));
  }

  /** A weft that gives its certificate to the Envoy beside it, as Istio's agent does. */
  async #startAgent(pod: Pod, agent: object): Promise<void> {
    const bootstrap = {
      node: { id: `${pod.name}-agent`, cluster: pod.name, metadata: { WEFT_CA: agent } },
      admin: { address: { socket_address: { address: pod.ip, port_value: ADMIN_PORT + 100 } } },
    };
    const process = this.#launch(pod, 'weft', this.#write(pod, 'agent', bootstrap), 'warning');
    await process.until(() => answers(`http://${pod.ip}:${ADMIN_PORT + 100}/ready`), 150_000);
  }

  #write(pod: Pod, name: string, bootstrap: object): string {
    const file = join(this.#folder, pod.name, `${name}.json`);
    writeFileSync(file, JSON.stringify(bootstrap));
    return file;
  }

  /** In the pod's own folder, where access logs go. */
  #launch(pod: Pod, kind: ProxyKind, file: string, level: string): ServerProcess {
    const common = ['-c', file, '--concurrency', '1', '--drain-time-s', '1'];
    const command = kind === 'weft' ? [process.execPath, WEFT, 'proxy', ...common, '--log-level', level]
      : [findEnvoy(false), ...common, '-l', level, '--use-dynamic-base-id'];
    const launched = pod.start(SIDECAR_USER, 'env', ['-C', join(this.#folder, pod.name), ...command], kind);
    this.#running.push(launched);
    return launched;
  }

  #redirect(pod: Pod): void {
    pod.configure(process.execPath, WEFT, 'init');
  }
}
