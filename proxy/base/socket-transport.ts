// Chooses the transport of a socket: over its handle where that can be had, over its stream otherwise.
import type { Socket } from 'node:net';
import { HandleTransport } from './handle-transport.ts';
import type { SocketSide } from './node-error.ts';
import { streamHandleOf } from './stream-handle.ts';
import { StreamTransport } from './stream-transport.ts';
import type { Transport } from './transport.ts';

/** Takes over a connected socket. */
export function openTransport(socket: Socket, side: SocketSide = 'downstream'): Transport {
  const handle = streamHandleOf(socket);
  return handle === undefined ? new StreamTransport(socket, side) : new HandleTransport(socket, handle, side);
}
