// `weft demo --task`: Istio's documentation tasks on this machine, walked through step by step, or left to you.
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../proxy/base/error.ts';
import { circuitBreaking } from './circuit-breaking/task.ts';
import { Client } from './client.ts';
import { egressGateway } from './egress-gateway/task.ts';
import { egressTlsOrigination } from './egress-tls-origination/task.ts';
import { environment } from './environment.ts';
import { faultInjection } from './fault-injection/task.ts';
import { gatewayApi } from './gateway-api/task.ts';
import { ingress } from './ingress/task.ts';
import { jwtRouting } from './jwt-routing/task.ts';
import { jwtToken } from './jwt-token/task.ts';
import { localityLoadBalancing } from './locality-load-balancing/task.ts';
import { mirroring } from './mirroring/task.ts';
import { requestRouting } from './request-routing/task.ts';
import { requestTimeouts } from './request-timeouts/task.ts';
import { secureIngress } from './secure-ingress/task.ts';
import type { TaskMesh } from './task-mesh.ts';
import { folderOf } from './task.ts';
import type { Lab, Step, Task } from './task.ts';
import { tcpTrafficShifting } from './tcp-traffic-shifting/task.ts';
import { trafficShifting } from './traffic-shifting/task.ts';
import { zeroTrust } from '../zero-trust/task.ts';

/** Those that need the same workloads follow each other. */
export const TASKS: readonly Task[] = [
  requestRouting, faultInjection, trafficShifting, requestTimeouts, ingress, gatewayApi, secureIngress, jwtToken,
  jwtRouting, circuitBreaking, mirroring, tcpTrafficShifting, localityLoadBalancing, egressTlsOrigination,
  egressGateway, zeroTrust,
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
    await mesh.arrange(task.needs, task.isOpen);
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
  if (file !== undefined) await lab.mesh.apply(taskFile(task, file), task.adds === true ? file : undefined);
  const put = file === undefined ? [] : `${task.adds === true ? file : 'task.yaml'} is now ${folderOf(task)}/${file}`;
  const changed = [put, step.changed ?? []].flat().join('; ');
  const seen = await step.run(lab);
  const tookS = ((performance.now() - startMs) / 1000).toFixed(1);
  return `${head}\n    changed   ${changed}\n    seen      ${seen} [${tookS} s]`;
}

function taskFile(task: Task, file: string): string {
  return fileURLToPath(new URL(`../../${folderOf(task)}/${file}`, import.meta.url));
}

/** Starts what a task needs and its first rules, and says how to go on by hand. */
export async function prepareTask(mesh: TaskMesh, task: Task): Promise<string> {
  await mesh.arrange(task.needs, task.isOpen);
  return `${task.name}: ${task.title}

Everything is up. In another terminal, in the folder of weft:
${environment(mesh, task).map(([name, value]) => `  export ${name}=${value}`).join('\n')}
Then do as ${folderOf(task)}/README.md says. A file in $MESH is in force within a second.
Ctrl-C ends everything.
`;
}
