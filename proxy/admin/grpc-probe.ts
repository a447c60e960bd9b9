// One call of gRPC's health protocol (grpc.health.v1.Health/Check) without a client library, from an address of choice.
import { connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';

const SERVING = 1;
/** A HealthCheckResponse is a few bytes. */
const ANSWER_BYTES_MAX = 1024;

export interface GrpcTarget {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
}

/** 200 where it serves, 500 otherwise. Rejects when there is no answer. */
export function askHealth(to: GrpcTarget, service: string, timeoutMs: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const session = connect('http://application', { createConnection: () => connectSocket(to) });
  session.setTimeout(timeoutMs, () => session.destroy(new Error('timed out')));
  session.on('error', reject);
  session.on('close', () => reject(new Error('closed')));
  const stream = session.request({
    ':method': 'POST', ':path': '/grpc.health.v1.Health/Check', 'content-type': 'application/grpc', te: 'trailers',
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes > ANSWER_BYTES_MAX) session.destroy(new Error('too long'));
  });
  stream.on('error', reject);
  stream.on('end', () => {
    resolve(servingStatus(Buffer.concat(chunks)) === SERVING ? 200 : 500);
    session.close();
  });
  stream.end(requestBytes(service));
  return promise.finally(() => session.destroy());
}

/** HealthCheckRequest { service = 1 } in its frame. */
function requestBytes(service: string): Buffer {
  const name = Buffer.from(service.slice(0, 120));
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** HealthCheckResponse { status = 1 }, in one frame that is not compressed. */
function servingStatus(answer: Buffer): number {
  if (answer.length < 7 || answer[0] !== 0 || answer.readUInt32BE(1) !== answer.length - 5) return 0;
  return answer[5] === 0x08 ? answer[6]! : 0;
}
