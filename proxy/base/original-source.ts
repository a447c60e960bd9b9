// Connections that leave from the address of the client for whom they are (Envoy's listener filter original_src).
import { isIP } from 'node:net';
import type { Socket, SocketConstructorOpts } from 'node:net';
import type { SystemSockets } from './system-socket.ts';

/** What one listener says of it. */
export class OriginalSource {
  readonly #sockets: SystemSockets;
  readonly #mark: number;

  /** `mark` is what the kernel's rules know such connections by (SO_MARK); 0 is none. */
  constructor(sockets: SystemSockets, mark: number) {
    this.#sockets = sockets;
    this.#mark = mark;
  }

  of(ip: string): UpstreamSource {
    return new UpstreamSource(this.#sockets, ip, this.#mark);
  }
}

/** Connections of other sources must not be used for it. */
export class UpstreamSource {
  readonly key: string;
  readonly #sockets: SystemSockets;
  readonly #ip: string;
  readonly #mark: number;

  constructor(sockets: SystemSockets, ip: string, mark: number) {
    this.key = `${ip} ${mark}`;
    this.#sockets = sockets;
    this.#ip = ip;
    this.#mark = mark;
  }

  /** An address of the other family cannot be reached from it. */
  reaches(host: string): boolean {
    return isIP(host) === isIP(this.#ip);
  }

  /** Begins to connect; all that fails is told by the socket's events. */
  connect(target: { readonly host: string; readonly port: number }, options: SocketConstructorOpts): Socket {
    const socket = this.#sockets.socketFrom(this.#ip, this.#mark, options);
    return socket.destroyed ? socket : socket.connect({ ...target, autoSelectFamily: false });
  }
}
