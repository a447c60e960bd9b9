// One server-side handshake: from an accepted TCP connection to a TLS socket whose peer has been judged, or a reason
// why not.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { messageOf } from '../base/error.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget } from '../base/timers.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import { tlsFailureText } from './failure-text.ts';
import { PeerRefusal } from './peer-verification.ts';
import { HANDSHAKE_DEADLINE_MS, handshakeKey } from './server-context.ts';
import type { PendingHandshake, ServerBinding, ServerTlsContext } from './server-context.ts';

export interface AcceptOptions {
  /** Bytes that were read from the socket already (a peeked ClientHello); they are the handshake's first. */
  readonly initial?: Buffer;
  /**
   * ALPN names that the client is known to offer; without it an offer with nothing of ours is refused (RFC 7301 3.2).
   */
  readonly offeredAlpn?: readonly string[];
  /** For the whole handshake. Default 10 s. */
  readonly timeoutMs?: number;
}

/** Why a handshake failed, for the log, and whether time ran out. */
export type OnHandshakeFailure = (reason: string, timedOut: boolean) => void;

/**
 * Makes the handshake on an accepted socket, which must be paused and without listeners that read. Exactly one of the
 * two is called, once: `onSecure` with the TLS socket and its facts, or `onFailure` when the connection is closed.
 * Never throws; nothing of the peer's is answered before the handshake ends, and its deadline ends it.
 */
export function acceptTls(
  socket: Socket,
  context: ServerTlsContext,
  onSecure: (socket: TLSSocket, info: TlsInfo) => void,
  onFailure: OnHandshakeFailure,
  options: AcceptOptions = {},
): void {
  const binding = context.binding;
  const unfit = unfitReason(socket, context);
  if (unfit !== undefined || binding === undefined) {
    if (!socket.destroyed) context.deps.stats.connectionError.inc();
    // Whoever accepted it may be gone; an error of a socket without listener would end the worker.
    socket.on('error', () => {});
    socket.destroy();
    onFailure(unfit ?? '', false);
    return;
  }
  new ServerHandshake(socket, context, binding, onSecure, onFailure).start(options);
}

/** Why no handshake can begin, or undefined. */
function unfitReason(socket: Socket, context: ServerTlsContext): string | undefined {
  if (socket.destroyed) return 'the client closed the connection before the handshake';
  if (!context.ready) return `secrets are not there yet: ${context.missingSecrets().join(', ')}`;
  if (socket.remotePort === undefined) return 'TLS is accepted over TCP only';
  const { budget, stats } = context.deps;
  if (budget.take()) return undefined;
  stats.handshakeOverflow.inc();
  return 'too many handshakes began in this second';
}

/** Alive from accept to the handshake's end. */
class ServerHandshake implements PendingHandshake, TimerTarget {
  readonly key: string;
  readonly socket: Socket;
  readonly #context: ServerTlsContext;
  readonly #binding: ServerBinding;
  readonly #onSecure: (socket: TLSSocket, info: TlsInfo) => void;
  readonly #onFailure: OnHandshakeFailure;
  readonly #deadline: Timer;
  readonly #halfOpen: boolean;
  readonly #onClose = (): void => this.#fail('the client closed the connection during the handshake');
  #done = false;

  constructor(
    socket: Socket,
    context: ServerTlsContext,
    binding: ServerBinding,
    onSecure: (socket: TLSSocket, info: TlsInfo) => void,
    onFailure: OnHandshakeFailure,
  ) {
    this.key = handshakeKey(socket);
    this.socket = socket;
    this.#halfOpen = socket.allowHalfOpen;
    this.#context = context;
    this.#binding = binding;
    this.#onSecure = onSecure;
    this.#onFailure = onFailure;
    this.#deadline = new Timer(context.deps.timers, this);
  }

  start({ initial, offeredAlpn, timeoutMs = HANDSHAKE_DEADLINE_MS }: AcceptOptions): void {
    this.#deadline.arm(timeoutMs);
    this.socket.on('close', this.#onClose);
    // Whoever sends no more cannot finish a handshake; the TLS socket takes this over from the TCP one.
    this.socket.allowHalfOpen = false;
    if (initial !== undefined && initial.length > 0) this.socket.unshift(initial);
    this.#binding.begin(this, offeredAlpn);
  }

  /** OpenSSL is content; now our rules. */
  onSecure(secure: TLSSocket): void {
    if (this.#done) {
      secure.destroy();
      return;
    }
    const info = this.#binding.judge(secure);
    if (info instanceof PeerRefusal) {
      secure.destroy();
      this.#end(info.reason);
      return;
    }
    this.#finish();
    secure.allowHalfOpen = this.#halfOpen;
    try {
      this.#onSecure(secure, info);
    } catch (cause) {
      // A defect in the owner costs this connection, not the worker (S55).
      secure.destroy();
      this.#onFailure(`internal error: ${messageOf(cause)}`, false);
    }
  }

  onError(cause: Error): void {
    this.#fail(tlsFailureText(cause));
  }

  onTimer(): void {
    this.#fail('the handshake took too long', true);
  }

  #fail(reason: string, timedOut = false): void {
    if (this.#done) return;
    this.#context.deps.stats.connectionError.inc();
    this.#end(reason, timedOut);
  }

  #end(reason: string, timedOut = false): void {
    if (this.#done) return;
    this.#finish();
    this.socket.destroy();
    this.#onFailure(reason, timedOut);
  }

  #finish(): void {
    this.#done = true;
    this.#deadline.cancel();
    this.socket.removeListener('close', this.#onClose);
    this.#binding.forget(this);
  }
}
