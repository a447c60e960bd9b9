// docker-compose.yml for real, in a Docker engine of the test's own. Minutes long: `npm run test:compose` runs it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DockerEngine, engineSkip } from '../harness/docker-engine.ts';
import { ServerProcess } from '../harness/process.ts';
import { until } from '../harness/until.ts';

const TOUR = fileURLToPath(new URL('../../examples/compose/tour.ts', import.meta.url));

const skip = process.env['WEFT_COMPOSE'] === undefined
  ? 'skip: minutes long; "npm run test:compose" runs it' : engineSkip() ?? false;

test('docker-compose and its images, in an engine of the test\'s own', { skip }, async (t) => {
  await using engine = await DockerEngine.start();
  await engine.build();
  await t.test('up, the guided tour, down: all steps hold and nothing is left', () => tour(engine));
  await t.test('the image has no shell, and is not root\'s', () => image(engine));
  await t.test('its program ends on SIGTERM as the first process', () => firstProcess(engine));
});

async function tour(engine: DockerEngine): Promise<void> {
  const walk = new ServerProcess(process.execPath, [TOUR], { name: 'the tour', env: engine.env });
  assert.equal(await walk.ended, 0, walk.output);
  assert.match(walk.output, /all 10 steps hold/);
  assert.equal(await engine.docker('ps', '-aq'), '');
  assert.equal(await engine.docker('volume', 'ls', '-q'), '');
  assert.doesNotMatch(await engine.docker('network', 'ls'), /weft/);
}

async function image(engine: DockerEngine): Promise<void> {
  await assert.rejects(engine.docker('run', '--rm', '--network', 'none', '--entrypoint', 'sh', 'weft'), /not found/);
  const config = await engine.docker('inspect', '-f', '{{.Config.User}} {{.Config.Healthcheck.Test}}', 'weft');
  assert.match(config, /^1337:1337 \[CMD weft wait/);
}

async function firstProcess(engine: DockerEngine): Promise<void> {
  const id = (await engine.docker('run', '-d', '--network', 'none', '--read-only', '--tmpfs', '/mesh:uid=1337',
    '--tmpfs', '/tmp', 'weft', 'control', '--config', '/mesh', '--ca-dir', '/tmp/ca')).trim();
  try {
    await until('it serves', async () => (await engine.docker('logs', id)).includes('/traces'), 60_000);
    await engine.docker('stop', '-t', '60', id);
    assert.equal((await engine.docker('inspect', '-f', '{{.State.ExitCode}}', id)).trim(), '0');
  } finally {
    await engine.docker('rm', '-f', id);
  }
}
