// `weft demo --netns`: the demo in namespaces of its own (network, mounts, processes), which the kernel takes away with
// the last process in them; outside are only the ports of the page and of the control plane.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'weft-netns-';
const OWNER = 'owner';
const ENTRY = 'entry';
/** Set inside: the folder of the sockets by which it is reached. */
export const INSIDE = 'WEFT_DEMO_NAMESPACES';
/** Set inside: the ports outside, in the order of the ways. */
export const WAYS = 'WEFT_DEMO_PORTS';

const TOOLS = ['unshare', 'setpriv', 'ip', 'iptables', 'mount', 'sh'];
/** Of users who are not root (package uidmap). */
const ID_TOOLS = ['newuidmap', 'newgidmap'];
const SPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** A /run of its own, for the names of namespaces and the lock of iptables; resolv.conf may be a link to there. */
const PREPARE = 'mount -t tmpfs none /run && mkdir -p /run/netns && names=$(readlink -f /etc/resolv.conf) && '
  + '{ [ -e "$names" ] || { mkdir -p "${names%/*}" && : > "$names"; }; } && ip link set lo up';
/** What the demo will need, tried out. */
const TRIAL = `${PREPARE} && iptables -t nat -L -n > /dev/null && iptables -t raw -L -n > /dev/null`
  + ' && ip netns add trial && setpriv --reuid 1337 --regid 1337 --clear-groups true';

/** A port of this machine, and the name of the socket that leads inside. */
export interface Way {
  readonly port: number;
  readonly name: string;
}

/** Why the machine cannot; undefined: it can, with these flags of `unshare`. */
export function findSpaces(): { readonly flags: readonly string[] } | { readonly reason: string } {
  if (process.platform !== 'linux') return { reason: 'network namespaces are Linux\'s' };
  const isRoot = process.getuid?.() === 0;
  const needed = [...TOOLS, ...(isRoot ? [] : ID_TOOLS)];
  const missing = needed.filter((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error !== undefined);
  if (missing.length > 0) return { reason: `${missing.join(', ')} must be installed` };
  // Users of their own need more than one id: those of /etc/subuid.
  const flags = isRoot ? SPACES : ['--user', '--map-root-user', '--map-auto', ...SPACES];
  const { status, stderr } = spawnSync('unshare', [...flags, 'sh', '-c', TRIAL], { encoding: 'utf8' });
  if (status === 0) return { flags };
  const said = stderr.trim().split('\n').at(-1) ?? '';
  const need = isRoot ? 'root\'s right to make namespaces (CAP_SYS_ADMIN), and iptables with nat, raw and owner'
    : 'root, or user namespaces with ids of /etc/subuid';
  return { reason: `it needs ${need}; this machine says: ${said}` };
}

/** Takes away folders of demos that ended without doing so: those whose owner is no more. */
export function clearLeftovers(): string[] {
  const left = readdirSync(tmpdir()).filter((name) => name.startsWith(PREFIX)).map((name) => join(tmpdir(), name));
  return left.filter((folder) => {
    const owner = read(join(folder, OWNER));
    const isOurs = /^\d+ \d+$/.test(owner) && identityOf(Number(owner.split(' ')[0])) !== owner;
    if (isOurs) rmSync(folder, { recursive: true, force: true });
    return isOurs;
  });
}

/** Runs `command` inside; its exit status. Ends with this process, however that ends. */
export async function runInside(
  flags: readonly string[], command: readonly string[], ways: readonly Way[],
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), PREFIX));
  // Users of the pods pass through it.
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, OWNER), identityOf(process.pid));
  const servers = await Promise.all(ways.map(({ port, name }) => forward(port, join(folder, name))));
  // A group of its own: Ctrl-C reaches this process alone, which then has the other end in order.
  const script = ['sh', '-c', `${PREPARE} && exec "$@"`, 'sh', ...command];
  const env = { [INSIDE]: folder, [WAYS]: ways.map(({ port }) => port).join(), TMPDIR: folder };
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...flags, ...script], {
    stdio: ['pipe', 'inherit', 'inherit'], detached: true, env: { ...process.env, ...env },
  });
  const release = endWithUs(child);
  if (child.pid !== undefined) writeFileSync(join(folder, ENTRY), String(child.pid));
  try {
    const [code] = await once(child, 'exit') as [number | null];
    return code ?? 1;
  } finally {
    release();
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The first signal asks it to end, by closing what it reads; the second ends it. */
function endWithUs(child: ChildProcess): () => void {
  let asked = false;
  const onSignal = (): void => {
    if (asked) child.kill('SIGKILL');
    asked = true;
    child.stdin?.end();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  child.stdin?.on('error', () => {});
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

/** Of those who are inside: the command by which a terminal outside comes to the network of all pods. */
export function wayIn(inside: string): string {
  const isRootOutside = /^\s*0\s+0\s/.test(read('/proc/self/uid_map'));
  const flags = isRootOutside ? '--net' : '--user --preserve-credentials --net';
  return `nsenter --target ${read(join(inside, ENTRY))} ${flags} sh`;
}

/** Sockets in the file system lead from one network namespace into another. */
async function forward(port: number, path: string): Promise<Server> {
  return listen(createServer((socket) => pipeBoth(socket, connect(path))), { host: '127.0.0.1', port });
}

/** The other end: what comes by the socket goes to an address inside. */
export async function lead(path: string, host: string, port: number): Promise<Server> {
  return listen(createServer((socket) => pipeBoth(socket, connect({ host, port }))), { path });
}

async function listen(server: Server, place: { path: string } | { host: string; port: number }): Promise<Server> {
  server.listen(place);
  await once(server, 'listening');
  return server.unref();
}

function pipeBoth(one: ReturnType<typeof connect>, other: ReturnType<typeof connect>): void {
  for (const [from, to] of [[one, other], [other, one]] as const) {
    from.on('error', () => to.destroy());
    from.pipe(to);
  }
}

/** Process id and start time, which no other process will ever have together; '' of one that is not there. */
function identityOf(pid: number): string {
  const fields = read(`/proc/${pid}/stat`).replace(/^.*\) /, '').split(' ');
  return fields.length > 19 ? `${pid} ${fields[19]}` : '';
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1').trim();
  } catch {
    return '';
  }
}
