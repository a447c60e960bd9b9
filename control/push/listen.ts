// Opens a gRPC port for xDS and whatever other services share it.
import { Server } from '@grpc/grpc-js';
import type { ServerCredentials } from '@grpc/grpc-js';
import { messageOf } from '../../proxy/base/error.ts';
import type { PushServer } from './push-server.ts';

/** Requests are names and refusals; a hundred thousand names of 40 bytes fit. */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024;

/** A gRPC server with limits, on which the push server's service is. Add others before it listens. */
export function makeXdsServer(push: PushServer): Server {
  const server = new Server({
    'grpc.max_receive_message_length': REQUEST_BYTES_MAX,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.max_concurrent_streams': 16,
  });
  server.addService(push.service, push.handlers);
  return server;
}

/** Listens on HOST:PORT (port 0: the system chooses) and resolves with the port. Rejects with a line for people. */
export function listenXds(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(address, credentials, (error, port) => {
    if (error === null) resolve(port);
    else reject(new Error(`cannot listen on ${address} for xDS: ${messageOf(error)}`));
  });
  return promise;
}
