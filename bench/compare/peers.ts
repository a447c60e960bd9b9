// The proxies of the comparison: how each is started for a shape of traffic, on ports of its own.
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { findEnvoy, findProgram, reasonToSkip } from '../../test/harness/peers.ts';
import type { ServerProcess } from '../../test/harness/process.ts';
import { writeBootstrap } from './bootstrap.ts';
import type { Crowd, Place, Shape } from './bootstrap.ts';
import { haproxyArguments, nghttpxArguments, nginxArguments } from './peer-configs.ts';
import type { Arguments } from './peer-configs.ts';
import { startServer, stopServer } from './servers.ts';
import { serveByXds } from './xds.ts';

export const PEER_NAMES = ['weft', 'envoy', 'haproxy', 'nginx', 'nghttpx'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

/** One proxy under load. */
export interface Peer {
  readonly name: PeerName;
  /** The name, and how many workers if there are more than one. */
  readonly label: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
/** Of what a program prints before it ends. */
const REASON_MAX = 200;

/** Why a proxy has no part in any row: undefined for those that have. */
export function whyAbsent(name: PeerName): string | undefined {
  const program = programOf(name);
  if (program === undefined) return 'it is not installed';
  return program.startsWith('skip:') ? String(reasonToSkip(program)) : undefined;
}

/** How a proxy is started, where that is not as in all other rows. */
export interface StartOptions {
  /** Default 1. */
  readonly workers?: number;
  /** Its configuration comes from our control plane. */
  readonly xds?: boolean;
  /** Default none. */
  readonly crowd?: Crowd;
}

/** Starts a proxy that is not absent; a string says why it is left out. */
export async function startPeer(
  name: PeerName, shape: Shape, upstream: number, folder: string, options: StartOptions = {},
): Promise<Peer | string> {
  const { workers = 1, xds = false, crowd } = options;
  const label = `${name}${workers === 1 ? '' : `-x${workers}`}${crowd === undefined ? '' : `-${crowd}`}`;
  const [listener = 0, admin = 0] = await freePorts(2);
  const args = await argumentsOf(name, label, shape, { listener, admin, upstream, folder }, options);
  if (typeof args === 'string') return args;
  const control = xds ? await serveByXds(args[args.indexOf('-c') + 1]!) : undefined;
  const stop = async (server?: ServerProcess): Promise<void> => {
    if (server !== undefined) await stopServer(server);
    control?.kill();
  };
  try {
    const server = await startServer(label, programOf(name) ?? name, args, listener);
    return { name, label, port: listener, pid: server.pid, stop: () => stop(server) };
  } catch (cause) {
    await stop();
    const why = cause instanceof Error ? cause.message : String(cause);
    return `does not start: ${why.replaceAll(/\s+/g, ' ').slice(0, REASON_MAX)}`;
  }
}

function programOf(name: PeerName): string | undefined {
  if (name === 'weft') return process.execPath;
  return name === 'envoy' ? findEnvoy(true) : findProgram(name);
}

async function argumentsOf(
  name: PeerName, label: string, shape: Shape, place: Place, { workers = 1, crowd }: StartOptions,
): Promise<Arguments> {
  const common = ['--concurrency', String(workers), '-l', 'error'];
  switch (name) {
    case 'weft': return [WEFT, 'proxy', '-c', await writeBootstrap(label, shape, place, crowd), ...common];
    case 'envoy': return ['-c', await writeBootstrap(label, shape, place, crowd), ...common, '--use-dynamic-base-id'];
    case 'haproxy': return haproxyArguments(shape, place);
    case 'nginx': return nginxArguments(shape, place);
    case 'nghttpx': return nghttpxArguments(shape, place);
  }
}
