// Health checks by gRPC's own protocol (grpc.health.v1.Health/Check): SERVING is healthy.
import type { GrpcHealthCheck } from '../config/health-check.ts';
import { Headers } from '../http/headers.ts';
import { LENGTH_UNKNOWN, RequestHead } from '../http/message.ts';
import { GRPC_TYPE, isGrpcResponse } from '../telemetry/grpc-status.ts';
import { CHECK_AGENT } from './health-exchange.ts';
import type { HealthAnswer, HealthExchange } from './health-exchange.ts';

const PATH = '/grpc.health.v1.Health/Check';
/** Of a message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;
const SERVING = 1;
/** Field 1 as bytes (HealthCheckRequest.service), and as a number (HealthCheckResponse.status). */
const SERVICE_TAG = 0x0a;
const STATUS_TAG = 0x08;

export function grpcExchange(
  { serviceName = '', authority = '' }: GrpcHealthCheck, cluster: string, fields: readonly string[],
): HealthExchange {
  return {
    protocol: 'http2',
    body: framed(requestOf(serviceName)),
    verifies: false,
    request: (hostname) => {
      const headers = new Headers(['content-type', GRPC_TYPE, ...CHECK_AGENT, ...fields]);
      const head = new RequestHead('POST', hostname ?? (authority || cluster), PATH, headers, 'HTTP/2');
      head.contentLength = LENGTH_UNKNOWN;
      head.acceptsTrailers = true;
      return head;
    },
    judge: (answer) => (isServing(answer) ? 'healthy' : 'unhealthy'),
  };
}

function requestOf(service: string): Buffer {
  if (service === '') return Buffer.alloc(0);
  const name = Buffer.from(service);
  return Buffer.concat([Buffer.of(SERVICE_TAG), varint(name.length), name]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left >>>= 7) {
    if (left < 0x80) return Buffer.of(...bytes, left);
    bytes.push((left & 0x7f) | 0x80);
  }
}

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Everything else that a server may say, be it too long or malformed, is not that it serves. */
function isServing({ head, body, trailers }: HealthAnswer): boolean {
  if (trailers?.get('grpc-status') !== '0' || !isGrpcResponse(head, false)) return false;
  if (body.length < PREFIX_BYTES || body[0] !== 0 || body.length !== PREFIX_BYTES + body.readUInt32BE(1)) return false;
  return body.length === PREFIX_BYTES + 2 && body[PREFIX_BYTES] === STATUS_TAG && body[PREFIX_BYTES + 1] === SERVING;
}
