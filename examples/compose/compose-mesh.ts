// The mesh of docker-compose.yml as the guided tour sees it: pods by their addresses, containers to kill.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { answers } from '../demo/ready.ts';
import { until, type TouredMesh, type TouredWorkload } from '../demo/tour-context.ts';
import type { Compose } from './compose.ts';

const WORKLOADS = fileURLToPath(new URL('workloads.yaml', import.meta.url));
const APPLICATION_PORT = 9080;
const METRICS_PORT = 15_090;
const HEALTH_PORT = 15_021;
/** Of the gateway, which is no workload that others are told of. */
const GATEWAY = '10.137.7.3';

export interface ComposePorts {
  readonly gatewayPort: number;
  readonly httpPort: number;
}

export class ComposeMesh implements TouredMesh {
  readonly folder: string;
  readonly meshDir: string;
  readonly gatewayPort: number;
  readonly controlUrl: string;
  readonly workloads: readonly TouredWorkload[];
  readonly #compose: Compose;

  private constructor(
    compose: Compose, folder: string, workloads: readonly TouredWorkload[], { gatewayPort, httpPort }: ComposePorts,
  ) {
    this.#compose = compose;
    this.folder = folder;
    this.meshDir = join(folder, 'mesh');
    this.workloads = workloads;
    this.gatewayPort = gatewayPort;
    this.controlUrl = `http://127.0.0.1:${httpPort}`;
  }

  /** `folder` gets a copy of the authority's keys as `ca`: the tour shows certificates of its own making. */
  static async of(compose: Compose, folder: string, ports: ComposePorts): Promise<ComposeMesh> {
    const documents = parseAllDocuments(await readFile(WORKLOADS, 'utf8')).map((document) => document.toJS() as Entry);
    const pods = documents.map(({ metadata, spec }) => ({
      name: metadata.name, pod: { ip: spec.address, inboundPort: APPLICATION_PORT },
    }));
    const gateway = { name: 'ingressgateway', pod: { ip: GATEWAY, inboundPort: 8080 } };
    await compose.docker('cp', `${await compose.containerOf('control')}:/var/lib/weft/ca`, join(folder, 'ca'));
    return new ComposeMesh(compose, folder, [gateway, ...pods], ports);
  }

  workload(name: string): TouredWorkload {
    const found = this.workloads.find((workload) => workload.name === name);
    if (found === undefined) throw new Error(`docker-compose.yml has no workload ${name}`);
    return found;
  }

  metricsUrl({ pod }: TouredWorkload): string {
    return `http://${pod.ip}:${METRICS_PORT}/stats/prometheus`;
  }

  /** By the system: what Docker itself kills it does not start again. `app/NAME` and `sidecar/NAME` are containers. */
  async killUntilBack(names: readonly string[]): Promise<void> {
    const services = names.map((name) => {
      const [what, workload = ''] = name.split('/', 2);
      const isSidecar = what === 'sidecar';
      return { workload, isSidecar, service: `${workload}-${isSidecar ? 'proxy' : 'app'}` };
    });
    const before = await Promise.all(services.map(({ service }) => this.#compose.pidOf(service)));
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await Promise.all(services.map(async ({ workload, isSidecar, service }, at) => {
      await until(`${service} is started again`, async () => {
        const pid = await this.#compose.pidOf(service);
        return pid !== 0 && pid !== before[at];
      });
      const { ip } = this.workload(workload).pod;
      if (isSidecar) await until(`${service} is ready`, () => answers(`http://${ip}:${HEALTH_PORT}/healthz/ready`));
    }));
  }
}

interface Entry {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly address: string };
}
