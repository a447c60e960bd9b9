// A mesh in a network namespace of its own, whose firewall lets the egress gateway out alone; says what was answered.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fetchText } from '../../examples/demo/ready.ts';
import { Client } from '../../examples/tasks/client.ts';
import { TaskMesh } from '../../examples/tasks/task-mesh.ts';
import { outside } from '../../examples/tasks/task.ts';
import type { Lab } from '../../examples/tasks/task.ts';
import { until } from './until.ts';

/** Istio's group of proxies. */
const GID = 1337;
const TASKS = fileURLToPath(new URL('../../examples/tasks/', import.meta.url));

/** What each way out came to. */
export interface Answers {
  /** Before the firewall is there, a process by itself. */
  readonly openly: string;
  /** After it, the same, a sidecar that is told to go by itself, and two that go through the gateway. */
  readonly directly: string;
  readonly bySidecar: string;
  readonly byGateway: string;
  readonly byGatewayAsWeb: string;
}

async function direct(lab: Lab): Promise<string> {
  const { ip, appPort } = lab.mesh.workload('outside').pod;
  const answer = fetchText(`http://${ip}:${appPort}/`);
  return answer.then(({ status }) => String(status), (cause: NodeJS.ErrnoException) => cause.code ?? cause.message);
}

function closeAllBut(gid: number, ip: string): void {
  const rule = (...more: string[]): unknown =>
    execFileSync('iptables', ['-A', 'OUTPUT', '-d', ip, '-p', 'tcp', ...more], { stdio: 'pipe' });
  rule('-m', 'owner', '--gid-owner', String(gid), '-j', 'ACCEPT');
  rule('-j', 'REJECT', '--reject-with', 'tcp-reset');
}

async function settle(
  lab: Lab, file: string, wanted: (answer: string) => boolean, workload = 'client',
): Promise<string> {
  await lab.mesh.apply(`${TASKS}${file}`);
  let answer = '';
  await until(file, async () => wanted(answer = await outside(lab, workload)));
  return answer;
}

async function walk(lab: Lab): Promise<Answers> {
  await lab.mesh.arrange(['client', 'web', 'egress', 'outside']);
  await settle(lab, 'egress-tls-origination/plain.yaml', (answer) => answer.startsWith('200 '));
  const openly = await direct(lab);
  closeAllBut(GID, lab.mesh.workload('outside').pod.ip);
  const bySidecar = await settle(lab, 'egress-tls-origination/plain.yaml', (answer) => answer.startsWith('503'));
  const directly = await direct(lab);
  const byGateway = await settle(lab, 'egress-gateway/by-identity.yaml', (answer) => answer.startsWith('200 '));
  const isDenied = (answer: string): boolean => answer.startsWith('403');
  const byGatewayAsWeb = await settle(lab, 'egress-gateway/by-identity.yaml', isDenied, 'web-v1');
  return { openly, directly, bySidecar, byGateway, byGatewayAsWeb };
}

if (import.meta.main) {
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  const mesh = await TaskMesh.plan((line) => process.stderr.write(`${line}\n`), { egressGid: GID });
  const client = new Client(mesh);
  try {
    process.stdout.write(JSON.stringify(await walk({ mesh, client })));
  } finally {
    await client.destroy();
    await mesh.stop();
  }
}
