// A reference authorization service: grpc-js with Envoy's own .proto files, or node:http. It says what the request asks
// it to say (x-script), and remembers what it was told.
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

const DEPS = fileURLToPath(new URL('../../node_modules/@grpc/grpc-js-xds/deps/', import.meta.url));
/** With descriptor.proto, whose options the validation rules extend. */
const INCLUDES = [...['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((folder) => join(DEPS, folder)),
  fileURLToPath(new URL('../../node_modules/protobufjs/', import.meta.url))];

/** What it says: a CheckResponse in JSON, or status, headers and body of an HTTP answer. */
export type Script = Record<string, unknown>;

export interface HttpScript {
  readonly status?: number;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
  /** It never answers. */
  readonly silent?: boolean;
}

/** What it was told: a CheckRequest in JSON, or an HTTP request. */
export type Told = Record<string, unknown>;

export interface Authorizer extends AsyncDisposable {
  readonly port: number;
  readonly told: readonly Told[];
}

function loadRoot(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) =>
    [target, ...INCLUDES.map((folder) => join(folder, target))].find((path) => existsSync(path)) ?? null;
  return root.loadSync(join(DEPS, 'envoy-api/envoy/service/auth/v3/external_auth.proto'));
}

/** Of the header x-script a name in `scripts`; without one it lets on. */
export async function startGrpcAuthorizer(scripts: Readonly<Record<string, Script>>): Promise<Authorizer> {
  const root = loadRoot();
  const request = root.lookupType('envoy.service.auth.v3.CheckRequest');
  const response = root.lookupType('envoy.service.auth.v3.CheckResponse');
  const told: Told[] = [];
  const server = new Server();
  const check = ({ request: bytes }: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void => {
    const message = request.toObject(request.decode(bytes), { longs: Number, bytes: String, enums: String });
    told.push(message);
    const script = scripts[scriptOf(message)] ?? { status: { code: 0 } };
    if (script['silent'] === true) return;
    if (script['error'] !== undefined) done({ code: Number(script['error']), details: 'as asked' });
    else done(null, Buffer.from(response.encode(response.fromObject(script)).finish()));
  };
  const same = (value: Buffer): Buffer => value;
  server.addService({
    check: {
      path: '/envoy.service.auth.v3.Authorization/Check', requestStream: false, responseStream: false,
      requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
    },
  }, { check });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    port, told,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

interface ToldHttp {
  readonly attributes: { readonly request: { readonly http: {
    readonly headers?: Record<string, string>;
    readonly headerMap?: { readonly headers: readonly { readonly key: string; readonly rawValue: string }[] };
  } } };
}

function scriptOf(message: Told): string {
  const { headers, headerMap } = (message as unknown as ToldHttp).attributes.request.http;
  const raw = headerMap?.headers.find(({ key }) => key === 'x-script')?.rawValue;
  return headers?.['x-script'] ?? (raw === undefined ? '' : Buffer.from(raw, 'base64').toString());
}

export async function startHttpAuthorizer(scripts: Readonly<Record<string, HttpScript>>): Promise<Authorizer> {
  const told: Told[] = [];
  const server = createServer((incoming, outgoing) => answer(incoming, outgoing, scripts, told));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, told,
    async [Symbol.asyncDispose]() {
      await close(server);
    },
  };
}

function answer(
  incoming: IncomingMessage, outgoing: ServerResponse, scripts: Readonly<Record<string, HttpScript>>, told: Told[],
): void {
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined).on('end', () => {
    const { method = '', url = '', headers } = incoming;
    told.push({ method, url, headers, body: Buffer.concat(chunks).toString('latin1') });
    const script = scripts[String(headers['x-script'] ?? '')] ?? {};
    if (script.silent === true) return;
    outgoing.writeHead(script.status ?? 200, script.headers);
    outgoing.end(script.body ?? '');
  });
}

async function close(server: HttpServer): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
