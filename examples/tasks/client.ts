// Who asks in the tasks: undici, from outside through the gateway, or as the client's application through its sidecar.
import type { Duplex } from 'node:stream';
import { Agent } from 'undici';
import type { Dispatcher } from 'undici';
import type { PageView } from '../demo/tour-context.ts';
import { viewOf } from '../demo/tour-context.ts';
import type { TaskMesh } from './task-mesh.ts';

/** A whole answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly body: string;
  readonly durationMs: number;
}

interface AskOptions {
  readonly headers?: Record<string, string>;
  readonly method?: 'GET' | 'POST';
}

const ANSWER_TIMEOUT_MS = 20_000;

export class Client {
  readonly #mesh: TaskMesh;
  readonly #agent = new Agent({ headersTimeout: ANSWER_TIMEOUT_MS, bodyTimeout: ANSWER_TIMEOUT_MS });

  constructor(mesh: TaskMesh) {
    this.#mesh = mesh;
  }

  /** Bookinfo's page, through the gateway. */
  async page(user?: string): Promise<PageView> {
    return viewOf(await this.gateway('/api/v1/products/0', user === undefined ? {} : { 'end-user': user }));
  }

  gateway(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.ask(`http://127.0.0.1:${this.#mesh.gatewayPort}`, path, { headers });
  }

  /** A service by its name in the mesh, as HTTP_PROXY does it: a workload's sidecar is asked for `http://…`. */
  service(url: string, workload = 'client'): Promise<Answer> {
    return this.ask(this.#outbound(workload), url, { headers: { host: new URL(url).host } });
  }

  ask(origin: string, path: string, options: AskOptions = {}): Promise<Answer> {
    const answer = this.#ask(origin, path, options);
    // A step that fails leaves others behind that nobody waits for any more: their end must not end the process.
    answer.catch(() => undefined);
    return answer;
  }

  async #ask(origin: string, path: string, options: AskOptions): Promise<Answer> {
    const startMs = performance.now();
    const answer = await this.#agent.request({ origin, path, method: 'GET', ...options });
    const body = await answer.body.text();
    return { status: answer.statusCode, headers: answer.headers, body, durationMs: performance.now() - startMs };
  }

  /** One line to a service that is not HTTP (by CONNECT), and the line that comes back. */
  async line(authority: string, text: string): Promise<string> {
    const socket = await this.tunnel(authority);
    try {
      return await firstLine(socket, text);
    } finally {
      socket.destroy();
    }
  }

  /** A connection for bytes, by CONNECT. */
  async tunnel(authority: string): Promise<Duplex> {
    const { statusCode, socket } = await this.#agent.connect({ origin: this.#outbound('client'), path: authority });
    if (statusCode !== 200) throw new Error(`CONNECT ${authority} is answered with ${statusCode}`);
    return socket;
  }

  /** `count` times `ask`, some at one time; the answers in the order in which they came. */
  async many<T>(count: number, ask: (index: number) => Promise<T>, inFlight = 4): Promise<T[]> {
    const answers: T[] = [];
    let started = 0;
    const worker = async (): Promise<void> => {
      while (started < count) answers.push(await ask(started++));
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    return answers;
  }

  /** A counter or gauge of a workload's proxy; 0 before it is first used. */
  async stat(name: string, workload = 'client'): Promise<number> {
    const { body } = await this.ask(this.#mesh.adminUrl(this.#mesh.workload(workload)), '/stats?usedonly');
    const line = body.split('\n').find((each) => each.startsWith(`${name}: `));
    return line === undefined ? 0 : Number(line.slice(name.length + 2));
  }

  /** Ends what is in flight: it rejects. */
  async destroy(): Promise<void> {
    await this.#agent.destroy();
  }

  #outbound(workload: string): string {
    return this.#mesh.sidecarUrl(this.#mesh.workload(workload));
  }
}

function firstLine(socket: Duplex, text: string): Promise<string> {
  let received = '';
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('utf8');
      if (received.includes('\n')) resolve(received.slice(0, received.indexOf('\n')));
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`the connection ended after "${received}"`)));
    socket.write(`${text}\n`);
  });
}
