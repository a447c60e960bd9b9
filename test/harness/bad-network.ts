// A network that is slow, cuts what it carries into tiny pieces, loses its way for a while, and resets connections.
// Loss and reordering of packets look like this to whoever reads the stream.
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { SeededRandom } from '../../proxy/base/random.ts';

export interface Badness {
  /** Bytes of a piece, at most. */
  readonly pieceMax: number;
  /** Milliseconds before a piece, at most; one in twenty waits ten times as long, as one that was lost does. */
  readonly delayMaxMs: number;
  /** Of a hundred connections so many are reset on their way. */
  readonly resetPercent?: number;
  /** Bytes after which nothing is carried any more, and nobody is told. */
  readonly silentAfter?: number;
}

/** Leads connections to a port of this machine. */
export class BadNetwork implements AsyncDisposable {
  resets = 0;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(target: number, badness: Badness, random: SeededRandom) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const there = connect({ host: '127.0.0.1', port: target, allowHalfOpen: true, noDelay: true });
      const doomed = random.float() * 100 < (badness.resetPercent ?? 0);
      const ends = [socket, there];
      for (const end of ends) {
        this.#open.add(end);
        end.on('error', () => ends.forEach((other) => other.destroy())).on('close', () => this.#open.delete(end));
      }
      let left = doomed ? Math.floor(random.float() * 20_000) : Infinity;
      const reset = (bytes: number): boolean => {
        left -= bytes;
        if (left >= 0) return false;
        if (!socket.destroyed) this.resets++;
        for (const end of ends) end.resetAndDestroy();
        return true;
      };
      void carry(socket, there, badness, random, reset);
      void carry(there, socket, badness, random, reset);
    });
  }

  static async start(target: number, badness: Badness, random: SeededRandom): Promise<BadNetwork> {
    const network = new BadNetwork(target, badness, random);
    await new Promise<void>((resolve) => network.#server.listen(0, '127.0.0.1', resolve));
    return network;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function carry(
  from: Socket, to: Socket, { pieceMax, delayMaxMs, silentAfter = Infinity }: Badness, random: SeededRandom,
  reset: (bytes: number) => boolean,
): Promise<void> {
  let carried = 0;
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length;) {
        const piece = chunk.subarray(at, at + 1 + Math.floor(random.float() * pieceMax));
        at += piece.length;
        carried += piece.length;
        if (carried > silentAfter) continue;
        if (random.float() < 0.5) await pause(random.float() * delayMaxMs * (random.float() < 0.05 ? 10 : 1));
        if (to.destroyed || reset(piece.length)) return;
        to.write(piece);
      }
    }
    if (carried <= silentAfter) to.end();
  } catch {
    to.destroy();
  }
}
