// The process that serves, towards the one that is to take over from it: gives its listening sockets away, serves on
// until the other one does, and goes on as if nothing had been when the other one fails (faults.md F18).
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { messageOf } from '../base/error.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import { statKey } from '../telemetry/stats.ts';
import { DESCRIPTORS_MAX, DescriptorPassing } from './descriptor-passing.ts';
import { listenPrivately } from './private-socket.ts';
import { LineReader, RESTART_VERSION, lineOf } from './restart-words.ts';
import type { GiverWord, TakerWord, Tally } from './restart-words.ts';

/** What is given away, and what follows from it. */
export interface RestartHost {
  readonly node: string;
  readonly epoch: number;
  /** Why nobody can take over from this process; undefined: somebody can. */
  readonly hindrance: string | undefined;
  sockets(): ReadonlyMap<string, readonly number[]>;
  /** Lets go of addresses that only one process can have. */
  release(): Promise<void>;
  /** The other one has failed. */
  resume(): Promise<void>;
  /** The other one serves. */
  onTaken(): void;
  tallies(): readonly Tally[];
}

const PAUSE_MS = 5;

/**
 * - serving: nobody has asked.
 * - offered: another process has the sockets too, and starts.
 * - taken: it serves, and this one ends.
 */
type Phase = 'serving' | 'offered' | 'taken';

export class RestartGiver {
  readonly #host: RestartHost;
  readonly #log: ComponentLog;
  readonly #server: Server;
  #remove: () => void = () => undefined;
  #phase: Phase = 'serving';
  #taker: Socket | undefined = undefined;
  #told: ReadonlyMap<string, readonly number[]> = new Map();

  private constructor(host: RestartHost, log: ComponentLog) {
    this.#host = host;
    this.#log = log;
    this.#server = createServer((socket) => this.#onConnection(socket));
  }

  /** Rejects with a ConfigError. */
  static async open(path: string, host: RestartHost, log: ComponentLog): Promise<RestartGiver> {
    const giver = new RestartGiver(host, log);
    giver.#remove = await listenPrivately(giver.#server, path);
    giver.#server.on('error', (cause) => log.error(`${path}: ${cause.message}`));
    return giver;
  }

  /** Before the end: what was counted since it was told. */
  async close(): Promise<void> {
    const taker = this.#taker;
    this.#stopListening();
    if (this.#phase !== 'taken' || taker === undefined || taker.destroyed) {
      taker?.destroy();
      return;
    }
    await new Promise<void>((resolve) => {
      taker.once('close', () => resolve());
      taker.end(lineOf({ say: 'counted', tallies: this.#newTallies() }), () => resolve());
    });
    taker.destroy();
  }

  #onConnection(socket: Socket): void {
    const reader = new LineReader<TakerWord>();
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      for (const word of reader.lines(chunk)) void this.#onWord(socket, word);
    });
    socket.on('error', () => socket.destroy()).on('close', () => void this.#onClose(socket));
  }

  async #onWord(socket: Socket, word: TakerWord | undefined): Promise<void> {
    if (word?.say === 'taken' && socket === this.#taker && this.#phase === 'offered') return this.#onTaken(socket);
    const reason = this.#refusal(word);
    if (reason !== undefined) {
      socket.end(lineOf({ say: 'refused', reason }));
      return;
    }
    this.#phase = 'offered';
    this.#taker = socket;
    this.#log.info('another process takes over: it is given the sockets, and this one serves on until it does');
    try {
      await this.#host.release();
      await this.#give(socket);
    } catch (cause) {
      this.#log.error(messageOf(cause));
      socket.destroy();
    }
  }

  #refusal(word: TakerWord | undefined): string | undefined {
    const { node, hindrance } = this.#host;
    if (word?.say !== 'hello') return 'it said what is not understood';
    if (word.version !== RESTART_VERSION) return `it takes over in version ${word.version}, not ${RESTART_VERSION}`;
    if (word.node !== node) return `it is node '${word.node}', not '${node}'`;
    return hindrance ?? (this.#phase === 'serving' ? undefined : 'another process is taking over already');
  }

  async #give(socket: Socket): Promise<void> {
    const passing = new DescriptorPassing(socket);
    const send = async (word: GiverWord, descriptors: readonly number[] = []): Promise<void> => {
      const bytes = Buffer.from(lineOf(word));
      while (!passing.send(bytes, descriptors)) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    };
    await send({ say: 'hello', version: RESTART_VERSION, epoch: this.#host.epoch, pid: process.pid });
    for (const [address, all] of this.#host.sockets()) {
      for (let at = 0; at < all.length; at += DESCRIPTORS_MAX) {
        const some = all.slice(at, at + DESCRIPTORS_MAX);
        await send({ say: 'socket', address, count: some.length }, some);
      }
    }
    await send({ say: 'all' });
  }

  #onTaken(socket: Socket): void {
    this.#phase = 'taken';
    // The other one listens here now.
    this.#stopListening();
    socket.write(lineOf({ say: 'counted', tallies: this.#newTallies() }));
    this.#host.onTaken();
  }

  async #onClose(socket: Socket): Promise<void> {
    if (socket !== this.#taker || this.#phase !== 'offered') return;
    this.#taker = undefined;
    this.#log.warning('the process that was to take over has ended: this one serves on');
    await this.#host.resume();
    this.#phase = 'serving';
  }

  #newTallies(): Tally[] {
    const all = this.#host.tallies();
    const told = this.#told;
    this.#told = new Map(all.map(({ name, values }) => [statKey(name), values]));
    return all.flatMap((tally) => {
      const before = told.get(statKey(tally.name));
      const values = tally.values.map((value, index) => value - (before?.[index] ?? 0));
      return values.some((value) => value !== 0) ? [{ ...tally, values }] : [];
    });
  }

  #stopListening(): void {
    this.#remove();
    this.#remove = () => undefined;
    this.#server.close();
  }
}
