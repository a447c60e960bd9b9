// A process that sends requests at a steady pace, so that a proxy's pauses show as slow answers. For each line on stdin
// it prints what it saw since the line before: a Pace as JSON.
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { HOST, PATH, percentile } from './load.ts';

/** What was seen at one port since the question before. */
export interface Pace {
  readonly requests: number;
  /** Connections that failed or closed. */
  readonly errors: number;
  readonly p50Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

const CONNECTIONS = 64;
const EVERY_MS = 2;
const REQUEST = `GET ${PATH} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;

/** Connections to one port, of which those that wait for no answer take turns. */
class PacedTarget {
  readonly #port: number;
  readonly #idle: Socket[] = [];
  readonly #sentMs = new Map<Socket, number>();
  #latencies: number[] = [];
  #errors = 0;

  constructor(port: number) {
    this.#port = port;
    for (let i = 0; i < CONNECTIONS; i++) this.#connect();
  }

  /** With all connections waiting nothing is sent: the pause shows in those. */
  tick(): void {
    const socket = this.#idle.shift();
    if (socket === undefined) return;
    this.#sentMs.set(socket, performance.now());
    socket.write(REQUEST);
  }

  /** Requests that wait still are slow ones too. */
  take(): Pace {
    const now = performance.now();
    const waiting = this.#sentMs.values().map((sent) => now - sent);
    const sorted = new Float64Array([...this.#latencies, ...waiting]).sort();
    const pace = {
      requests: this.#latencies.length, errors: this.#errors,
      p50Ms: percentile(sorted, 0.5), p999Ms: percentile(sorted, 0.999), maxMs: sorted.at(-1) ?? 0,
    };
    this.#latencies = [];
    this.#errors = 0;
    return pace;
  }

  #connect(): void {
    const socket = createConnection(this.#port, '127.0.0.1', () => this.#idle.push(socket));
    socket.setNoDelay(true);
    // An answer is small: it comes in one piece, or its first piece is what counts.
    socket.on('data', () => this.#answered(socket));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#errors++;
      this.#sentMs.delete(socket);
      const at = this.#idle.indexOf(socket);
      if (at !== -1) this.#idle.splice(at, 1);
    });
  }

  #answered(socket: Socket): void {
    const sent = this.#sentMs.get(socket);
    if (sent === undefined) return;
    this.#sentMs.delete(socket);
    this.#latencies.push(performance.now() - sent);
    this.#idle.push(socket);
  }
}

const targets = process.argv.slice(2).map((port) => new PacedTarget(Number(port)));
setInterval(() => targets.forEach((target) => target.tick()), EVERY_MS);
const lines = createInterface({ input: process.stdin });
lines.on('line', () => process.stdout.write(`${JSON.stringify(targets.map((target) => target.take()))}\n`));
lines.on('close', () => process.exit(0));
