// A proxy that others take over from, in processes: its bootstrap, an upstream, and what it counts.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { EchoServer } from './echo-server.ts';
import { temporaryFolder } from './openssl.ts';
import { ServerProcess } from './process.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from './weft.ts';

export const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

export interface NamedListener {
  readonly name: string;
  readonly address: { readonly socket_address: { port_value: number } };
}

export interface RestartScene {
  readonly port: number;
  readonly ports: ReadonlyMap<string, number>;
  readonly admin: number;
  readonly folder: string;
  /** A process of the given epoch; `change` is made to its bootstrap. */
  start(epoch: number, concurrency: number, change?: object): ServerProcess;
  stat(name: string): Promise<number>;
}

/** `more` listeners stand beside the first one, at ports of their own (`ports`, by their names). */
export async function restartScene(t: TestContext, more: readonly NamedListener[] = []): Promise<RestartScene> {
  const folder = temporaryFolder(t);
  const upstream = await EchoServer.start('app');
  t.after(() => upstream[Symbol.asyncDispose]());
  const listeners = [httpListener([routeTo('app')]) as NamedListener, ...more];
  const [admin = 0, health = 0, ...free] = await freePorts(2 + listeners.length);
  listeners.forEach((listener, index) => (listener.address.socket_address.port_value = free[index]!));
  const ports = new Map(listeners.map(({ name }, index) => [name, free[index]!]));
  const bootstrap = {
    node: { id: 'one', cluster: 'c', metadata: { WEFT_LIFECYCLE: { health: `127.0.0.1:${health}` } } },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
    ...(bootstrapOf(listeners, [staticCluster('app', [upstream.port])]) as object),
  };
  let files = 0;
  return {
    port: free[0]!, ports, admin, folder,
    start: (epoch, concurrency, change = {}) => {
      const file = join(folder, `bootstrap-${files++}.json`);
      writeFileSync(file, JSON.stringify({ ...bootstrap, ...change }));
      const args = ['-c', file, '--concurrency', String(concurrency), '--restart-epoch', String(epoch)];
      const started = new ServerProcess(
        process.execPath, [WEFT, 'proxy', ...args], { env: { XDG_RUNTIME_DIR: folder } },
      );
      t.after(() => started.stop());
      return started;
    },
    stat: async (name) => {
      const text = await (await fetch(`http://127.0.0.1:${admin}/stats?filter=${name}`)).text();
      return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
    },
  };
}
