// The control plane's HTTP side: spans in, traces and status out as JSON, and plain pages.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { isIP, type AddressInfo } from 'node:net';
import { HttpReaders, type ReadRefusal } from './http-readers.ts';
import { listenFault } from './listen-fault.ts';
import { traceIdOf, zipkinSpan } from './traces/span.ts';
import { takeSpans } from './traces/span-intake.ts';
import { noTracePage, traceListPage, tracePage } from './traces/trace-page.ts';
import type { TraceStore } from './traces/trace-store.ts';
import { treeOf } from './traces/trace-tree.ts';

/** Not by `import`, which reads every export of it, and so loads the runtime's fetch. */
const { createServer } = process.getBuiltinModule('node:http');

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly traces: TraceStore;
  /** Default: who is on this machine. */
  readonly readers?: HttpReaders;
  /** What /api/status answers. */
  status(): unknown;
}

export interface HttpServerHandle {
  /** HOST:PORT as bound. */
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

const LIST_DEFAULT = 100;
const CONNECTIONS_MAX = 1024;

/** Rejects with a ConfigError when the address cannot be bound. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServerHandle> {
  const { readers = new HttpReaders() } = options;
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000, maxHeaderSize: 16_384 });
  server.maxConnections = CONNECTIONS_MAX;
  server.on('request', (request, response) => {
    answer(options, readers, request, response).catch(() => response.destroy());
  });
  await listen(server, options);
  const { port } = server.address() as AddressInfo;
  return { address: `${options.host}:${port}`, port, close: () => close(server) };
}

async function answer(
  options: HttpServerOptions, readers: HttpReaders, request: IncomingMessage, response: ServerResponse,
): Promise<void> {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  if (request.method === 'POST' && path === '/api/v2/spans') {
    const { status, text } = await takeSpans(request, options.traces);
    // A body that was not read to its end leaves nothing of use on the connection.
    return send(response, status, 'text/plain', text, status === 413);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return send(response, 405, 'text/plain', 'only GET here\n', true);
  }
  if (!isOwnHost(request.headers.host, options.host)) {
    return send(response, 403, 'text/plain', 'this server is asked for by its address\n', true);
  }
  if (path === '/healthz') return send(response, 200, 'text/plain', 'ok\n');
  const refusal = await readers.refusal(request);
  if (refusal !== undefined) return refuse(response, refusal);
  return get(options, path, new URLSearchParams(query), response);
}

function refuse(response: ServerResponse, { status, text }: ReadRefusal): void {
  // A browser asks for a password then.
  if (status === 401) response.setHeader('www-authenticate', 'Basic realm="weft", charset="UTF-8"');
  send(response, status, 'text/plain', text);
}

function get(options: HttpServerOptions, path: string, query: URLSearchParams, response: ServerResponse): void {
  const { traces } = options;
  if (path === '/api/status') return json(response, options.status());
  if (path === '/' || path === '/traces') return page(response, traces, query);
  if (path === '/api/traces') return json(response, traces.list(limitOf(query), query.get('service') ?? undefined));
  const [, form, id] = /^\/api\/(trace|v2\/trace)\/([^/]+)$/.exec(path) ?? [];
  if (id !== undefined) {
    const trace = traces.get(traceIdOf(id));
    if (trace === undefined) return json(response, { error: 'unknown trace' }, 404);
    // The second is Zipkin's own API, for tools that know it.
    return json(response, form === 'trace' ? treeOf(trace) : trace.spans.map(zipkinSpan));
  }
  return send(response, 404, 'text/plain', `try ${PATHS}\n`);
}

const PATHS = '/traces, /api/traces, /api/trace/<id>, /api/v2/trace/<id> or /api/status';

function page(response: ServerResponse, traces: TraceStore, query: URLSearchParams): void {
  const id = query.get('id');
  if (id === null) return send(response, 200, 'text/html', traceListPage(traces.list(limitOf(query))));
  const trace = traces.get(traceIdOf(id));
  return trace === undefined
    ? send(response, 404, 'text/html', noTracePage())
    : send(response, 200, 'text/html', tracePage(treeOf(trace)));
}

function limitOf(query: URLSearchParams): number {
  const limit = Number(query.get('limit') ?? LIST_DEFAULT);
  return Number.isInteger(limit) && limit > 0 ? limit : LIST_DEFAULT;
}

/** A name that somebody else's DNS gave this address is no reason to show a page of theirs what is here (S99). */
function isOwnHost(header: string | undefined, listening: string): boolean {
  const host = (header ?? '').replace(/:[0-9]+$/, '').replace(/^\[(.*)\]$/, '$1').toLowerCase();
  return isIP(host) !== 0 || host === 'localhost' || host === listening.toLowerCase();
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  send(response, status, 'application/json', `${JSON.stringify(value)}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string, close = false): void {
  response.writeHead(status, {
    'content-type': `${type}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(type === 'text/html' && { 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'" }),
    ...(close && { connection: 'close' }),
  });
  response.end(body);
}

function listen(server: Server, { host, port }: HttpServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenFault(error, `${host}:${port}`)));
    server.listen({ host, port }, () => resolve());
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
