// The rows of the comparison: the shape of the configuration, what it needs, and the load.
import { http1Load } from '../load/http1-load.ts';
import { http2Load } from '../load/http2-load.ts';
import type { LoadResult, Target } from '../load/load.ts';
import { tlsLoad } from '../load/tls-load.ts';
import type { Shape } from './bootstrap.ts';

export interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly shape: Shape;
  /** Programs without which the row is left out. */
  readonly needs: readonly string[];
  /** What CPU time is divided by. */
  readonly per: 'request' | 'GB';
  load(target: Target): Promise<LoadResult>;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    id: 'h1', title: 'HTTP/1.1 keep-alive, 64 connections', shape: 'h1', needs: [], per: 'request',
    load: (target) => http1Load(target, { connections: 64 }),
  },
  {
    id: 'h1-new', title: 'HTTP/1.1, a connection per request, 64 at a time', shape: 'h1', needs: ['wrk'],
    per: 'request', load: (target) => http1Load(target, { connections: 64, close: true }),
  },
  {
    id: 'h1-new-mtls', title: 'HTTP/1.1, a connection per request, 64 at a time, mutual TLS out', shape: 'mtls-up',
    needs: ['wrk', 'nginx'], per: 'request', load: (target) => http1Load(target, { connections: 64, close: true }),
  },
  {
    id: 'h2x32', title: 'HTTP/2 both sides, 8 connections x 32 streams', shape: 'h2', needs: ['h2load', 'nginx'],
    per: 'request', load: (target) => http2Load(target, { connections: 8, streams: 32 }),
  },
  {
    id: 'h2x1', title: 'HTTP/2 both sides, 8 connections x 1 stream', shape: 'h2', needs: ['h2load', 'nginx'],
    per: 'request', load: (target) => http2Load(target, { connections: 8, streams: 1 }),
  },
  {
    id: 'grpc', title: 'gRPC unary calls with trailers, 8 connections x 32 streams', shape: 'grpc',
    needs: ['h2load', 'nghttpd'], per: 'request',
    load: (target) => http2Load(target, { connections: 8, streams: 32, grpc: true }),
  },
  {
    id: 'mtls', title: 'mutual TLS in, plaintext out, keep-alive, 64 connections', shape: 'mtls', needs: [],
    per: 'request', load: (target) => tlsLoad(target, { mode: 'keep-alive', connections: 64 }),
  },
  {
    id: 'mtls-both', title: 'mutual TLS on both sides, keep-alive, 64 connections', shape: 'mtls-both',
    needs: ['nginx'], per: 'request', load: (target) => tlsLoad(target, { mode: 'keep-alive', connections: 64 }),
  },
  {
    id: 'handshake', title: 'full mutual TLS handshake, 1 request, close; 8 at a time', shape: 'mtls', needs: [],
    per: 'request', load: (target) => tlsLoad(target, { mode: 'full', connections: 8 }),
  },
  {
    id: 'resumed', title: 'resumed mutual TLS handshake, 1 request, close; 8 at a time', shape: 'mtls', needs: [],
    per: 'request', load: (target) => tlsLoad(target, { mode: 'resumed', connections: 8 }),
  },
  {
    id: 'body-1m', title: 'HTTP/1.1 bodies of 1 MB, 16 connections', shape: 'h1', needs: ['wrk', 'nginx'],
    per: 'request', load: (target) => http1Load(target, { connections: 16, path: '/flaky/1m' }),
  },
  {
    id: 'tcp-1m', title: 'TCP proxy, 1 MB on a connection of its own, 16 at a time', shape: 'tcp',
    needs: ['wrk', 'nginx'], per: 'GB',
    load: (target) => http1Load(target, { connections: 16, path: '/flaky/1m', close: true }),
  },
  {
    id: 'tcp-long', title: 'TCP proxy, 4 streams of 256 MB and more', shape: 'tcp', needs: ['wrk', 'nginx'], per: 'GB',
    load: (target) => http1Load(target, { connections: 4, path: '/flaky/256m' }),
  },
];
