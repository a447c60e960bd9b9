// `weft demo --netns`: its page is reached from outside, and nothing of it outlives it, even when it is killed.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { clearLeftovers, findSpaces } from '../../examples/demo/namespaces.ts';
import { fetchText } from '../../examples/demo/ready.ts';
import { WEFT } from '../harness/pod-mesh.ts';
import { answers, ServerProcess } from '../harness/process.ts';
import { until } from '../harness/until.ts';

const spaces = findSpaces();

/** All processes below one. */
function descendants(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').filter((text) => text !== '') : [];
  return children.flatMap((child) => [Number(child), ...descendants(Number(child))]);
}

function isThere(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const folders = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('weft-netns-'));
const interfaces = (): string => readdirSync('/sys/class/net').join();

test('weft demo --netns killed with SIGKILL leaves no process and no namespace, and the next one its folder', {
  skip: 'reason' in spaces && spaces.reason,
}, async () => {
  const [before, links] = [new Set(folders()), interfaces()];
  const [port = 0] = await freePorts(1);
  const demo = new ServerProcess(process.execPath, [WEFT, 'demo', '--netns', '--port', String(port)], { name: 'demo' });
  const page = `http://127.0.0.1:${port}/productpage`;
  await demo.until(() => answers(page), 90_000);
  assert.match((await fetchText(page)).body, /Reviews served by/);
  assert.equal(interfaces(), links, 'no bridge of this machine');
  const processes = descendants(demo.child.pid!);
  const own = readlinkSync('/proc/self/ns/net');
  assert.ok(processes.filter((pid) => readlinkSync(`/proc/${pid}/ns/net`) !== own).length >= 15, String(processes));
  demo.child.kill('SIGKILL');
  await until('all its processes are gone', () => !processes.some(isThere));
  const left = folders().filter((name) => !before.has(name)).map((name) => join(tmpdir(), name));
  assert.equal(left.length, 1);
  assert.deepEqual(clearLeftovers().filter((folder) => left.includes(folder)), left);
  assert.deepEqual(left.filter((folder) => existsSync(folder)), []);
});
