// The process that takes over from one that serves: is given its listening sockets, so that no connection is refused,
// and later what it has counted (faults.md F18).
import { closeSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { ConfigError } from '../base/error.ts';
import { DescriptorPassing } from './descriptor-passing.ts';
import { LineReader, RESTART_VERSION, lineOf } from './restart-words.ts';
import type { GiverWord, Tally } from './restart-words.ts';

const PAUSE_MS = 5;
/** The other process answers at once, or has no time for us. */
const ANSWER_MS = 10_000;

export class RestartTaker {
  /** Of this process: one more than the other's. */
  readonly epoch: number;
  /** By `host:port`. */
  readonly sockets: ReadonlyMap<string, readonly number[]>;
  readonly #socket: Socket;

  private constructor(socket: Socket, epoch: number, sockets: ReadonlyMap<string, readonly number[]>) {
    this.#socket = socket;
    this.epoch = epoch;
    this.sockets = sockets;
  }

  /** Undefined when nobody serves at `path`. Rejects with a ConfigError when who serves there gives nothing. */
  static async take(path: string, node: string): Promise<RestartTaker | undefined> {
    const socket = await reach(path);
    if (socket === undefined) return undefined;
    socket.write(lineOf({ say: 'hello', version: RESTART_VERSION, node }));
    try {
      const { epoch, sockets } = await receiveAll(socket, path);
      return new RestartTaker(socket, epoch + 1, sockets);
    } catch (cause) {
      socket.destroy();
      throw cause;
    }
  }

  /** This process serves: the other one ends. Sockets at other addresses than these are let go. */
  taken(addresses: ReadonlySet<string>, onCounted: (tallies: readonly Tally[]) => void): void {
    for (const [address, all] of this.sockets) if (!addresses.has(address)) for (const fd of all) closeSync(fd);
    const reader = new LineReader<GiverWord>();
    this.#socket.setEncoding('utf8').on('data', (chunk: string) => {
      for (const word of reader.lines(chunk)) if (word?.say === 'counted') onCounted(word.tallies);
    });
    this.#socket.resume();
    this.#socket.write(lineOf({ say: 'taken' }));
    this.#socket.unref();
  }

  /** The other process serves on. */
  giveUp(): void {
    this.#socket.destroy();
  }
}

/** Not read by the runtime: descriptors that it does not expect would be lost. */
function reach(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path).pause();
    socket.once('connect', () => resolve(socket));
    socket.on('error', () => resolve(undefined));
  });
}

async function receiveAll(socket: Socket, path: string): Promise<{ epoch: number; sockets: Map<string, number[]> }> {
  const passing = new DescriptorPassing(socket);
  const reader = new LineReader<GiverWord>();
  const sockets = new Map<string, number[]>();
  const descriptors: number[] = [];
  let epoch = 0;
  for (let waitedMs = 0; waitedMs < ANSWER_MS;) {
    const received = passing.receive();
    if (received === 'ended') throw new ConfigError('', 'the process there has ended', path);
    if (received === 'again') {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      waitedMs += PAUSE_MS;
      continue;
    }
    descriptors.push(...received.descriptors);
    for (const word of reader.lines(received.bytes.toString())) {
      if (word?.say === 'hello') ({ epoch } = word);
      else if (word?.say === 'socket') keep(sockets, word, descriptors);
      else if (word?.say === 'all') return { epoch, sockets };
      else throw new ConfigError('', word?.say === 'refused' ? word.reason : 'the process there is none of ours', path);
    }
  }
  throw new ConfigError('', `the process there does not answer within ${ANSWER_MS / 1000} s`, path);
}

function keep(
  sockets: Map<string, number[]>, { address, count }: Extract<GiverWord, { say: 'socket' }>, descriptors: number[],
): void {
  sockets.set(address, [...(sockets.get(address) ?? []), ...descriptors.splice(0, count)]);
}
