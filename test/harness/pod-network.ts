// Pods as network namespaces joined by a bridge, below the namespace of the test: each with an address, users and
// redirections of its own. The test itself is the bridge's host, where the control plane is.
import { execFile, spawnSync } from 'node:child_process';
import { configure } from './own-network.ts';
import { ServerProcess } from './process.ts';

/** The bridge's host. */
export const HOST_IP = '10.9.0.1';
/** Users of a pod: its sidecar, whose connections are left alone, and its application. */
export const SIDECAR_USER = 1337;
export const APPLICATION_USER = 1338;

export interface Answer {
  readonly code: number;
  readonly stdout: string;
}

export class Pod {
  readonly name: string;
  readonly ip: string;

  constructor(name: string, ip: string) {
    this.name = name;
    this.ip = ip;
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
  configure(command: string, ...args: string[]): void {
    const { status, stdout, stderr } = spawnSync('ip', ['netns', 'exec', this.name, command, ...args], {
      encoding: 'utf8' });
    if (status !== 0) throw new Error(`${this.name}: ${command} ${args.join(' ')}: ${stdout}${stderr}`);
  }

  #inside(user: number, command: string, args: readonly string[]): string[] {
    const as = ['setpriv', '--reuid', String(user), '--regid', String(user), '--clear-groups'];
    // Of root's own programs a pod knows nothing.
    return ['netns', 'exec', this.name, ...as, 'env', 'PATH=/usr/local/bin:/usr/bin:/bin', command, ...args];
  }
}

/** `names` have the addresses 10.9.0.11 and following, and a way to all others. */
export function makePods<Name extends string>(names: readonly Name[]): Record<Name, Pod> {
  configure(['ip link add pods type bridge', `ip addr add ${HOST_IP}/24 dev pods`, 'ip link set pods up']);
  const pods = names.map((name, i): [Name, Pod] => {
    const ip = `10.9.0.${11 + i}`;
    configure([
      `ip netns add ${name}`, `ip link add ${name} type veth peer name eth0 netns ${name}`,
      `ip link set ${name} master pods`, `ip link set ${name} up`,
      `ip -n ${name} link set lo up`, `ip -n ${name} addr add ${ip}/24 dev eth0`, `ip -n ${name} link set eth0 up`,
      `ip -n ${name} route add default via ${HOST_IP}`,
    ]);
    return [name, new Pod(name, ip)];
  });
  return Object.fromEntries(pods) as Record<Name, Pod>;
}
