// The mesh's YAML in a folder that may be edited while it runs: a copy of the example's, and where the pods really are.
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { Workload } from './workloads.ts';

const MESH = fileURLToPath(new URL('../bookinfo/mesh', import.meta.url));
const TASKS = fileURLToPath(new URL('../bookinfo/tasks', import.meta.url));

/** Name of the file that the demo writes itself. */
const PODS_FILE = 'workloads.yaml';

/** Fills `directory` with the example's mesh and one WorkloadEntry a pod. */
export async function writeMesh(directory: string, workloads: readonly Workload[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const file of await readdir(MESH)) await copyFile(join(MESH, file), join(directory, file));
  await writePods(directory, workloads);
}

/** A folder of the user's own needs to know where the pods are as well. */
export async function writePods(directory: string, workloads: readonly Workload[]): Promise<void> {
  const listed = workloads.filter(({ isGateway, place }) => !isGateway || place === 'egress');
  const entries = listed.map((workload) => stringify(workloadEntry(workload)));
  const head = '# Where the pods of this demo are. Written at each start; edit the other files.\n';
  await replaceFile(join(directory, PODS_FILE), head + entries.join('---\n'));
}

/** Puts a task's rules in force, in place of the other tasks'. */
export async function applyTask(directory: string, task: string): Promise<void> {
  await replaceFromFile(join(TASKS, `${task}.yaml`), join(directory, 'task.yaml'));
}

/** Writes beside and renames, so that a reader sees the old file or the new one. */
export async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

export async function removeFile(file: string): Promise<void> {
  await rm(file, { force: true });
}

export async function replaceFromFile(from: string, to: string): Promise<void> {
  await copyFile(from, `${to}.new`);
  await rename(`${to}.new`, to);
}

/** What a gateway takes its Gateway says: as in Istio sidecars go to one by mutual TLS only where a rule says so. */
const GATEWAY_LABELS = { 'security.istio.io/tlsMode': 'disabled' };

function workloadEntry(workload: Workload): unknown {
  const { name, namespace, app, version, serviceAccount, portName, locality, place, pod } = workload;
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: { name, namespace, labels: { app, version } },
    spec: {
      address: pod.ip, ports: workload.ports ?? { [portName]: pod.inboundPort },
      labels: { app, version, ...(place === 'egress' && GATEWAY_LABELS) },
      ...(place !== 'outside' && { serviceAccount }),
      ...(locality !== '' && { locality }),
    },
  };
}
