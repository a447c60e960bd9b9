// A server on loopback with a worker's cluster in front of it, and the requests that tests send through it.
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Stream, Settings } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Clock } from '../../proxy/base/clock.ts';
import type { ProxyError } from '../../proxy/base/error.ts';
import type { Cluster as ClusterConfig } from '../../proxy/config/cluster.ts';
import type { Http2ProtocolOptions } from '../../proxy/config/http-protocol-options.ts';
import { HTTP_PROTOCOL_OPTIONS } from '../../proxy/config/type-url.ts';
import { LENGTH_UNKNOWN, RequestHead } from '../../proxy/http/message.ts';
import type { Attempt } from '../../proxy/upstream/upstream.ts';
import { RecordingSink, TestClusters, started } from './upstreams.ts';

/** A worker with one cluster in front of a server, and requests to it. */
export class UpstreamServer implements AsyncDisposable {
  readonly server: Server | HttpServer;
  readonly clusters: TestClusters;
  readonly sockets = new Set<Socket>();
  connections = 0;

  constructor(server: Server | HttpServer, clock?: Clock) {
    this.server = server;
    this.clusters = new TestClusters(clock);
    (server as Server).on('connection', (socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
    });
  }

  /** In front of a node:http server. */
  static async http(
    handler: (request: IncomingMessage, response: ServerResponse) => void,
    changes: Partial<ClusterConfig> = {},
    clock?: Clock,
  ): Promise<UpstreamServer> {
    const server = createHttpServer({ keepAliveTimeout: 0 }, handler);
    return new UpstreamServer(server, clock).listen(changes);
  }

  /** In front of a node:http2 server, as an HTTP/2 cluster. */
  static async http2(
    handler: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
    settings: Settings = {}, common: Record<string, unknown> = {}, clock?: Clock,
  ): Promise<UpstreamServer> {
    const server = createHttp2Server({ settings });
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => {});
      handler(stream, headers);
    });
    return new UpstreamServer(server as unknown as Server, clock).listen(http2Options(common));
  }

  /** In front of a server of raw bytes. */
  static async raw(
    handler: (socket: Socket) => void, changes: Partial<ClusterConfig> = {}, clock?: Clock,
  ): Promise<UpstreamServer> {
    return new UpstreamServer(createServer(handler), clock).listen(changes);
  }

  async listen(changes: Partial<ClusterConfig>): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.clusters.apply([this.port], changes);
    return this;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  start(sink: RecordingSink, head = get(), endStream = true): Attempt | ProxyError {
    return this.clusters.cluster.startAttempt(this.clusters.pick(), sink, head, endStream);
  }

  async get(path = '/'): Promise<RecordingSink> {
    const sink = new RecordingSink();
    started(this.start(sink, get(path)));
    return sink.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.clusters.set.close();
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

export function get(path = '/'): RequestHead {
  return new RequestHead('GET', 'reviews', path);
}

export function post(contentLength = LENGTH_UNKNOWN): RequestHead {
  const head = new RequestHead('POST', 'reviews', '/');
  head.contentLength = contentLength;
  return head;
}

export function options(common: Record<string, unknown>): Partial<ClusterConfig> {
  const typed = { '@type': `type.googleapis.com/${HTTP_PROTOCOL_OPTIONS}` as const, commonHttpProtocolOptions: common };
  return { typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: typed } };
}

export function http2Options(
  common: Record<string, unknown> = {}, http2ProtocolOptions: Http2ProtocolOptions = {},
): Partial<ClusterConfig> {
  const typed = {
    '@type': `type.googleapis.com/${HTTP_PROTOCOL_OPTIONS}` as const, commonHttpProtocolOptions: common,
    explicitHttpConfig: { http2ProtocolOptions },
  };
  return { typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: typed } };
}

export function thresholds(limits: Record<string, number>): Partial<ClusterConfig> {
  return { circuitBreakers: { thresholds: [limits] } };
}

/** What TestClusters.held() shows when all is over. */
export const NOTHING_HELD = {
  upstream_cx_active: 0, upstream_rq_active: 0, upstream_rq_pending_active: 0,
  'breaker 0': 0, 'breaker 1': 0, 'breaker 2': 0, 'breaker 3': 0,
};

export const hello = (_request: IncomingMessage, response: ServerResponse): void => void response.end('hello');
