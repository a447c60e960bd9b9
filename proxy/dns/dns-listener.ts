// Where the application's questions arrive: one address, by UDP and TCP; bounded, and only for this machine's own.
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6 } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../base/clock.ts';
import type { HostPort } from '../base/host-port.ts';
import { framed } from './dns-forwarder.ts';

export interface Asker {
  readonly port: number;
  readonly isUdp: boolean;
}

export interface ListenerEvents {
  /** `reply` may be called once, then or later, or never. */
  onMessage(bytes: Buffer, asker: Asker, reply: (answer: Buffer) => void): void;
  /** From another machine. */
  onStranger(): void;
  /** A connection beyond the limit. */
  onOverflow(): void;
}

/** Connections at one time, questions of one at one time, and how long one may say nothing. */
const CONNECTIONS_MAX = 128;
const QUESTIONS_MAX = 16;
const IDLE_MS = 10_000;
/** Addresses of the machine may change. */
const ADDRESSES_MS = 5000;

export class DnsListener {
  readonly #events: ListenerEvents;
  readonly #clock: Clock;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  #own: ReadonlySet<string> = new Set();
  #lookedMs = -Infinity;
  #isClosed = false;

  private constructor(host: string, events: ListenerEvents, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
    // Of a proxy that takes over from another both may listen for a while.
    const reusePort = process.platform === 'linux';
    this.#udp = createSocket(isIPv6(host) ? { type: 'udp6', ipv6Only: true, reusePort } : { type: 'udp4', reusePort });
    this.#tcp = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  /** Port 0 takes any, the same of both protocols. Rejects where it cannot listen. */
  static async listen({ host, port }: HostPort, events: ListenerEvents, clock: Clock): Promise<DnsListener> {
    const listener = new DnsListener(host, events, clock);
    await listener.#open(host, port);
    return listener;
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  close(): void {
    this.#isClosed = true;
    this.#udp.close();
    this.#tcp.close();
  }

  async #open(host: string, port: number): Promise<void> {
    this.#tcp.listen({ host, port, ipv6Only: true, reusePort: process.platform === 'linux' && port !== 0 });
    await once(this.#tcp, 'listening');
    this.#udp.on('message', (bytes, { address, port: from }) => {
      if (!this.#isOwn(address)) return;
      this.#events.onMessage(bytes, { port: from, isUdp: true }, (answer) => {
        // Who does not wait for it any more has closed its port, which is no fault of anybody.
        if (!this.#isClosed) this.#udp.send(answer, from, address, () => {});
      });
    });
    try {
      this.#udp.bind(this.port, host);
      await once(this.#udp, 'listening');
    } catch (cause) {
      this.#tcp.close();
      throw cause;
    }
    this.#udp.on('error', () => {});
    this.#tcp.on('error', () => {});
  }

  #serve(socket: Socket): void {
    const { remoteAddress = '', remotePort = 0 } = socket;
    socket.on('error', () => socket.destroy());
    if (!this.#isOwn(remoteAddress)) {
      socket.destroy();
      return;
    }
    this.#tcp.getConnections((_error, count) => {
      if (count <= CONNECTIONS_MAX) return;
      this.#events.onOverflow();
      socket.destroy();
    });
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    const stream = new QuestionStream(socket, (bytes, reply) => {
      this.#events.onMessage(bytes, { port: remotePort, isUdp: false }, reply);
    });
    socket.on('data', (chunk: Buffer) => stream.push(chunk));
  }

  /** Of the pod: its loopback addresses and those of its interfaces. */
  #isOwn(address: string): boolean {
    const plain = address.replace(/^::ffff:(?=\d+\.)/, '').split('%', 1)[0]!;
    if (plain.startsWith('127.') || plain === '::1' || this.#addresses().has(plain)) return true;
    this.#events.onStranger();
    return false;
  }

  #addresses(): ReadonlySet<string> {
    const now = this.#clock.nowMs();
    if (now > this.#lookedMs + ADDRESSES_MS) {
      this.#lookedMs = now;
      const interfaces = Object.values(networkInterfaces());
      this.#own = new Set(interfaces.flatMap((all) => (all ?? []).map((each) => each.address)));
    }
    return this.#own;
  }
}

/** One connection: questions with their length before each. */
class QuestionStream {
  readonly #socket: Socket;
  readonly #onQuestion: (bytes: Buffer, reply: (answer: Buffer) => void) => void;
  #received: Buffer = Buffer.alloc(0);
  #open = 0;

  constructor(socket: Socket, onQuestion: (bytes: Buffer, reply: (answer: Buffer) => void) => void) {
    this.#socket = socket;
    this.#onQuestion = onQuestion;
  }

  push(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    this.#read();
  }

  /** Not more than a read and a question is ever held: with too many unanswered it reads no further. */
  #read(): void {
    while (this.#open < QUESTIONS_MAX && this.#received.length >= 2) {
      const end = 2 + this.#received.readUInt16BE(0);
      if (this.#received.length < end) break;
      const question = this.#received.subarray(2, end);
      this.#received = this.#received.subarray(end);
      this.#open++;
      this.#onQuestion(question, (answer) => this.#reply(answer));
    }
    if (this.#open < QUESTIONS_MAX) this.#socket.resume();
    else this.#socket.pause();
  }

  #reply(answer: Buffer): void {
    this.#open--;
    if (this.#socket.destroyed) return;
    this.#socket.write(framed(answer));
    this.#read();
  }
}
