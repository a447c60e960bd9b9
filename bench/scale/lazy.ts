// What a large mesh costs a lazy sidecar (`npm run bench:lazy`): its memory in a mesh of 10,000 services beside one in
// a mesh of 10, after calls to the same five, and what a first call costs beside a later one.
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { startControl, type ControlHandle } from '../../control/control.ts';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { WITHOUT_MTLS } from '../../test/harness/controlled-proxy.ts';
import { EchoServer } from '../../test/harness/echo-server.ts';
import { answers, ServerProcess } from '../../test/harness/process.ts';
import { until } from '../../test/harness/until.ts';
import { xdsBootstrap } from '../../test/harness/xds-mesh.ts';
import { familyOf, median, rssBytes } from '../compare/cpu.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const { values: given } = parseArgs({
  options: {
    small: { type: 'string', default: '10' }, large: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' }, calls: { type: 'string', default: '200' },
  },
});
const CALLED = 5;
const LOOPBACK = { host: '127.0.0.1', port: 0 };
const PATIENCE_MS = 120_000;

const entry = (i: number, port: number): string => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: svc-${i}, namespace: default }
spec:
  hosts: [svc-${i}.test]
  resolution: STATIC
  ports: [{ number: 80, name: http }]
  endpoints: [{ address: 127.0.0.1, ports: { http: ${port} } }]
`;

interface Figures {
  readonly rssMb: number;
  /** Median of first calls, and of later ones. */
  readonly firstMs: number;
  readonly laterMs: number;
}

async function startMesh(folder: string, services: number, upstream: number): Promise<ControlHandle> {
  const root = join(folder, String(services));
  mkdirSync(join(root, 'mesh'), { recursive: true });
  const entries = Array.from({ length: services }, (_, i) => entry(i, upstream));
  for (let at = 0; at < services; at += 100) {
    writeFileSync(join(root, 'mesh', `part-${at}.yaml`), entries.slice(at, at + 100).join(''));
  }
  writeFileSync(join(root, 'mesh', 'mtls.yaml'), WITHOUT_MTLS);
  const log = { info: (): void => undefined, warning: (): void => undefined };
  return startControl({
    configDir: join(root, 'mesh'), caDir: join(root, 'ca'), xds: LOOPBACK, secure: LOOPBACK, http: LOOPBACK, log,
  });
}

/** With the processes that it has started. */
function rssMb(pid: number): number {
  return familyOf(pid).reduce((sum, id) => sum + rssBytes(id), 0) / 1_048_576;
}

async function measure(folder: string, control: ControlHandle, isLazy: boolean): Promise<Figures> {
  const [admin, outbound] = await freePorts(2) as [number, number];
  const file = join(folder, 'bootstrap.json');
  writeFileSync(file, xdsBootstrap(admin, control.xds.port, {
    id: 'sidecar~127.0.0.9~self-1.default~default.svc.cluster.local', cluster: 'self.default',
    metadata: {
      NAMESPACE: 'default', INSTANCE_IPS: '127.0.0.9', WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}`,
      ...(isLazy && { WEFT_LAZY: 'true' }),
    },
  }));
  const proxy = new ServerProcess(process.execPath, [WEFT, 'proxy', '-c', file, '--concurrency', '1', '-l', 'warning']);
  const pool = new Pool(`http://127.0.0.1:${outbound}`, { connections: 4 });
  try {
    await until('a proxy that is ready', () => answers(`http://127.0.0.1:${admin}/ready`), PATIENCE_MS);
    const call = async (i: number): Promise<number> => {
      const began = performance.now();
      const { statusCode, body } = await pool.request({ path: '/', method: 'GET', headers: { host: `svc-${i}.test` } });
      await body.dump();
      return statusCode === 200 ? performance.now() - began : NaN;
    };
    await until('the first service', async () => !Number.isNaN(await call(0)), PATIENCE_MS);
    const numbers = Array.from({ length: CALLED }, (_, i) => i);
    const [first, later]: [number[], number[]] = [[], []];
    for (const i of numbers.slice(1)) first.push(await call(i));
    for (let n = 0; n < Number(given.calls); n++) later.push(...await Promise.all(numbers.map(call)));
    return { rssMb: rssMb(proxy.pid), firstMs: median(first), laterMs: median(later) };
  } finally {
    await pool.destroy();
    await proxy.stop();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'weft-lazy-'));
const upstream = await EchoServer.start('upstream');
try {
  const meshes = await Promise.all([given.small, given.large].map(async (size) =>
    [Number(size), await startMesh(folder, Number(size), upstream.port)] as const));
  const rows = meshes.flatMap(([size, control]) => [true, false].map((isLazy) => ({
    name: `${isLazy ? 'lazy' : 'told of all'}, ${size} services`, control, isLazy, rounds: [] as Figures[],
  })));
  for (let round = 0; round < Number(given.rounds); round++) {
    for (const { control, isLazy, rounds } of rows) rounds.push(await measure(folder, control, isLazy));
  }
  for (const { name, rounds } of rows) {
    const of = (pick: (figures: Figures) => number): number => median(rounds.map(pick));
    process.stdout.write(`${name.padEnd(32)} RSS ${of((each) => each.rssMb).toFixed(1).padStart(6)} MB`
      + `   a first call costs ${of((each) => each.firstMs / each.laterMs).toFixed(1)} of a later one\n`);
  }
  const lazy = rows.filter(({ isLazy }) => isLazy).map(({ rounds }) => median(rounds.map((each) => each.rssMb)));
  process.stdout.write(`the large mesh costs a lazy sidecar ${(lazy[1]! - lazy[0]!).toFixed(1)} MB\n`);
  for (const [, control] of meshes) await control.close();
} finally {
  await upstream[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}
