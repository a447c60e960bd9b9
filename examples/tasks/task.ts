// What a task is, and what its steps use: rules put in force, a client, pods that die, and what counts as seen.
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../proxy/base/error.ts';
import { until } from '../demo/tour-context.ts';
import type { ApplicationName } from './applications.ts';
import type { Client } from './client.ts';
import type { TaskMesh } from './task-mesh.ts';

export interface Task {
  /** Its folder. */
  readonly name: string;
  readonly title: string;
  readonly needs: readonly ApplicationName[];
  readonly steps: readonly Step[];
  /** Where its files are, where that is not below examples/tasks. */
  readonly folder?: string;
  /** Each step's file stays beside those before, in place of taking their place. */
  readonly adds?: true;
  /** It begins without mutual TLS being asked for. */
  readonly isOpen?: true;
  /** What `weft analyze` says of its files, where they show a mistake. */
  readonly findings?: readonly string[];
}

/** From the root of the repository. */
export function folderOf({ name, folder = `examples/tasks/${name}` }: Pick<Task, 'name' | 'folder'>): string {
  return folder;
}

/** `run` returns what was seen; a throw says what was seen in place of what should be. */
export interface Step {
  readonly title: string;
  /** File of the task's folder that is put in force before; absent: it stays as it was. */
  readonly file?: string;
  /** Other changes that `run` makes, in words. */
  readonly changed?: string;
  run(lab: Lab): Promise<string>;
}

export interface Lab {
  readonly mesh: TaskMesh;
  readonly client: Client;
}

/** So often in a row is by chance, where one of two could have come, once in 17 million times. */
export const ROW = 24;

/** Resolves when `ask` has given `wanted` ROW times in a row: what was in force before is not any more. */
export async function settled(lab: Lab, ask: () => Promise<unknown>, wanted: unknown): Promise<void> {
  let seen: unknown = undefined;
  await reached(lab, `${ROW} times "${String(wanted)}"`, async () => {
    for (let row = 0; row < ROW; row++) {
      seen = await ask();
      if (seen !== wanted) return false;
    }
    return true;
  }).catch((cause: unknown) => {
    throw new Error(`${messageOf(cause)}; last seen: "${String(seen)}"`, { cause });
  });
}

/** The host beyond the mesh. */
export const OUTSIDE = 'outside.example.com';

/** Status and body of what a workload's sidecar is answered for it. */
export async function outside({ client }: Lab, workload = 'client'): Promise<string> {
  const { status, body } = await client.service(`http://${OUTSIDE}/`, workload);
  return `${status} ${body}`.trim();
}

/** Waits for a condition; not longer than the mesh is there. */
export async function reached({ mesh }: Lab, what: string, condition: () => Promise<boolean>): Promise<void> {
  await until(what, async () => {
    if (mesh.isStopping) throw new Error('the mesh is ending');
    try {
      return await condition();
    } catch (cause) {
      // A listener that is not there yet, and one whose port the proxy tries before it takes it.
      if (hasCode(cause, 'ECONNREFUSED') || hasCode(cause, 'ECONNRESET')) return false;
      throw cause;
    }
  });
}

function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code;
}

const STILL = 8;

/** Waits until a number has stood still for several looks. */
export async function still(lab: Lab, what: string, read: () => Promise<number>): Promise<number> {
  let last = NaN;
  let row = 0;
  await reached(lab, `${what} stands still`, async () => {
    await delay(20);
    const next = await read();
    row = next === last ? row + 1 : 0;
    last = next;
    return row === STILL;
  });
  return last;
}
