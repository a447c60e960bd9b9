// The handshake with the application over a unix socket: it learns when the proxy is ready and when it drains, and says
// when it has done its work, so that a job's proxy ends with it. One JSON line each way.
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { ComponentLog } from '../telemetry/log.ts';
import { listenPrivately } from './private-socket.ts';
import type { Readiness } from './readiness.ts';

/** What the socket needs of the proxy. */
export interface LifecycleHost {
  readonly readiness: Readiness;
  /** The application has done its work, or has ended. */
  onDone(): void;
}

/** `here` stays open: its end is the application's, however it ends. */
const QUESTIONS: ReadonlySet<string> = new Set(['state', 'ready', 'here', 'done']);

const CONNECTIONS_MAX = 64;
const LINE_BYTES_MAX = 1024;
const LINE_MS = 5000;
/** Between two looks at readiness, while somebody waits for it. */
const LOOK_MS = 50;

type State = 'starting' | 'ready' | 'draining';

export class LifecycleSocket {
  readonly #host: LifecycleHost;
  readonly #log: ComponentLog;
  readonly #server: Server;
  /** Who waits to be told that the proxy is ready; true: it stays. */
  readonly #waiting = new Map<Socket, boolean>();
  /** Applications that are here, and know that the proxy is ready. */
  readonly #present = new Set<Socket>();
  readonly #open = new Set<Socket>();
  #remove: () => void = () => undefined;
  #look: NodeJS.Timeout | undefined = undefined;
  #closed = false;
  #isDraining = false;

  private constructor(host: LifecycleHost, log: ComponentLog) {
    this.#host = host;
    this.#log = log;
    this.#server = createServer((socket) => this.#onConnection(socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Rejects with a ConfigError. */
  static async open(path: string, mode: number, host: LifecycleHost, log: ComponentLog): Promise<LifecycleSocket> {
    const made = new LifecycleSocket(host, log);
    made.#remove = await listenPrivately(made.#server, path, mode);
    made.#server.on('error', (cause) => log.error(`${path}: ${cause.message}`));
    return made;
  }

  /** An application has said that it is here, and has not ended. */
  get isHeld(): boolean {
    return this.#present.size > 0;
  }

  /** Those that are here are told that the proxy is about to end. */
  drain(): void {
    this.#isDraining = true;
    for (const socket of this.#present) this.#tell(socket);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#look);
    this.#remove();
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
  }

  #onConnection(socket: Socket): void {
    this.#open.add(socket);
    const timer = setTimeout(() => this.#refuse(socket, `no line within ${LINE_MS / 1000} s`), LINE_MS);
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      if (text.includes('\n')) return;
      text += chunk;
      const end = text.indexOf('\n');
      if (end === -1 && text.length <= LINE_BYTES_MAX) return;
      clearTimeout(timer);
      if (end === -1 || end > LINE_BYTES_MAX) this.#refuse(socket, `a line has at most ${LINE_BYTES_MAX} bytes`);
      else this.#onLine(socket, text.slice(0, end));
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      this.#onClose(socket);
    });
  }

  #onLine(socket: Socket, line: string): void {
    const question = questionIn(line);
    if (question === 'state') this.#tell(socket, true);
    else if (question === 'ready') this.#wait(socket, false);
    else if (question === 'here') this.#wait(socket, true);
    else if (question === 'done') {
      this.#log.info('the application has done its work');
      this.#isDraining = true;
      this.#tell(socket, true);
      this.#host.onDone();
    } else {
      this.#refuse(socket, `expected {"app":"…"} with one of ${[...QUESTIONS].join(', ')}`);
    }
  }

  #wait(socket: Socket, stays: boolean): void {
    this.#waiting.set(socket, stays);
    this.#answer();
    if (this.#waiting.size > 0) this.#look ??= setInterval(() => this.#answer(), LOOK_MS).unref();
  }

  #answer(): void {
    if (this.#state === 'starting') return;
    clearInterval(this.#look);
    this.#look = undefined;
    for (const [socket, stays] of this.#waiting) {
      if (stays) this.#present.add(socket);
      this.#tell(socket, !stays);
    }
    this.#waiting.clear();
  }

  get #state(): State {
    if (this.#isDraining) return 'draining';
    return this.#host.readiness.reasons.length === 0 ? 'ready' : 'starting';
  }

  #tell(socket: Socket, isLast = false): void {
    const state = this.#state;
    const waitingFor = state === 'starting' ? this.#host.readiness.reasons : [];
    const line = `${JSON.stringify({ state, ...(waitingFor.length > 0 && { waiting_for: waitingFor }) })}\n`;
    if (isLast) socket.end(line, () => socket.destroy());
    else socket.write(line);
  }

  #refuse(socket: Socket, error: string): void {
    socket.end(`${JSON.stringify({ error })}\n`, () => socket.destroy());
  }

  #onClose(socket: Socket): void {
    this.#open.delete(socket);
    this.#waiting.delete(socket);
    if (!this.#present.delete(socket) || this.isHeld || this.#closed) return;
    this.#log.info('the application has ended');
    this.#host.onDone();
  }
}

/** Undefined for what is none. */
function questionIn(line: string): string | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const app = typeof value === 'object' && value !== null && 'app' in value ? value.app : undefined;
    return typeof app === 'string' && QUESTIONS.has(app) ? app : undefined;
  } catch {
    return undefined;
  }
}
