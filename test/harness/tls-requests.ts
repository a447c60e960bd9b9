// A client that asks over TLS without a pause, by a connection for each request, and counts who answered.
import { Agent, get } from 'node:https';
import type { Echo } from './echo-server.ts';

export interface TlsRequests {
  /** Answers of each echo. */
  readonly servers: ReadonlyMap<string, number>;
  readonly failures: readonly string[];
  stop(): Promise<void>;
}

/** Asks until it is stopped. The certificate is not judged: which one it is, is the test's. */
export function askOverTls(port: number): TlsRequests {
  const servers = new Map<string, number>();
  const failures: string[] = [];
  const agent = new Agent({ keepAlive: false, maxCachedSessions: 0 });
  let isStopped = false;
  const ask = (): Promise<string> => new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent, rejectUnauthorized: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve((JSON.parse(text) as Echo).server);
        else reject(new Error(`${response.statusCode}: ${text}`));
      });
    }).on('error', reject);
  });
  const run = async (): Promise<void> => {
    while (!isStopped && failures.length < 100) {
      try {
        const server = await ask();
        servers.set(server, (servers.get(server) ?? 0) + 1);
      } catch (cause) {
        failures.push(String(cause));
      }
    }
  };
  const running = run();
  const stop = async (): Promise<void> => {
    isStopped = true;
    await running;
  };
  return { servers, failures, stop };
}
