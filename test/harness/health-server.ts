// A server that is asked how it is: by HTTP/1.1 and HTTP/2 paths, or by grpc-js with gRPC's health service.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

const root = protobuf.Root.fromJSON({
  nested: {
    Request: { fields: { service: { id: 1, type: 'string' } } },
    Response: { fields: { status: { id: 1, type: 'int32' } } },
  },
});

interface HealthRequest {
  service: string;
}

/** HealthCheckResponse.ServingStatus. */
export const SERVING = 1;
export const NOT_SERVING = 2;

/** `statuses` by service; one that isn't there is NOT_FOUND. `asked` are the fields of every check. */
export class GrpcHealthServer implements AsyncDisposable {
  readonly statuses = new Map<string, number>([['', SERVING]]);
  readonly asked: Readonly<Record<string, unknown>>[] = [];
  readonly #server = new Server();
  port = 0;

  static async start(): Promise<GrpcHealthServer> {
    const health = new GrpcHealthServer();
    health.#server.addService({
      check: {
        path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false,
        requestSerialize: (value: object) => encode('Request', value), requestDeserialize: decodeRequest,
        responseSerialize: (value: object) => encode('Response', value), responseDeserialize: () => ({}),
      },
    }, {
      check: (call: ServerUnaryCall<HealthRequest, object>, reply: sendUnaryData<object>) => health.#check(call, reply),
    });
    health.port = await new Promise<number>((resolve, reject) => {
      health.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
    return health;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }

  #check(call: ServerUnaryCall<HealthRequest, object>, reply: sendUnaryData<object>): void {
    const { service } = call.request;
    this.asked.push({ ...call.metadata.getMap(), service, authority: call.getHost() });
    const found = this.statuses.get(service);
    if (found === undefined) reply({ code: status.NOT_FOUND, details: 'unknown service' });
    else reply(null, { status: found });
  }
}

function encode(name: string, value: object): Buffer {
  const type = root.lookupType(name);
  return Buffer.from(type.encode(type.fromObject(value)).finish());
}

function decodeRequest(bytes: Buffer): HealthRequest {
  return root.lookupType('Request').toObject(root.lookupType('Request').decode(bytes),
    { defaults: true }) as HealthRequest;
}

type Incoming = IncomingMessage | Http2ServerRequest;

/** Answers with `status`, or never where it is 0. */
export class HttpHealthServer implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: NetServer;
  status = 200;
  fields: Readonly<Record<string, string>> = {};
  connections = 0;

  private constructor(protocol: 'http1' | 'http2') {
    const answer = (request: Incoming, response: ServerResponse | Http2ServerResponse): void => {
      this.asked.push(`${request.method} ${request.url} ${request.httpVersion} ${authorityOf(request)} `
        + `${String(request.headers['user-agent'])}`);
      if (this.status === 0) return;
      (response as ServerResponse).writeHead(this.status, this.fields);
      (response as ServerResponse).end('well');
    };
    this.#server = protocol === 'http2' ? createHttp2(answer) : createServer({ keepAliveTimeout: 0 }, answer);
    this.#server.on('connection', (socket: Socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket)).on('error', () => {});
    });
  }

  static async start(protocol: 'http1' | 'http2' = 'http1'): Promise<HttpHealthServer> {
    const health = new HttpHealthServer(protocol);
    health.#server.listen(0, '127.0.0.1');
    await once(health.#server, 'listening');
    return health;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections, as servers do with idle ones. */
  hangUp(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    this.#server.close();
  }
}

function authorityOf({ headers }: Incoming): string {
  return headers[':authority'] as string | undefined ?? headers.host ?? '';
}
