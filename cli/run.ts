// `weft run`: runs an application once its proxy is ready, and ends the proxy when the application has ended.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../proxy/base/error.ts';
import { LifecycleClient, requiredLifeSocket } from './lifecycle-client.ts';
import { UsageError } from './usage.ts';

const TIMEOUT_S = 60;
/** Between two attempts to reach a proxy that has not made its socket yet. */
const PAUSE_MS = 100;
const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT'] as const;

export const HELP = `usage: weft run [--socket PATH] [--timeout-s N] -- COMMAND [ARGUMENT...]

Starts COMMAND when the proxy whose bootstrap names this socket is ready (node.metadata.WEFT_LIFECYCLE), passes signals
on to it, and has its exit status. The proxy ends when COMMAND has ended, in whatever way.

      --socket PATH   default: what WEFT_LIFECYCLE_SOCKET says, which injection sets (sidecar.weft.dev/lifecycle)
      --timeout-s N   how long the proxy may take to be ready (default ${TIMEOUT_S}); status 2 when it takes longer
`;

const OPTIONS = {
  socket: { type: 'string' },
  'timeout-s': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const [command, ...rest] = positionals;
  const { 'timeout-s': seconds = String(TIMEOUT_S) } = values;
  const socket = requiredLifeSocket(values.socket);
  if (command === undefined) throw new UsageError('there is no command; put it behind --');
  if (!/^[1-9]\d{0,5}$/.test(seconds)) throw new UsageError(`--timeout-s takes a whole number, not "${seconds}"`);
  const held = await hold(socket, performance.now() + Number(seconds) * 1000);
  if (typeof held === 'string') {
    process.stderr.write(`weft run: ${command} is not started: ${held}\n`);
    return 2;
  }
  const presence = new Presence(socket, held);
  const status = await ended(command, spawn(command, rest, { stdio: 'inherit' }));
  presence.end();
  return status;
}

/** The command is here, for the proxy that takes another's place as well. */
class Presence {
  readonly #socket: string;
  #held: LifecycleClient;
  #isOver = false;

  constructor(socket: string, held: LifecycleClient) {
    this.#socket = socket;
    this.#held = held;
    void this.#follow();
  }

  end(): void {
    this.#isOver = true;
    this.#held.close();
  }

  async #follow(): Promise<void> {
    for (;;) {
      await this.#held.ended;
      if (this.#isOver) return;
      const again = await hold(this.#socket, performance.now() + TIMEOUT_S * 1000, () => this.#isOver);
      if (typeof again === 'string') return;
      this.#held = again;
      if (this.#isOver) this.#held.close();
    }
  }
}

/** Resolves when the proxy is ready; why it is not when time is up. */
async function hold(
  socket: string, deadline: number, isOver: () => boolean = () => false,
): Promise<LifecycleClient | string> {
  let reason = '';
  while (performance.now() < deadline && !isOver()) {
    try {
      const client = await LifecycleClient.say(socket, 'here');
      const word = await client.next(deadline - performance.now());
      if (word?.state === 'ready') return client;
      client.close();
      reason = word?.error ?? (word === undefined ? await whyNot(socket) : `the proxy is ${word.state}`);
      if (word !== undefined) return reason;
    } catch (cause) {
      reason = `no proxy at ${socket}: ${messageOf(cause)}`;
    }
    await delay(PAUSE_MS);
  }
  return reason;
}

async function whyNot(socket: string): Promise<string> {
  const client = await LifecycleClient.say(socket, 'state');
  const word = await client.next(1000);
  client.close();
  return `the proxy is not ready: ${word?.waiting_for?.join('; ') ?? 'it does not say why'}`;
}

/** The command's exit status; as shells have it for one that a signal ended, and for one that cannot be started. */
function ended(command: string, child: ChildProcess): Promise<number> {
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on('error', (cause) => {
      process.stderr.write(`weft run: ${command}: ${messageOf(cause)}\n`);
      resolve(127);
    });
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
