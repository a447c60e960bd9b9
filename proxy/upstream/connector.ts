// Makes one connection to an endpoint: TCP or unix socket, then TLS where the endpoint asks for it, within one
// deadline.
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { getSystemErrorMessage } from 'node:util';
import { ProxyError, messageOf } from '../base/error.ts';
import type { NamedCount } from '../base/named-counts.ts';
import { fromNodeError } from '../base/node-error.ts';
import { Timer } from '../base/timers.ts';
import type { TimerTarget, TimerWheel } from '../base/timers.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import type { ClientHandshake, ServerNames } from '../tls/client-context.ts';
import { tlsFailureText } from '../tls/failure-text.ts';
import { PeerRefusal } from '../tls/peer-verification.ts';
import type { ConnectionSettings, HttpProtocol } from './connection-settings.ts';
import type { ConnectTarget } from './load-assignment.ts';
import type { TransportSocket } from './transport-sockets.ts';

/** Where and how to connect. */
export interface Route {
  readonly target: ConnectTarget;
  /** The endpoint's address as text, under which TLS sessions are kept. */
  readonly address: string;
  readonly transport: TransportSocket;
  readonly names: ServerNames;
  /** Offered where the transport socket names no protocols; empty for bytes of any kind. */
  readonly alpn: readonly string[];
  /** `alpn` is offered whatever the transport socket names. */
  readonly overridesAlpn?: boolean;
  readonly memory: EndpointMemory;
  /** Connections to the endpoint over all workers; undefined where nobody limits them. */
  readonly connections?: NamedCount | undefined;
}

/** What connections to an endpoint have taught, for pools to come. */
export interface EndpointMemory {
  /** What its server chose last, where it may choose. */
  protocol: HttpProtocol | undefined;
  /** Where connections go from now on, if not where their pool thinks. */
  target: ConnectTarget | undefined;
}

/** Exactly one of the two is called, once, never before the constructor returns; none after `cancel`. */
export interface ConnectHandler {
  /** `socket` has no listeners of the connector's left; `localAddress` is ip:port. */
  onConnected(socket: Socket, tls: TlsInfo | undefined, localAddress: string): void;
  /** Its cause is the text of %UPSTREAM_TRANSPORT_FAILURE_REASON%. */
  onConnectFailed(error: ProxyError): void;
}

/** Why nothing can be connected now, or undefined. Ask before a Connecting is made. */
export function connectRefusal({ transport }: Route): ProxyError | undefined {
  if (transport === undefined || transport.ready) return undefined;
  const reason = reasonText(`TLS error: secrets are not there yet: ${transport.missingSecrets().join(', ')}`);
  return new ProxyError('upstream-tls', 'internal', 'tls_error', 'safe', reason);
}

/** `tcp`: connecting. `tls`: shaking hands. `done`: reported or cancelled. */
type State = 'tcp' | 'tls' | 'done';

/** A connection that is being made. */
export class Connecting implements TimerTarget {
  readonly #route: Route;
  readonly #handler: ConnectHandler;
  readonly #handshake: ClientHandshake | undefined;
  /** Bytes that come before the handshake. */
  readonly #header: Buffer | undefined;
  #socket: Socket;
  readonly #deadline: Timer;
  #state: State = 'tcp';

  constructor(route: Route, settings: ConnectionSettings, timers: TimerWheel, handler: ConnectHandler) {
    this.#route = route;
    this.#handler = handler;
    this.#handshake = route.transport?.binding?.begin(
      route.address, route.names, route.alpn, route.overridesAlpn);
    // Going on would be plaintext where TLS is asked for.
    if (route.transport?.isPlain === false && this.#handshake === undefined) {
      throw new Error('connectRefusal was not asked');
    }
    this.#header = route.names.header ?? route.transport?.headerFor?.(undefined);
    this.#deadline = new Timer(timers, this);
    this.#deadline.arm(settings.connectTimeoutMs);
    this.#socket = this.#open(settings);
    this.#socket.on('connect', this.#onConnect);
    this.#socket.on('error', this.#onError);
    this.#socket.on('close', this.#onClose);
    const { tcpKeepaliveSeconds: keepalive } = settings;
    if (keepalive !== undefined) this.#socket.setKeepAlive(true, keepalive * 1000);
  }

  cancel(): void {
    if (this.#state === 'done') return;
    this.#finish();
    this.#socket.destroy();
  }

  onTimer(): void {
    const reason = this.#state === 'tls' ? 'TLS handshake timeout' : 'connect timeout';
    this.#fail(new ProxyError('connect-timeout', 'upstream', 'connection_timeout', 'safe', reasonText(reason)));
  }

  #open({ sourceAddress }: ConnectionSettings): Socket {
    const target = this.#route.memory.target ?? this.#route.target;
    const { source: from } = this.#route.names;
    if (from !== undefined && !('path' in target) && from.reaches(target.host)) {
      const plain = from.connect(target, { allowHalfOpen: true, noDelay: true });
      if (this.#handshake === undefined || this.#header !== undefined) return plain;
      return this.#shakeHands(this.#handshake, { socket: plain });
    }
    const source = sourceAddress !== undefined && !('path' in target) && { localAddress: sourceAddress };
    const options = { ...target, ...source, allowHalfOpen: true, noDelay: true, autoSelectFamily: false };
    if (this.#handshake === undefined || this.#header !== undefined) return connectTcp(options);
    return this.#shakeHands(this.#handshake, options);
  }

  #shakeHands(handshake: ClientHandshake, options: ConnectionOptions): Socket {
    const socket = connectTls({ ...options, ...handshake.options });
    socket.on('secureConnect', this.#onSecure);
    handshake.watch(socket);
    return socket;
  }

  /** The header leaves in clear; what follows may be TLS over the same connection. */
  #sayFirst(header: Buffer): void {
    const plain = this.#socket;
    plain.write(header);
    if (this.#handshake === undefined) return;
    plain.removeListener('error', this.#onError);
    plain.removeListener('close', this.#onClose);
    this.#state = 'tls';
    this.#socket = this.#shakeHands(this.#handshake, { socket: plain });
    this.#socket.on('error', this.#onError);
    this.#socket.on('close', this.#onClose);
  }

  readonly #onConnect = (): void => {
    if (this.#header !== undefined) this.#sayFirst(this.#header);
    if (this.#handshake === undefined) this.#succeed(undefined);
    else if (this.#state === 'tcp') this.#state = 'tls';
  };

  /** Nothing has been written yet: a server that is refused here never sees a request. */
  readonly #onSecure = (): void => {
    if (this.#state === 'done') return;
    const verdict = this.#handshake!.judge(this.#socket as TLSSocket);
    if (verdict instanceof PeerRefusal) this.#fail(tlsError(verdict.reason));
    else this.#succeed(verdict);
  };

  readonly #onError = (cause: Error): void => {
    if (this.#state === 'done') return;
    if (this.#state === 'tls') {
      this.#handshake!.countFailure();
      this.#fail(tlsError(tlsFailureText(cause)));
      return;
    }
    const error = fromNodeError(cause, 'upstream', true);
    const reason = reasonText(`delayed connect error: ${systemText(cause)}`);
    this.#fail(new ProxyError(error.kind, error.source, error.detail, error.retry, reason));
  };

  readonly #onClose = (): void => {
    if (this.#state !== 'done') this.#onError(new Error('the connection was closed'));
  };

  #succeed(tls: TlsInfo | undefined): void {
    const socket = this.#socket;
    this.#finish();
    socket.removeListener('error', this.#onError);
    this.#handler.onConnected(socket, tls, localAddressOf(socket));
  }

  #fail(error: ProxyError): void {
    if (this.#state === 'done') return;
    this.cancel();
    this.#handler.onConnectFailed(error);
  }

  /** The error listener stays: a destroyed socket may still report one. */
  #finish(): void {
    this.#state = 'done';
    this.#deadline.cancel();
    this.#socket.removeListener('connect', this.#onConnect);
    this.#socket.removeListener('close', this.#onClose);
    this.#socket.removeListener('secureConnect', this.#onSecure);
  }
}

function tlsError(reason: string): ProxyError {
  return new ProxyError('upstream-tls', 'upstream', 'tls_error', 'safe', reasonText(`TLS error: ${reason}`));
}

/** Envoy's form: no white space, so that it stays one word of an access log. */
function reasonText(text: string): string {
  return text.trim().replaceAll(/\s+/g, '_');
}

/** `Connection refused`, where the system gave the error a number. */
function systemText(cause: unknown): string {
  if (typeof cause === 'object' && cause !== null && 'errno' in cause && typeof cause.errno === 'number') {
    const text = getSystemErrorMessage(cause.errno) ?? messageOf(cause);
    return text.charAt(0).toUpperCase() + text.slice(1);
  }
  return messageOf(cause);
}

function localAddressOf({ localAddress, localPort, localFamily }: Socket): string {
  if (localAddress === undefined) return '';
  return localFamily === 'IPv6' ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`;
}
