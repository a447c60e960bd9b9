// Pods as network namespaces joined by a bridge: each has addresses, resolvers and users of its own. The namespace in
// which this is called is the bridge's host.
import { execFileSync } from 'node:child_process';

/** The bridge's host. */
export const HOST_IP = '10.9.0.1';
export const HOST_IP6 = 'fd00:9::1';

/** Users of a pod: its sidecar, whose connections are left alone, and its application. */
export const SIDECAR_USER = 1337;
export const APPLICATION_USER = 1338;

/** Of the pods in their order; a family of which there are none is undefined. */
export function podAddresses(index: number): { readonly ip: string; readonly ip6: string } {
  return { ip: `10.9.0.${11 + index}`, ip6: `fd00:9::${11 + index}` };
}

/** Runs `ip`, `iptables` ... here. Throws with what it said. */
export function configure(lines: readonly string[]): void {
  for (const line of lines) {
    const [command = '', ...args] = line.split(' ');
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

/** Makes a namespace for each name, with the addresses of its place and a way to all others. */
export function makePodNetwork(names: readonly string[], { ipv6 = false }: { readonly ipv6?: boolean } = {}): void {
  configure(['ip link add pods type bridge', `ip addr add ${HOST_IP}/24 dev pods`, 'ip link set pods up']);
  // Nobody else is here who could have the address, and nobody waits until that is certain.
  if (ipv6) configure([`ip addr add ${HOST_IP6}/64 dev pods nodad`]);
  for (const [index, name] of names.entries()) {
    const { ip, ip6 } = podAddresses(index);
    addPod(name, ip);
    if (!ipv6) continue;
    configure([`ip -n ${name} addr add ${ip6}/64 dev eth0 nodad`, `ip -n ${name} route add default via ${HOST_IP6}`]);
  }
}

/** One more at the bridge, with an IPv4 address of its network. */
export function addPod(name: string, ip: string): void {
  configure([
    `ip netns add ${name}`, `ip link add ${name} type veth peer name eth0 netns ${name}`,
    `ip link set ${name} master pods`, `ip link set ${name} up`,
    `ip -n ${name} link set lo up`, `ip -n ${name} addr add ${ip}/24 dev eth0`, `ip -n ${name} link set eth0 up`,
    `ip -n ${name} route add default via ${HOST_IP}`,
  ]);
}

export interface PodUser {
  /** Undefined: root, with all its rights. */
  readonly user?: number;
  /** A file in place of /etc/resolv.conf, for what runs there alone. */
  readonly resolvConf?: string | undefined;
}

/** Arguments of `ip` that run a command inside. */
export function insidePod(
  name: string, { user, resolvConf }: PodUser, command: string, args: readonly string[],
): string[] {
  const names = resolvConf === undefined ? []
    : ['sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolvConf];
  const as = user === undefined ? [] : ['setpriv', '--reuid', String(user), '--regid', String(user), '--clear-groups'];
  return ['netns', 'exec', name, ...names, ...as, command, ...args];
}
