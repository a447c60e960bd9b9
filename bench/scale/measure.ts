// One proxy under pushes of large meshes: how long until each is in force, what requests notice, CPU and memory.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SnapshotInput } from '../../control/push/snapshot.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { xdsBootstrap } from '../../test/harness/xds-mesh.ts';
import { cpuNs, familyOf, rssBytes } from '../compare/cpu.ts';
import { startServer, stopServer } from '../compare/servers.ts';
import type { Pace } from '../load/paced.ts';
import { meshOf, withMoreEndpoints, withMoreRoutes } from './mesh.ts';
import type { MeshSize } from './mesh.ts';
import { Probe } from './probe.ts';
import { PushControl } from './push-control.ts';

export type ScaleProxy = 'weft' | 'envoy';

/** What one step of a run came to. */
export interface Step {
  readonly name: string;
  /** Until all of it is acknowledged; undefined where nothing was pushed. */
  readonly pushMs: number | undefined;
  /** Of all of the proxy's processes, weft's decoder included. */
  readonly cpuMs: number;
  readonly rssMb: number;
  readonly through: Pace;
  /** The same requests to the upstream itself: what is the machine's and not the proxy's. */
  readonly beside: Pace;
}

export interface ScalePlace {
  readonly folder: string;
  readonly upstream: number;
  readonly envoy: string;
}

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
/** Connections and code paths are warm after so long, and so long each step without a push lasts. */
const REST_MS = 3000;
/** Longer than weft's decoder stays. */
const SETTLE_MS = 7000;

/** Starts a proxy, pushes, and ends it: nothing of one run is left in the next. */
export async function measureScale(proxy: ScaleProxy, size: MeshSize, place: ScalePlace): Promise<Step[]> {
  const [listener = 0, admin = 0] = await freePorts(2);
  const control = await PushControl.start();
  const file = join(place.folder, `${proxy}-scale.json`);
  await writeFile(file, xdsBootstrap(admin, control.port));
  const common = ['-c', file, '--concurrency', '1', '-l', 'error'];
  const [command, args] = proxy === 'weft' ? [process.execPath, [WEFT, 'proxy', ...common]] as const
    : [place.envoy, [...common, '--use-dynamic-base-id']] as const;
  const ports = { listener, upstream: place.upstream };
  const before = control.push(control.encode(meshOf({ clusters: 0, endpoints: 0 }, ports)));
  const server = await startServer(proxy, command, args, listener);
  try {
    await before;
    const probe = new Probe([listener, place.upstream]);
    try {
      return await steps(control, probe, server.pid, meshOf(size, ports), size);
    } finally {
      await probe.stop();
    }
  } finally {
    await stopServer(server);
    control.stop();
  }
}

async function steps(
  control: PushControl, probe: Probe, pid: number, mesh: SnapshotInput, size: MeshSize,
): Promise<Step[]> {
  const more = withMoreEndpoints(mesh, size);
  const pushes = [
    [`${size.clusters} clusters`, mesh], ['1 endpoint', more], ['1 virtual host', withMoreRoutes(more)],
  ] as const;
  const snapshots = pushes.map(([name, pushed]) => [name, control.encode(pushed)] as const);
  await delay(REST_MS);
  await probe.take();
  const list = [await step('before', pid, probe, () => delay(REST_MS, undefined))];
  for (const [name, snapshot] of snapshots) {
    list.push(await step(name, pid, probe, () => control.push(snapshot)));
    await delay(REST_MS);
  }
  await delay(SETTLE_MS);
  await probe.take();
  list.push(await step('at rest', pid, probe, () => delay(REST_MS, undefined)));
  return list;
}

async function step(
  name: string, pid: number, probe: Probe, action: () => Promise<number | undefined>,
): Promise<Step> {
  await probe.take();
  const before = cpuOf(pid);
  const pushMs = await action();
  // What was acknowledged may still be worked on.
  if (pushMs !== undefined) await delay(100);
  const [through, beside] = await probe.take();
  return {
    name, pushMs, cpuMs: (cpuOf(pid) - before) / 1e6, rssMb: rssOf(pid), through: through!, beside: beside!,
  };
}

function cpuOf(pid: number): number {
  return familyOf(pid).reduce((sum, id) => sum + Number(cpuNs(id)), 0);
}

function rssOf(pid: number): number {
  return familyOf(pid).reduce((sum, id) => sum + rssBytes(id), 0) / 1_048_576;
}
