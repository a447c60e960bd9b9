// `weft demo --task`: Istio's documentation tasks on this machine, walked through step by step, or left to you.
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../proxy/base/error.ts';
import { circuitBreaking } from './circuit-breaking/task.ts';
import type { Workload } from '../demo/workloads.ts';
import { Client } from './client.ts';
import { egressGateway } from './egress-gateway/task.ts';
import { egressTlsOrigination } from './egress-tls-origination/task.ts';
import { faultInjection } from './fault-injection/task.ts';
import { ingress } from './ingress/task.ts';
import { localityLoadBalancing } from './locality-load-balancing/task.ts';
import { mirroring } from './mirroring/task.ts';
import { requestRouting } from './request-routing/task.ts';
import { requestTimeouts } from './request-timeouts/task.ts';
import { secureIngress } from './secure-ingress/task.ts';
import type { TaskMesh } from './task-mesh.ts';
import type { Lab, Step, Task } from './task.ts';
import { tcpTrafficShifting } from './tcp-traffic-shifting/task.ts';
import { trafficShifting } from './traffic-shifting/task.ts';

/** Those that need the same workloads follow each other. */
export const TASKS: readonly Task[] = [
  requestRouting, faultInjection, trafficShifting, requestTimeouts, ingress, secureIngress, circuitBreaking,
  mirroring, tcpTrafficShifting, localityLoadBalancing, egressTlsOrigination, egressGateway,
];

type Say = (line: string) => void;

/** 0 when every step of every task holds, else 1. A step that fails ends its task, and the next one is tried. */
export async function checkTasks(mesh: TaskMesh, tasks: readonly Task[], say: Say): Promise<number> {
  const failed: string[] = [];
  for (const task of tasks) {
    if (!(await checkTask(mesh, task, say))) failed.push(task.name);
    if (mesh.isStopping) return 1;
  }
  say(failed.length > 0 ? `\nof ${tasks.length} tasks these failed: ${failed.join(', ')}`
    : tasks.length === 1 ? '\nthe task holds' : `\nall ${tasks.length} tasks hold`);
  return failed.length === 0 ? 0 : 1;
}

async function checkTask(mesh: TaskMesh, task: Task, say: Say): Promise<boolean> {
  say(`\n${task.name}: ${task.title}`);
  const lab = { mesh, client: new Client(mesh) };
  let at = '';
  try {
    await mesh.arrange(task.needs);
    for (const [index, step] of task.steps.entries()) {
      at = `  step ${index + 1}: ${step.title}`;
      const seen = await checkStep(lab, task, step, at);
      // What ends under a step's hands has nothing more to tell.
      if (mesh.isStopping) return false;
      say(seen);
    }
    return true;
  } catch (cause) {
    if (!mesh.isStopping) say(`${at}\n    FAIL      ${messageOf(cause)}`);
    return false;
  } finally {
    await lab.client.destroy();
  }
}

async function checkStep(lab: Lab, task: Task, step: Step, head: string): Promise<string> {
  const startMs = performance.now();
  const { file } = step;
  if (file !== undefined) await lab.mesh.apply(taskFile(task, file));
  const put = file === undefined ? [] : `task.yaml is now examples/tasks/${task.name}/${file}`;
  const changed = [put, step.changed ?? []].flat().join('; ');
  const seen = await step.run(lab);
  const tookS = ((performance.now() - startMs) / 1000).toFixed(1);
  return `${head}\n    changed   ${changed}\n    seen      ${seen} [${tookS} s]`;
}

function taskFile(task: Task, file: string): string {
  return fileURLToPath(new URL(`${task.name}/${file}`, import.meta.url));
}

/** Starts what a task needs and its first rules, and says how to go on by hand. */
export async function prepareTask(mesh: TaskMesh, task: Task): Promise<string> {
  await mesh.arrange(task.needs);
  return `${task.name}: ${task.title}

Everything is up. In another terminal, in the folder of weft:
${environment(mesh, task).map(([name, value]) => `  export ${name}=${value}`).join('\n')}
Then do as examples/tasks/${task.name}/README.md says. A file in $MESH is in force within a second.
Ctrl-C ends everything.
`;
}

/** What the pages of the tasks call things. */
export function environment(mesh: TaskMesh, { needs }: Task): readonly (readonly [name: string, value: string])[] {
  const client = mesh.workload('client');
  const gateway = `http://127.0.0.1:${mesh.gatewayPort}`;
  const all: [name: string, value: string, isThere: boolean][] = [
    ['MESH', mesh.meshDir, true],
    ['LOGS', `${mesh.folder}/logs`, true],
    ['GATEWAY', gateway, needs.includes('gateway')],
    ['GATEWAY_TLS', `127.0.0.1:${mesh.gatewayTlsPort}`, needs.includes('gateway') && needs.includes('web')],
    ['TLS', mesh.tlsDir, needs.includes('outside') || (needs.includes('gateway') && needs.includes('web'))],
    ['PAGE', `${gateway}/api/v1/products/0`, needs.includes('bookinfo')],
    ['CLIENT', sidecarUrl(client), needs.includes('client')],
    ['WEB', sidecarUrl(mesh.workload('web-v1')), needs.includes('web')],
    ['EGRESS_ADMIN', mesh.adminUrl(mesh.workload('egressgateway')), needs.includes('egress')],
    ['ADMIN', mesh.adminUrl(client), needs.includes('client')],
    ['WEB_V2', applicationUrl(mesh, 'web-v2'), needs.includes('web')],
    ['NORTH_A', applicationUrl(mesh, 'hello-north-a'), needs.includes('hello')],
  ];
  return all.filter(([, , isThere]) => isThere).map(([name, value]) => [name, value]);
}

/** What a workload's application has as its HTTP_PROXY. */
function sidecarUrl({ pod }: Workload): string {
  return `http://${pod.ip}:${pod.outboundPort}`;
}

/** The application itself, past its sidecar and the mesh. */
function applicationUrl(mesh: TaskMesh, workload: string): string {
  const { ip, appPort } = mesh.workload(workload).pod;
  return `http://${ip}:${appPort}`;
}
