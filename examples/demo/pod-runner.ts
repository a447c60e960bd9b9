// Runs the demo's workloads in network namespaces: application and sidecar of each under users of their own, with real
// redirection by `weft init` and names answered by the sidecar.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { INTERCEPTION_DEFAULTS } from '../../control/inject/redirect-rules.ts';
import type { PodAddress } from './address-plan.ts';
import type { ProcessPlan } from './managed-process.ts';
import { answerNoNames } from './no-names.ts';
import { APPLICATION_USER, HOST_IP, insidePod, makePodNetwork, podAddresses, SIDECAR_USER } from './pod-network.ts';
import type { Workload } from './workloads.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** In the namespace's own /run. */
const READABLE = '/run/weft';
const PORT = 9080;
/** Where somebody asks as the pod, past its redirection. */
const FORWARD = 3128;
const ADMIN = 15_000;
const LISTENING = '0A';
const NOT_REDIRECTED = [...INTERCEPTION_DEFAULTS.excludeInboundPorts, FORWARD].join();

type Inside = Pick<ProcessPlan, 'inside'>;

export class PodRunner {
  readonly #folder: string;
  readonly #resolvConf: string;
  /** Where other users can read the package, if they cannot where it is. */
  readonly #moved: boolean;

  /** `folder` is the mesh's own. */
  constructor(folder: string) {
    this.#folder = folder;
    chmodSync(folder, 0o755);
    this.#resolvConf = join(folder, 'resolv.conf');
    const search = 'search default.svc.cluster.local svc.cluster.local cluster.local';
    writeFileSync(this.#resolvConf, `nameserver ${HOST_IP}\n${search}\noptions ndots:5\n`);
    answerNoNames(HOST_IP);
    this.#moved = !readableByOthers();
    if (this.#moved) {
      execFileSync('mkdir', ['-p', READABLE]);
      execFileSync('mount', ['--bind', ROOT, READABLE]);
      if (!readableByOthers(READABLE)) throw new Error(`other users cannot read ${ROOT}, wherever it is mounted`);
    }
  }

  /** Makes the namespaces. The first workload is the gateway, which stands on the bridge's host. */
  static plan(count: number): PodAddress[] {
    const places = { inboundPort: PORT, appPort: PORT, outboundPort: FORWARD, adminPort: ADMIN };
    const names = Array.from({ length: count - 1 }, (_, i) => `pod-${i + 1}`);
    makePodNetwork(names);
    return [
      { ip: HOST_IP, ...places },
      ...names.map((namespace, i) => ({ ip: podAddresses(i).ip, namespace, ...places })),
    ];
  }

  /** A copy that sidecars may read. */
  share(file: string): string {
    const copy = join(this.#folder, 'root.pem');
    copyFileSync(file, copy);
    chmodSync(copy, 0o644);
    return copy;
  }

  /** Hands a file or folder to the sidecars, or to the applications. */
  give(path: string, to: 'sidecar' | 'application' = 'sidecar'): void {
    const user = to === 'sidecar' ? SIDECAR_USER : APPLICATION_USER;
    chownSync(path, user, user);
  }

  /** What a sidecar needs before it starts: its own files and folders, and the rules. */
  prepare({ pod, isGateway }: Workload, [token, audit]: readonly [string, string]): void {
    mkdirSync(audit, { recursive: true, mode: 0o700 });
    // Through that of all logs every sidecar comes to its own.
    chmodSync(dirname(audit), 0o755);
    this.give(token);
    if (pod.namespace === undefined) return;
    this.give(audit);
    // Applications are behind a sidecar; nobody is behind a gateway.
    if (isGateway) return;
    const init = insidePod(pod.namespace, { resolvConf: this.#resolvConf }, process.execPath, [
      join(ROOT, 'cli/weft.mjs'), 'init', '--redirect-dns', '--exclude-inbound-ports', NOT_REDIRECTED]);
    const { status, stderr } = spawnSync('ip', init, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`weft init in ${pod.namespace}: ${stderr.trim()}`);
  }

  asSidecar(workload: Workload): Inside {
    return this.#as(workload, SIDECAR_USER);
  }

  asApplication(workload: Workload): Inside {
    return this.#as(workload, APPLICATION_USER);
  }

  /** Whether somebody in the network of a process listens: from outside none can ask it past its sidecar. */
  listens(pid: number | undefined, port: number): Promise<boolean> {
    const place = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    const rows = ['tcp', 'tcp6'].flatMap((table) => read(`/proc/${pid}/net/${table}`).split('\n'));
    return Promise.resolve(rows.some((row) => {
      const [, local = '', , state] = row.trim().split(/\s+/);
      return local.endsWith(place) && state === LISTENING;
    }));
  }

  #as({ pod: { namespace } }: Workload, user: number): Inside {
    if (namespace === undefined) return {};
    const resolvConf = this.#resolvConf;
    return {
      inside: (command, args) => {
        const [program, ...rest] = [command, ...args].map((part) => this.#readable(part));
        return ['ip', insidePod(namespace, { user, resolvConf }, program!, rest)];
      },
    };
  }

  #readable(path: string): string {
    if (!this.#moved || !path.startsWith(ROOT)) return path;
    return join(READABLE, relative(ROOT, path));
  }
}

/** Whether the users of pods can run what lies there. */
function readableByOthers(root = ROOT): boolean {
  const node = join(root, relative(ROOT, process.execPath));
  const as = ['--reuid', String(APPLICATION_USER), '--regid', String(APPLICATION_USER), '--clear-groups'];
  const files = ['test', '-x', node, '-a', '-r', join(root, 'cli/weft.mjs')];
  return spawnSync('setpriv', [...as, ...files], { stdio: 'ignore' }).status === 0;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
