// Pods of a test, below the namespace of the test: each with an address, users and redirections of its own. The test
// itself is the bridge's host, where the control plane is.
import { execFile, spawnSync } from 'node:child_process';
import {
  APPLICATION_USER, HOST_IP, insidePod, makePodNetwork, podAddresses, SIDECAR_USER,
} from '../../examples/demo/pod-network.ts';
import { ServerProcess } from './process.ts';

export { APPLICATION_USER, HOST_IP, SIDECAR_USER };

export interface Answer {
  readonly code: number;
  readonly stdout: string;
}

export interface PodOptions {
  /** Addresses of both families. Default IPv4 alone. */
  readonly ipv6?: boolean;
  /** In place of /etc/resolv.conf. */
  readonly resolvConf?: string;
}

export class Pod {
  readonly name: string;
  readonly ip: string;
  readonly ip6: string;
  readonly #resolvConf: string | undefined;

  constructor(name: string, { ip, ip6 }: ReturnType<typeof podAddresses>, { resolvConf }: PodOptions) {
    this.name = name;
    this.ip = ip;
    this.ip6 = ip6;
    this.#resolvConf = resolvConf;
  }

  /** Runs for the test's length. */
  start(user: number, command: string, args: readonly string[], name = command): ServerProcess {
    return new ServerProcess('ip', this.#inside(user, command, args), { name: `${this.name}/${name}` });
  }

  /** Runs to its end, as the application. */
  run(command: string, ...args: string[]): Promise<Answer> {
    return new Promise((resolve) => {
      const all = this.#inside(APPLICATION_USER, command, args);
      execFile('ip', all, { timeout: 20_000 }, (error, stdout) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout });
      });
    });
  }

  /** Runs as root at once; throws with what it said. */
  configure(command: string, ...args: string[]): string {
    const all = insidePod(this.name, { resolvConf: this.#resolvConf }, command, args);
    const { status, stdout, stderr } = spawnSync('ip', all, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${this.name}: ${command} ${args.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  }

  #inside(user: number, command: string, args: readonly string[]): string[] {
    // Of root's own programs a pod knows nothing.
    const path = ['PATH=/usr/local/bin:/usr/bin:/bin', command, ...args];
    return insidePod(this.name, { user, resolvConf: this.#resolvConf }, 'env', path);
  }
}

/** `names` have the addresses 10.9.0.11 and following, and a way to all others. */
export function makePods<Name extends string>(names: readonly Name[], options: PodOptions = {}): Record<Name, Pod> {
  makePodNetwork(names, options);
  const pods = names.map((name, i): [Name, Pod] => [name, new Pod(name, podAddresses(i), options)]);
  return Object.fromEntries(pods) as Record<Name, Pod>;
}
