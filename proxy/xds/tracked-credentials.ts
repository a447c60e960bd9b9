// Credentials that remember their sockets: grpc-js forgets one whose server took the connection and then said nothing.
import type { Socket } from 'node:net';
import { ChannelCredentials } from '@grpc/grpc-js';

type Connect = ChannelCredentials['_createSecureConnector'];
type SecureConnector = ReturnType<Connect>;

/** The same credentials; destroySockets() ends what closing the channel leaves open. For one channel. */
export class TrackedCredentials extends ChannelCredentials {
  readonly #inner: ChannelCredentials;
  readonly #sockets = new Set<Socket>();

  constructor(inner: ChannelCredentials) {
    super();
    this.#inner = inner;
  }

  destroySockets(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  override _isSecure(): boolean {
    return this.#inner._isSecure();
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(...args: Parameters<Connect>): SecureConnector {
    const connector = this.#inner._createSecureConnector(...args);
    return {
      connect: (socket) => {
        this.#sockets.add(socket);
        socket.once('close', () => this.#sockets.delete(socket));
        return connector.connect(socket);
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }
}
