// `weft demo --netns --task`: Istio's documentation tasks in pods that are network namespaces, checked and by hand.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findSpaces } from '../../examples/demo/namespaces.ts';
import { TASKS } from '../../examples/tasks/run.ts';
import { WEFT } from '../harness/pod-mesh.ts';
import { findProgram } from '../harness/peers.ts';
import { ServerProcess } from '../harness/process.ts';
import { processesOf } from '../harness/processes.ts';
import { until } from '../harness/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const spaces = findSpaces();
const skip = 'reason' in spaces ? spaces.reason
  : ['curl', 'nsenter'].some((name) => findProgram(name) === undefined) && 'needs curl and nsenter';

test("undici and curl: Istio's documentation tasks hold behind real redirection", { skip }, async () => {
  const args = [WEFT, 'demo', '--netns', '--task', 'all', '--check'];
  await using demo = new ServerProcess(process.execPath, args, { name: 'demo' });
  assert.equal(await demo.ended, 0, demo.output);
  assert.match(demo.output, new RegExp(`all ${TASKS.length} tasks hold`));
});

test('curl by hand: weft demo --netns --task says the way in, and Ctrl-C leaves nothing', { skip }, async () => {
  const args = [WEFT, 'demo', '--netns', '--task', 'tcp-traffic-shifting'];
  await using demo = new ServerProcess(process.execPath, args, { name: 'demo' });
  await demo.until(() => demo.output.includes('First, there: '), 90_000);
  const variable = (name: string): string => new RegExp(`export ${name}=(\\S+)`).exec(demo.output)![1]!;
  const mesh = variable('MESH');
  copyFileSync(`${ROOT}/examples/tasks/tcp-traffic-shifting/all-v1.yaml`, `${mesh}/task.yaml`);
  const [enter = '', ...rest] = /First, there: (.*) sh\n/.exec(demo.output)![1]!.split(' ');
  const line = `(echo hello; sleep 0.2) | curl -s -m 5 -x ${variable('CLIENT')} -p telnet://tcp-echo:9000`;
  await until('an answer by v1', () => {
    const said = execFileSync(enter, [...rest, 'sh', '-c', `${line} || true`], { encoding: 'utf8' });
    return said === 'v1: hello\n';
  });
  demo.child.kill('SIGINT');
  assert.equal(await demo.ended, 0, demo.output);
  assert.equal(existsSync(mesh), false);
  await until('every process of it is gone', () => processesOf(mesh).length === 0);
});
