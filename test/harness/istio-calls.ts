// A program, not a module: makes the calls of a file (JSON) in a pod and prints how each ended, by Node's own HTTP, TCP
// and HTTP/2 clients. `node istio-calls.ts FILE`.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import type { Call, Outcome } from './istio-call.ts';

const TIMEOUT_MS = 4000;

function overHttp({ host, port, method = 'GET', path = '/', headers = {}, body }: Call): Promise<Outcome> {
  return new Promise((resolve) => {
    const outgoing = request({ host, port, method, path, headers, agent: false, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({
        status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString('latin1') }));
      response.on('error', () => resolve({ error: 'cut' }));
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('timeout')));
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    outgoing.end(body);
  });
}

async function overTcp({ host, port, raw = '' }: Call): Promise<Outcome> {
  const socket = connect({ host, port });
  let text = '';
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('timeout')));
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  if (raw !== '') socket.write(raw.replaceAll('\n', '\r\n'));
  // What keeps its connection open has answered when it says no more.
  socket.on('data', () => socket.setTimeout(300, () => socket.destroy()));
  try {
    await once(socket, 'close');
    return { text };
  } catch (cause) {
    return { text, error: (cause as NodeJS.ErrnoException).code ?? (cause as Error).message };
  }
}

async function overHttp2({ host, port, path = '/', headers = {}, body = '' }: Call): Promise<Outcome> {
  const session = connectHttp2(`http://${host}:${port}`);
  session.on('error', () => undefined);
  const { ':authority': _, ...rest } = headers;
  const stream = session.request({ ':method': 'POST', ':path': path, ':authority': String(headers[':authority']),
    ...rest });
  stream.setTimeout(TIMEOUT_MS, () => stream.close());
  let answered: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  let text = '';
  stream.on('response', (fields) => (answered = { ...fields }));
  stream.on('trailers', (fields) => (trailers = { ...fields }));
  stream.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  stream.end(Buffer.from(body, 'latin1'));
  try {
    await once(stream, 'close');
    const { ':status': status, ...fields } = answered;
    return { status: Number(status), headers: fields, trailers, body: text };
  } catch (cause) {
    return { error: (cause as NodeJS.ErrnoException).code ?? 'reset' };
  } finally {
    session.destroy();
  }
}

const BY = { http: overHttp, tcp: overTcp, http2: overHttp2 } as const;
const calls = JSON.parse(readFileSync(String(process.argv[2]), 'utf8')) as Call[];
const outcomes = await Promise.all(calls.map((call): Promise<Outcome> => BY[call.by ?? 'http'](call)));
process.stdout.write(JSON.stringify(outcomes));
