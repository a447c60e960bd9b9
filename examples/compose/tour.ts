// The guided tour against docker-compose.yml: up, every step checked, down; exit status 0 when all hold. Run it as a
// user who may talk to the Docker engine and kill what it runs, after the images were built: docker-compose build
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../proxy/base/error.ts';
import { freePorts } from '../demo/free-ports.ts';
import { runTour } from '../demo/tour.ts';
import { ComposeMesh } from './compose-mesh.ts';
import { Compose } from './compose.ts';

const MESH = fileURLToPath(new URL('../bookinfo/mesh', import.meta.url));

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-compose-'));
  await cp(MESH, join(folder, 'mesh'), { recursive: true });
  const [gatewayPort, httpPort, prometheusPort] = await freePorts(3) as [number, number, number];
  const compose = new Compose(`weft-tour-${process.pid}`, {
    WEFT_MESH: join(folder, 'mesh'), WEFT_PORT: String(gatewayPort), WEFT_HTTP_PORT: String(httpPort),
    WEFT_PROMETHEUS_PORT: String(prometheusPort),
  });
  try {
    say('docker-compose up …');
    await compose.run('up', '-d');
    return await runTour(await ComposeMesh.of(compose, folder, { gatewayPort, httpPort }), say);
  } finally {
    say('docker-compose down …');
    await compose.run('down', '-v', '--remove-orphans', '-t', '2');
    await rm(folder, { recursive: true, force: true });
  }
}

main().then((status) => {
  process.exitCode = status;
}, (cause: unknown) => {
  process.stderr.write(`${messageOf(cause)}\n`);
  process.exitCode = 2;
});
