// The frame of a Bookinfo service: an HTTP server from environment variables, and calls to others through its sidecar.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request } from 'node:http';

/** What a handler answers; a string body is sent as HTML, anything else as JSON. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
}

export type Handler = (incoming: IncomingMessage, url: URL) => Promise<Answer> | Answer;

/** An answer of another service. */
export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** Headers that carry a trace and the user from one service to the next; a mesh cannot copy them for an application. */
const CARRIED = ['x-request-id', 'traceparent', 'tracestate', 'b3', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid',
  'x-b3-sampled', 'x-b3-flags', 'end-user', 'authorization', 'user-agent'];

const agent = new Agent({ keepAlive: true });

export function carriedHeaders(incoming: IncomingHttpHeaders): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of CARRIED) {
    const value = incoming[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
}

/**
 * GETs JSON from `http://<service>:9080<path>`. With HTTP_PROXY set (the sidecar's explicit-proxy listener) the request
 * goes there in absolute form. Rejects when nothing answers within `timeoutMs`.
 */
export function call(
  service: string, path: string, headers: Record<string, string>, timeoutMs: number,
): Promise<Reply> {
  const target = new URL(`http://${service}:9080${path}`);
  const proxy = process.env['HTTP_PROXY'];
  const via = proxy === undefined ? target : new URL(proxy);
  const options = {
    host: via.hostname, port: via.port, agent, path: proxy === undefined ? path : target.href,
    headers: { ...headers, host: target.host }, signal: AbortSignal.timeout(timeoutMs),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(options, (incoming) => {
      readAll(incoming).then((text) => resolve({ status: incoming.statusCode ?? 0, body: parse(text) }), reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The body as text; larger than `bytesMax` rejects. */
export async function readAll(incoming: IncomingMessage, bytesMax = 1_048_576): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > bytesMax) throw new Error(`body of more than ${bytesMax} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Serves until SIGTERM; listens on HOST (127.0.0.1) and PORT (9080), and says so in one line. */
export function serve(name: string, handle: Handler): void {
  const host = process.env['HOST'] ?? '127.0.0.1';
  const port = Number(process.env['PORT'] ?? 9080);
  const server = createServer((incoming, outgoing) => {
    answer(handle, incoming, outgoing).catch((cause: unknown) => {
      send(outgoing, { status: 500, body: { error: cause instanceof Error ? cause.message : String(cause) } });
    });
  });
  server.on('error', (error) => {
    process.stderr.write(`${name}: ${error.message}\n`);
    process.exitCode = 1;
  });
  server.listen(port, host, () => process.stdout.write(`${name} listens on http://${host}:${port}\n`));
  process.once('SIGTERM', () => {
    server.close();
    server.closeIdleConnections();
  });
  process.once('SIGINT', () => undefined);
}

async function answer(handle: Handler, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const url = new URL(incoming.url ?? '/', 'http://service');
  if (url.pathname === '/health') send(outgoing, { status: 200, body: { status: 'healthy' } });
  else send(outgoing, await handle(incoming, url));
}

function send(outgoing: ServerResponse, { status, body, headers }: Answer): void {
  if (outgoing.headersSent) return;
  const html = typeof body === 'string';
  const text = html ? body : JSON.stringify(body);
  outgoing.writeHead(status, {
    'content-type': html ? 'text/html; charset=utf-8' : 'application/json', 'content-length': Buffer.byteLength(text),
    ...headers,
  });
  outgoing.end(text);
}

/** The product id in `/<service>/<id>`, or undefined. */
export function productId(url: URL, service: string): number | undefined {
  const [, first, id, rest] = url.pathname.split('/');
  return first === service && rest === undefined && id !== undefined && /^\d{1,9}$/.test(id) ? Number(id) : undefined;
}
