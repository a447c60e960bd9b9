// What a codec (HTTP/1.1 or HTTP/2) and its user owe each other, for both sides of the proxy.
// All calls are synchronous. Bytes are pushed; nobody polls. A chunk is valid during the call, unless `keep` takes it.
import type { ProxyError } from '../base/error.ts';
import type { Headers } from './headers.ts';
import type { RequestHead, ResponseHead } from './message.ts';

/** Calls come in the order head, data*, (trailers | end flag); an error may replace any of them and is the last one. */
export interface RequestSink {
  onRequestHead(head: RequestHead, endStream: boolean): void;
  onRequestData(chunk: Buffer, endStream: boolean): void;
  onRequestTrailers(trailers: Headers): void;
  /** The request is malformed (perhaps before any head) or its sender is gone (kind `downstream-reset`). */
  onRequestError(error: ProxyError): void;
  /** The response side of the stream has room again after sendData returned false. */
  onResponseDrain(): void;
}

/** As RequestSink, for a response; 1xx other than 101 come through onInformational. */
export interface ResponseSink {
  onInformational(head: ResponseHead): void;
  onResponseHead(head: ResponseHead, endStream: boolean): void;
  onResponseData(chunk: Buffer, endStream: boolean): void;
  onResponseTrailers(trailers: Headers): void;
  onResponseError(error: ProxyError): void;
  onRequestDrain(): void;
}

/** Flow control of the direction that the stream receives: after pause at most one read's worth still arrives. */
interface Receiving {
  pauseBody(): void;
  resumeBody(): void;
}

/** A server's side of one exchange: reads a request, writes its response. */
export interface ServerStream extends Receiving {
  sendInformational(head: ResponseHead): void;
  /** Written together with the first data or at the end of the current event, whichever comes first. */
  sendResponseHead(head: ResponseHead, endStream: boolean): void;
  /** False: hold back until onResponseDrain. The chunk is taken in any case. */
  sendResponseData(chunk: Buffer, endStream: boolean): boolean;
  sendResponseTrailers(trailers: Headers): void;
  /** Gives the stream up: HTTP/1.1 closes the connection, HTTP/2 sends RST_STREAM. The sink hears nothing more. */
  resetStream(error: ProxyError): void;
}

/** A client's side of one exchange: writes a request, reads its response. */
export interface ClientStream extends Receiving {
  sendRequestHead(head: RequestHead, endStream: boolean): void;
  sendRequestData(chunk: Buffer, endStream: boolean): boolean;
  sendRequestTrailers(trailers: Headers): void;
  /** Cancels; HTTP/1.1 closes the connection unless the exchange was already complete. The sink hears nothing more. */
  resetStream(): void;
}

/** What the connection manager is told by a server codec. */
export interface ServerConnectionHandler {
  /** A request begins (or failed before its head); returns who receives it. */
  onStream(stream: ServerStream): RequestSink;
  /** The client broke the protocol: no later request on this connection is read. Its open streams are told too. */
  onProtocolError(): void;
  /** The connection is closed; every open stream has been told before. */
  onConnectionClose(): void;
}

/** A downstream connection's codec. */
export interface ServerConnection {
  /** Answers what is in flight with `connection: close` (GOAWAY on HTTP/2), then closes. Idle: closes now. */
  drain(): void;
  /** Closes at once. */
  destroy(): void;
  readonly openStreams: number;
}

/** What a pool is told by a client codec. */
export interface ClientConnectionHandler {
  /** A stream ended cleanly; the connection may take another if `canTakeStream`. */
  onStreamDone(connection: ClientConnection): void;
  /** No new stream may start (GOAWAY, `connection: close`); those in flight go on. */
  onDraining(connection: ClientConnection): void;
  onConnectionClose(connection: ClientConnection, error: ProxyError | undefined): void;
}

/** An upstream connection's codec. */
export interface ClientConnection {
  readonly canTakeStream: boolean;
  readonly openStreams: number;
  /** Requests that have been started on it. */
  readonly streamsStarted: number;
  /** Milliseconds that the server promises to keep an idle connection (`keep-alive: timeout=N`), if it does. */
  readonly keepAliveMs: number | undefined;
  /**
   * Streams that the server allows at once, once it has said so; undefined where there is one anyway. What an earlier
   * connection has learned may be set before this one's server has spoken.
   */
  peerStreamsMax: number | undefined;
  newStream(sink: ResponseSink): ClientStream;
  /** Takes no new stream and closes when the open ones are done. */
  drain(): void;
  destroy(): void;
}
