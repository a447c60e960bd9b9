// The application's side of the handshake with its proxy (proxy/supervisor/lifecycle-socket.ts).
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { LIFE_VARIABLE } from '../control/inject/application-life.ts';
import { messageOf } from '../proxy/base/error.ts';
import { UsageError } from './usage.ts';

/** What the proxy says of itself; `error` when it did not understand. */
export interface ProxyWord {
  readonly state?: 'starting' | 'ready' | 'draining';
  readonly waiting_for?: readonly string[];
  readonly error?: string;
}

const WORD_BYTES_MAX = 65_536;

/** What --socket says, or the environment, as injection writes it; undefined: nobody says it. */
export function lifeSocketOf(option: string | undefined): string | undefined {
  return option ?? (process.env[LIFE_VARIABLE] || undefined);
}

/** Throws a UsageError when nobody says it. */
export function requiredLifeSocket(option: string | undefined): string {
  const socket = lifeSocketOf(option);
  if (socket === undefined) throw new UsageError(`--socket PATH is missing, and ${LIFE_VARIABLE} does not say it`);
  return socket;
}

/** A connection on which one thing was said. */
export class LifecycleClient {
  readonly #socket: Socket;
  #text = '';
  #onWord: (word: ProxyWord) => void = () => undefined;
  #onEnd: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8').on('data', (chunk: string) => this.#onData(chunk));
    socket.on('error', () => undefined).on('close', () => this.#onEnd());
  }

  /** Rejects with the system's error when nobody listens at `path`. */
  static async say(path: string, app: 'state' | 'ready' | 'here' | 'done'): Promise<LifecycleClient> {
    const socket = await connected(path);
    const client = new LifecycleClient(socket);
    socket.write(`${JSON.stringify({ app })}\n`);
    return client;
  }

  /** The next word; undefined when the proxy has ended the connection, or `timeoutMs` are over. */
  next(timeoutMs: number): Promise<ProxyWord | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), timeoutMs);
      const settle = (word: ProxyWord | undefined): void => {
        clearTimeout(timer);
        resolve(word);
      };
      this.#onWord = settle;
      this.#onEnd = () => settle(undefined);
      this.#onData('');
    });
  }

  /** Resolves when the connection is over. */
  get ended(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) resolve();
      else this.#socket.once('close', () => resolve());
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(chunk: string): void {
    this.#text = (this.#text + chunk).slice(0, WORD_BYTES_MAX);
    const end = this.#text.indexOf('\n');
    if (end === -1) return;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    this.#onWord(wordIn(line));
  }
}

function wordIn(line: string): ProxyWord {
  try {
    return JSON.parse(line) as ProxyWord;
  } catch (cause) {
    return { error: `the proxy said what is no JSON: ${messageOf(cause)}` };
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      resolve(socket);
    });
  });
}
