// The simplest example as its reader runs it: turns, a killed instance, Ctrl-C.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { ServerProcess } from '../../test/harness/process.ts';
import { until } from '../../test/harness/until.ts';
import { canBind } from '../demo/free-ports.ts';

const START = fileURLToPath(new URL('start.ts', import.meta.url));
const ALL = ['web-1', 'web-2', 'web-3'];

/** What a pattern's first group is in the example's output. */
function said(example: ServerProcess, pattern: RegExp): string {
  const found = pattern.exec(example.output)?.[1];
  assert.ok(found !== undefined, `${pattern} is not in:\n${example.output}`);
  return found;
}

/** The name of the instance that answers; any other answer fails the test. */
async function ask(url: string, dispatcher: Agent): Promise<string> {
  const { statusCode, body } = await request(url, { dispatcher });
  const text = await body.text();
  const name = /^hello from (web-\d)\n$/.exec(text)?.[1];
  assert.ok(statusCode === 200 && name !== undefined, `${statusCode} ${text}`);
  return name;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function started(): Promise<ServerProcess> {
  const example = new ServerProcess(process.execPath, [START, '--port', '0'], { name: 'examples/main' });
  await example.until(() => example.output.includes('Ctrl-C ends everything.'));
  return example;
}

test('undici: the instances answer in turn; a killed one costs none of 60 requests and comes back', async () => {
  await using example = await started();
  const dispatcher = new Agent();
  try {
    const url = said(example, /proxy {3}(http:\S+)/);
    const answers: string[] = [];
    for (let i = 0; i < 9; i++) answers.push(await ask(url, dispatcher));
    for (let i = 0; i < 9; i += 3) assert.deepEqual(answers.slice(i, i + 3).toSorted(), ALL, answers.join(' '));

    process.kill(Number(said(example, /web-1 .* pid (\d+)/)), 'SIGKILL');
    for (let i = 0; i < 60; i += 4) await Promise.all(Array.from({ length: 4 }, () => ask(url, dispatcher)));
    await until('web-1 is back', () => example.output.includes('web-1 is back'));
    const clusters = await request(`${said(example, /admin (http:\S+)/)}/clusters`, { dispatcher });
    assert.match(await clusters.body.text(), new RegExp(`web::${said(example, /web-2 {3}(\S+)/)}::`));
    await until('web-1 answers again', async () => (await ask(url, dispatcher)) === 'web-1');
  } finally {
    await dispatcher.close();
  }
});

test('Ctrl-C ends the proxy and the instances, and removes the files', async () => {
  await using example = await started();
  const folder = said(example, /files {3}(\S+)/);
  const port = Number(said(example, /proxy {3}http:\/\/127\.0\.0\.1:(\d+)/));
  const pids = ALL.map((name) => Number(said(example, new RegExp(`${name} .* pid (\\d+)`))));
  assert.ok(existsSync(folder) && pids.every(isAlive));
  example.child.kill('SIGINT');
  assert.equal(await example.ended, 0, example.output);
  assert.equal(existsSync(folder), false);
  assert.deepEqual(pids.filter(isAlive), []);
  assert.ok(await canBind('127.0.0.1', port));
});

test('a port that is in use is named, and nothing stays', async () => {
  await using first = await started();
  const port = said(first, /proxy {3}http:\/\/127\.0\.0\.1:(\d+)/);
  await using second = new ServerProcess(process.execPath, [START, '--port', port], { name: 'examples/main' });
  assert.equal(await second.ended, 2);
  assert.equal(second.output, `port ${port} is in use: choose another with --port N\n`);
});
