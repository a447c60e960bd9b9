// Asks the pod's resolvers what the mesh does not know: the query as it came, under an id and from a port of its own
// that nobody can guess (RFC 5452), by the protocol that the application chose.
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Random } from '../base/random.ts';
import { HEADER_BYTES, isAnswerTo, RCODES, rcodeOf } from './dns-message.ts';

/** One server being asked. */
interface Exchange {
  /** Our end, by which a query of our own is known that comes back to us. */
  readonly localPort: number | undefined;
  close(): void;
}

/** How a question ended; bytes of the answer, with the id of the query. */
export type OnAnswer = (response: Buffer | undefined) => void;

export interface ForwarderEvents {
  onTimeout(): void;
  /** What came was no answer to what had been asked. */
  onForeign(): void;
}

export interface Question {
  readonly bytes: Buffer;
  /** End of the question in them. */
  readonly end: number;
  readonly isUdp: boolean;
}

/** A server has so long before the next is asked, and a query as a whole less than what resolvers wait themselves. */
const SERVER_MS = 2000;
const QUERY_MS = 4500;
/** Queries at one time. */
const PENDING_MAX = 1000;
const PORT = 53;

export class DnsForwarder {
  readonly #random: Random;
  readonly #events: ForwarderEvents;
  readonly #port: number;
  readonly #pending = new Set<Pending>();

  /** `port` of the servers is another in tests. */
  constructor(random: Random, events: ForwarderEvents, port = PORT) {
    this.#random = random;
    this.#events = events;
    this.#port = port;
  }

  /** False: too many are under way. Without servers the answer is undefined. */
  ask(question: Question, servers: readonly string[], onAnswer: OnAnswer): boolean {
    if (this.#pending.size >= PENDING_MAX) return false;
    const id = Math.trunc(this.#random.float() * 65_536);
    const pending = new Pending({ question, id, servers, port: this.#port, events: this.#events }, (response) => {
      this.#pending.delete(pending);
      onAnswer(response);
    });
    this.#pending.add(pending);
    pending.next();
    return true;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Whether a question comes from here. */
  isOwn({ port, isUdp }: { readonly port: number; readonly isUdp: boolean }): boolean {
    return this.#pending.values().some((pending) => pending.localPort === port && pending.isUdp === isUdp);
  }

  /** Who still waits asks again, as after any lost answer. */
  stop(): void {
    for (const pending of this.#pending) pending.close();
    this.#pending.clear();
  }
}

interface PendingOptions {
  readonly question: Question;
  readonly id: number;
  readonly servers: readonly string[];
  readonly port: number;
  readonly events: ForwarderEvents;
}

/** One query, with one server after the other. */
class Pending {
  readonly #options: PendingOptions;
  readonly #onAnswer: OnAnswer;
  readonly #bytes: Buffer;
  readonly #deadline: NodeJS.Timeout;
  #patience: NodeJS.Timeout | undefined = undefined;
  #exchange: Exchange | undefined = undefined;
  #asked = 0;
  /** A server's refusal, which is told where no other says more. */
  #refusal: Buffer | undefined = undefined;
  #isDone = false;

  constructor(options: PendingOptions, onAnswer: OnAnswer) {
    this.#options = options;
    this.#onAnswer = onAnswer;
    this.#bytes = Buffer.from(options.question.bytes);
    this.#bytes.writeUInt16BE(options.id, 0);
    this.#deadline = setTimeout(() => this.#expire(), QUERY_MS);
  }

  get localPort(): number | undefined {
    return this.#exchange?.localPort;
  }

  get isUdp(): boolean {
    return this.#options.question.isUdp;
  }

  next(): void {
    this.#leave();
    const server = this.#options.servers[this.#asked++];
    if (server === undefined) {
      this.#end(this.#refusal);
      return;
    }
    this.#patience = setTimeout(() => {
      this.#options.events.onTimeout();
      this.next();
    }, SERVER_MS);
    const { port, question } = this.#options;
    const open = question.isUdp ? udpExchange : tcpExchange;
    this.#exchange = open(server, port, this.#bytes, (response) => this.#take(response));
  }

  /** Ends it without an answer. */
  close(): void {
    this.#isDone = true;
    clearTimeout(this.#deadline);
    this.#leave();
  }

  #expire(): void {
    this.#options.events.onTimeout();
    this.#end(this.#refusal);
  }

  /** False: it is no answer to this, and the true one may still come. */
  #take(response: Buffer | undefined): boolean {
    if (this.#isDone) return true;
    if (response === undefined) {
      this.next();
      return true;
    }
    const { question, id, events } = this.#options;
    if (!isAnswerTo(response, this.#bytes, question.end, id)) {
      events.onForeign();
      return false;
    }
    const told = Buffer.from(response);
    told.writeUInt16BE(question.bytes.readUInt16BE(0), 0);
    const rcode = rcodeOf(response);
    if (rcode !== RCODES.serverFailure && rcode !== RCODES.refused) {
      this.#end(told);
    } else {
      this.#refusal = told;
      this.next();
    }
    return true;
  }

  #leave(): void {
    clearTimeout(this.#patience);
    this.#exchange?.close();
    this.#exchange = undefined;
  }

  #end(response: Buffer | undefined): void {
    if (this.#isDone) return;
    this.close();
    this.#onAnswer(response);
  }
}

/** Returns false for an answer that was none: more may come. */
type Take = (response: Buffer | undefined) => boolean;

/** Connected, so that the kernel lets nobody else answer, and says at once that nobody listens there. */
function udpExchange(server: string, port: number, bytes: Buffer, take: Take): Exchange {
  const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
  let localPort: number | undefined = undefined;
  let isOpen = true;
  const close = (): void => {
    if (isOpen) socket.close();
    isOpen = false;
  };
  const fail = (): void => {
    if (!isOpen) return;
    close();
    take(undefined);
  };
  socket.on('error', fail);
  socket.on('message', (message) => {
    if (isOpen) take(message);
  });
  socket.connect(port, server, () => {
    if (!isOpen) return;
    localPort = socket.address().port;
    socket.send(bytes, (error) => {
      if (error !== null) fail();
    });
  });
  return {
    get localPort() {
      return localPort;
    },
    close,
  };
}

function tcpExchange(server: string, port: number, bytes: Buffer, take: Take): Exchange {
  const socket = connect({ host: server, port });
  let received: Buffer = Buffer.alloc(0);
  const fail = (): void => {
    if (socket.destroyed) return;
    socket.destroy();
    take(undefined);
  };
  socket.on('error', fail).on('end', fail);
  socket.on('connect', () => socket.write(framed(bytes)));
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const length = received.length < 2 ? Infinity : received.readUInt16BE(0);
    if (received.length < 2 + length) return;
    const response = received.subarray(2, 2 + length);
    if (response.length < HEADER_BYTES || !take(response)) fail();
  });
  return {
    get localPort() {
      return socket.localPort;
    },
    close: () => socket.destroy(),
  };
}

/** With its length before it, as it goes by TCP. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
