// Plain questions of the demo to its own processes.
import { get, request } from 'node:http';
import { connect } from 'node:net';

/** A whole answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
  readonly durationMs: number;
}

/** True when a GET answers 200 and `accept` likes the body. Never rejects. */
export async function answers(url: string, accept: (body: string) => boolean = () => true): Promise<boolean> {
  try {
    const answer = await fetchText(url, {}, 5000);
    return answer.status === 200 && accept(answer.body);
  } catch {
    return false;
  }
}

/** True when a connection is taken. Never rejects. */
export function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.on('connect', () => {
      resolve(true);
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
  });
}

/** One GET on a connection of its own; rejects when nothing whole comes in time. */
export function fetchText(url: string, headers: Record<string, string> = {}, timeoutMs = 15_000): Promise<Answer> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = get(url, { headers, agent: false, signal: AbortSignal.timeout(timeoutMs) }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => resolve({
        status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks).toString('utf8'),
        durationMs: performance.now() - startMs,
      }));
    });
    outgoing.on('error', reject);
  });
}

/** A POST without a body; the status. */
export function post(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', agent: false, signal: AbortSignal.timeout(5000) }, (incoming) => {
      incoming.resume();
      incoming.on('end', () => resolve(incoming.statusCode ?? 0));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
