// The admin interface's HTTP server: bounds, who may ask, and no answer that a browser could misread.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isLoopback } from '../base/cidr.ts';
import { ConfigError, messageOf } from '../base/error.ts';
import { joinHostPort } from '../base/host-port.ts';
import { bindFailureText } from '../base/node-error.ts';
import type { Address } from '../config/address.ts';
import type { ComponentLog } from '../telemetry/log.ts';
import type { AdminRequest, AdminResponse } from './admin-response.ts';
import { text } from './admin-response.ts';
import { changeRefusal } from './change-permission.ts';
import { isForeignOrigin, isTrustedHost } from './host-check.ts';

/** Answers one request; a rejection is told as 500 without its reason, and logged. */
export type AdminHandler = (request: AdminRequest) => Promise<AdminResponse>;

/** Not by `import`, which reads every export of it, and so loads the runtime's fetch: 12 MB for nothing. */
const { createServer } = process.getBuiltinModule('node:http');

const CONNECTIONS_MAX = 64;
const LIMITS = { requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16_384 } as const;
const BODY_BYTES_MAX = 65_536;

/** Scripts and other hosts have nothing to do here, whatever a name in the output looks like. */
const HEADERS = {
  'cache-control': 'no-cache, max-age=0',
  'x-content-type-options': 'nosniff',
  'content-security-policy': 'default-src \'none\'; style-src \'unsafe-inline\'; form-action \'self\'',
} as const;

export class AdminServer {
  /** host:port, or the socket's path. */
  readonly address: string;
  readonly #server: Server;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  /**
   * Listens. Rejects with a ConfigError when the address cannot be bound. With `publicAt`, the field that asks for it,
   * nothing there changes anything, so that it is for other hosts too, by whatever name. `tokenFile` holds what callers
   * of other hosts show to change something; without it they may not.
   */
  static async start(
    address: Address, handler: AdminHandler, log: ComponentLog,
    { publicAt, tokenFile }: { readonly publicAt?: string; readonly tokenFile?: string | undefined } = {},
  ): Promise<AdminServer> {
    const byNetwork = address.pipe === undefined && publicAt === undefined;
    const context = { byNetwork, tokenFile, handler, log };
    const server = createServer(LIMITS, (request, response) => void answer(request, response, context));
    server.maxConnections = CONNECTIONS_MAX;
    const where = await listen(server, address, publicAt ?? 'admin.address');
    server.on('error', (cause) => log.error(`the admin interface on ${where}: ${messageOf(cause)}`));
    if (byNetwork && !isLoopback(address.socketAddress?.address ?? '')) {
      const may = tokenFile === undefined ? 'they may read but change nothing' : 'they change things by their token';
      log.warning(`the admin interface on ${where} can be reached by other hosts; ${may}`);
    }
    return new AdminServer(server, where);
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

function listen(server: Server, { pipe, socketAddress }: Address, field: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const host = socketAddress?.address ?? '';
  const wanted = pipe?.path ?? `${host}:${socketAddress?.portValue ?? 0}`;
  server.once('error', (cause) => reject(new ConfigError(field, `${wanted}: ${bindFailureText(cause)}`)));
  const onListening = (): void => {
    const bound = server.address() as AddressInfo;
    resolve(pipe?.path ?? joinHostPort(bound.address, bound.port));
  };
  if (pipe === undefined) server.listen(socketAddress?.portValue ?? 0, host, onListening);
  else server.listen(pipe.path, onListening);
  return promise;
}

interface Context {
  readonly byNetwork: boolean;
  readonly tokenFile: string | undefined;
  readonly handler: AdminHandler;
  readonly log: ComponentLog;
}

async function answer(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  response.on('error', () => {});
  discardBody(request);
  const result = await refusal(request, context) ?? await handle(request, context);
  const body = Buffer.from(result.body);
  const entity = { 'content-type': result.contentType, 'content-length': body.length };
  response.writeHead(result.status, { ...HEADERS, ...entity });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Commands take their parameters from the query; a body is read only so that the connection can go on. */
function discardBody(request: IncomingMessage): void {
  let bytes = 0;
  request.on('error', () => {});
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) request.destroy();
  });
}

async function refusal(
  request: IncomingMessage, { byNetwork, tokenFile, log }: Context,
): Promise<AdminResponse | undefined> {
  const { method, headers } = request;
  if (byNetwork && !isTrustedHost(headers.host)) {
    return text('the Host header must be an IP address or localhost\n', 403);
  }
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (isForeignOrigin(headers.origin, headers.host)) return text('this page may not do that\n', 403);
  return byNetwork ? changeRefusal(request, tokenFile, log) : undefined;
}

async function handle(request: IncomingMessage, { handler, log }: Context): Promise<AdminResponse> {
  const { url = '/', method = 'GET' } = request;
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1));
  try {
    return await handler({ method, path, query });
  } catch (cause) {
    log.error(`${method} ${path} failed: ${messageOf(cause)}`);
    return text('this failed; the log says why\n', 500);
  }
}
