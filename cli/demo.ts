// `weft demo`: the whole mesh on this machine with Bookinfo in it, or what a task needs; --check walks through it.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CONTROL, CONVENTIONAL, Demo, PAGE } from '../examples/demo/demo.ts';
import type { DemoOptions } from '../examples/demo/demo.ts';
import { canBind, freePorts } from '../examples/demo/free-ports.ts';
import { clearLeftovers, findSpaces, INSIDE, runInside, wayIn, WAYS } from '../examples/demo/namespaces.ts';
import type { Way } from '../examples/demo/namespaces.ts';
import { runTour } from '../examples/demo/tour.ts';
import { checkTasks, prepareTask, TASKS } from '../examples/tasks/run.ts';
import { TaskMesh } from '../examples/tasks/task-mesh.ts';
import type { Task } from '../examples/tasks/task.ts';
import { messageOf } from '../proxy/base/error.ts';
import { UsageError } from './usage.ts';

export const HELP = `usage: weft demo [options]

      --check         the guided tour: each step is checked and printed; exit status 1 if one fails
      --task NAME     one of Istio's documentation tasks in place of the demo, or all of them with --check:
                      ${TASKS.slice(0, 5).map(({ name }) => name).join(', ')},
                      ${TASKS.slice(5, 9).map(({ name }) => name).join(', ')},
                      ${TASKS.slice(9).map(({ name }) => name).join(', ')}, all
      --port N        port of the product page (default 8080; another one is taken when it is in use)
      --config DIR    the mesh's YAML; default is a copy of examples/bookinfo/mesh in a temporary folder
      --netns         each pod in a network namespace, unmodified applications behind real redirection (Linux, as root
                      or with user namespaces); with --task as well
      --zipkin URL    send the spans to this Zipkin v2 collector as well (…/api/v2/spans); may be repeated
`;

const OPTIONS = {
  check: { type: 'boolean' },
  netns: { type: 'boolean' },
  task: { type: 'string' },
  port: { type: 'string' },
  config: { type: 'string' },
  zipkin: { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const check = values.check === true;
  const inside = process.env[INSIDE];
  const isToEnter = values.netns === true && inside === undefined;
  if (values.task !== undefined) {
    const tasks = tasksOf(values);
    return isToEnter ? runNetns(args, []) : runTasks(tasks, check, inside);
  }
  const port = values.port ?? (check ? '0' : '8080');
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new UsageError(`--port takes a port number, not "${port}"`);
  }
  const collectors = values.zipkin ?? [];
  const bad = collectors.find((url) => !URL.canParse(url) || !url.startsWith('http'));
  if (bad !== undefined) {
    throw new UsageError(`--zipkin takes a URL like http://127.0.0.1:9411/api/v2/spans, not "${bad}"`);
  }
  if (isToEnter) {
    if (collectors.length > 0) throw new UsageError('--zipkin is not for --netns: nothing outside is reached');
    return runNetns(args, check ? [] : [[Number(port), PAGE], [CONVENTIONAL.http, CONTROL]]);
  }
  return start({
    inside, port: Number(port), conventionalPorts: !check, zipkin: collectors,
    configDir: values.config === undefined ? undefined : resolve(values.config), say,
  }, check);
}

/** The same command once more, in namespaces of its own. */
async function runNetns(args: readonly string[], wanted: readonly [port: number, name: string][]): Promise<number> {
  const spaces = findSpaces();
  if ('reason' in spaces) throw new UsageError(`--netns does not work here: ${spaces.reason}`);
  for (const folder of clearLeftovers()) say(`removed ${folder}, which a demo left behind`);
  const ways = await Promise.all(wanted.map(([port, name]) => way(port, name)));
  const command = [process.execPath, fileURLToPath(new URL('./weft.mjs', import.meta.url)), 'demo', ...args];
  return runInside(spaces.flags, command, ways);
}

async function way(port: number, name: string): Promise<Way> {
  if (await canBind('127.0.0.1', port)) return { port, name };
  const [other = 0] = await freePorts(1);
  say(`port ${port} is in use; ${other} is taken instead`);
  return { port: other, name };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

interface TaskOptions {
  readonly task?: string;
  readonly check?: boolean;
  readonly netns?: boolean;
}

function tasksOf({ task: wanted, check, ...others }: TaskOptions): readonly Task[] {
  const other = Object.keys(others).find((name) => name !== 'netns');
  if (other !== undefined) throw new UsageError(`--${other} is not for --task`);
  if (wanted === 'all' && check === true) return TASKS;
  const task = TASKS.find(({ name }) => name === wanted);
  if (task !== undefined) return [task];
  throw new UsageError(wanted === 'all' ? '--task all is for --check' : `--task knows no "${wanted}"`);
}

async function runTasks(tasks: readonly Task[], check: boolean, inside: string | undefined): Promise<number> {
  const [first] = tasks;
  return untilInterrupted(() => {
    say('starting the mesh: control plane, certificate authority, and what the task needs …');
    return TaskMesh.plan(say, { inside: inside !== undefined });
  }, async (mesh) => {
    if (check) return checkTasks(mesh, tasks, say);
    say(await prepareTask(mesh, first!));
    if (inside !== undefined) say(`These addresses are in namespaces. First, there: ${wayIn(inside)}\n`);
    return 'stay';
  });
}

async function start(options: DemoOptions, check: boolean): Promise<number> {
  const startMs = performance.now();
  return untilInterrupted(() => {
    say('starting the mesh: control plane, certificate authority, gateway, and Bookinfo with a sidecar each …');
    return Demo.plan(options);
  }, async (demo) => {
    await demo.start();
    say(`everything is up after ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`);
    if (check) return runTour(demo, say);
    say(process.env[INSIDE] === undefined ? whereToLook(demo) : whereToLookInside(demo));
    return 'stay';
  });
}

/** What runs on this machine. */
interface Running {
  stop(): Promise<void>;
  abandon(): void;
}

/** Does `work` with what is planned, and ends that again: at once, or on Ctrl-C where it is to stay. */
async function untilInterrupted<T extends Running>(
  plan: () => Promise<T>, work: (running: T) => Promise<number | 'stay'>,
): Promise<number> {
  const interrupted = Promise.withResolvers<'interrupted'>();
  let running: T | undefined = undefined;
  let isInterrupted = false;
  const abandon = (): void => running?.abandon();
  const onSignal = (): void => {
    // A second signal doesn't wait for anybody, and still leaves nobody behind.
    if (isInterrupted) abandon();
    isInterrupted = true;
    interrupted.resolve('interrupted');
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, onSignal);
  if (process.env[INSIDE] !== undefined) process.stdin.resume().once('end', onSignal);
  // However this process ends, the others end with it.
  process.once('exit', abandon);
  try {
    running = await plan();
    if (isInterrupted) return 130;
    const outcome = await Promise.race([work(running), interrupted.promise]);
    if (outcome === 'interrupted') return 130;
    if (outcome !== 'stay') return outcome;
    await interrupted.promise;
    return 0;
  } catch (cause) {
    process.stderr.write(`weft demo: ${messageOf(cause)}\n`);
    return 1;
  } finally {
    say('stopping …');
    await running?.stop();
    process.off('exit', abandon);
    if (process.env[INSIDE] !== undefined) process.stdin.destroy();
  }
}

function whereToLook(demo: Demo): string {
  const productpage = demo.workload('productpage-v1');
  return `  product page   ${demo.productPageUrl}   (sign in as jason to be routed differently, once a rule says so)
  as JSON        http://127.0.0.1:${demo.gatewayPort}/api/v1/products/0
  traces         ${demo.tracesUrl}
  metrics        ${demo.adminUrl(productpage)}/stats/prometheus   (one per sidecar; this is the product page's)
  mesh YAML      ${demo.meshDir}   (edit a file, watch the traffic change)

Try next:
  cp examples/bookinfo/tasks/jason-v2.yaml ${demo.meshDir}/task.yaml     jason sees black stars, everybody else none
  cp examples/bookinfo/tasks/delay-jason.yaml ${demo.meshDir}/task.yaml  7 s of delay before ratings, for jason only
  npx weft status --http 127.0.0.1:${demo.httpPort}                      which proxy runs what, and what was refused
  npx weft demo --check                                        the whole tour, checked, beside this one
  npx weft demo --task circuit-breaking                        another part of Istio's documentation, by hand
Ctrl-C ends everything.
`;
}

/** What leads out of the namespaces: the ports that the outer process has opened. */
function whereToLookInside(demo: Demo): string {
  const [page = '', control = ''] = (process.env[WAYS] ?? '').split(',');
  return `  product page   http://127.0.0.1:${page}/productpage
  traces         http://127.0.0.1:${control}/traces
  status         npx weft status --http 127.0.0.1:${control}
  mesh YAML      ${demo.meshDir}   (edit a file, watch the traffic change)

Ctrl-C ends everything.
`;
}
