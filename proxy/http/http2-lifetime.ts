// How an HTTP/2 connection and its streams end: by their last frames, by faults of the peer, or when it is lost.
import type { Transport } from '../base/transport.ts';
import { LIMITS } from '../config/limits.ts';
import { DelayedClose } from './delayed-close.ts';
import { AbuseGuard } from './http2-abuse.ts';
import { ClosedStreams } from './http2-closed-streams.ts';
import { Http2Credit } from './http2-credit.ts';
import { Http2Error } from './http2-frame.ts';
import type { Http2Options } from './http2-options.ts';
import { Http2Output } from './http2-output.ts';
import { Http2Sender } from './http2-sender.ts';
import type { Http2Stream } from './http2-stream.ts';
import { StreamTable } from './http2-stream-table.ts';

/** `closing`: GOAWAY with an error, or the last stream's end; what still comes is dropped. */
type State = 'open' | 'closing' | 'closed';

export abstract class Http2Lifetime {
  protected readonly transport: Transport;
  protected readonly options: Http2Options;
  protected readonly output: Http2Output;
  protected readonly sender: Http2Sender;
  protected readonly guard: AbuseGuard;
  protected readonly credit: Http2Credit;
  protected readonly streams = new StreamTable();
  protected readonly closedStreams = new ClosedStreams();
  protected state: State = 'open';
  /** Highest stream that the peer has opened and this side has taken. */
  protected lastPeerStream = 0;
  #close: DelayedClose | undefined = undefined;

  /** `shared`: of a pool, so that many downstream connections write to it. */
  constructor(transport: Transport, options: Http2Options, shared: boolean) {
    this.transport = transport;
    this.options = options;
    this.output = new Http2Output(transport, options.writes, shared);
    this.sender = new Http2Sender(this.output, options, {
      onLocalEnd: (stream) => this.localEnd(stream), onStalled: (stream) => this.#giveUp(stream),
    });
    this.guard = new AbuseGuard(options.clock, options.counters);
    this.credit = new Http2Credit(this.output, options.connectionWindow, options.streamWindow);
  }

  get openStreams(): number {
    return this.streams.size;
  }

  /** A stream has left `streams`. */
  protected abstract onStreamGone(stream: Http2Stream): void;
  /** The peer broke the protocol; this side is about to end the connection, with this code. */
  protected abstract onPeerFault(error: number): void;
  /** Nothing is read any more. */
  protected abstract stopReading(): void;

  // --- streams

  protected remoteEnd(stream: Http2Stream): void {
    stream.remoteEnded = true;
    this.settle(stream);
  }

  /** Its last frame is written. */
  protected localEnd(stream: Http2Stream): void {
    stream.localEnded = true;
    this.settle(stream);
  }

  protected settle(stream: Http2Stream): void {
    if (stream.remoteEnded && stream.localEnded) this.drop(stream, false);
  }

  /** Takes a stream away. `reset`: what the peer has sent before it knew is no fault. */
  protected drop(stream: Http2Stream, reset: boolean): void {
    if (!this.streams.delete(stream.id)) return;
    stream.over = true;
    this.closedStreams.add(stream.id, reset);
    this.sender.forget(stream);
    this.credit.giveConnection(stream.heldBytes);
    stream.heldBytes = 0;
    this.onStreamGone(stream);
  }

  resetStream(stream: Http2Stream, error: number): void {
    stream.over = true;
    if (this.state !== 'open' || this.streams.get(stream.id) !== stream) return;
    this.output.resetStream(stream.id, error);
    this.options.counters.txReset.inc();
    this.drop(stream, true);
  }

  /** Its peer doesn't take what is to be sent. */
  #giveUp(stream: Http2Stream): void {
    this.options.counters.txFlushTimeout.inc();
    this.resetStream(stream, Http2Error.CANCEL);
    stream.onStalled();
  }

  /** The message breaks a rule of HTTP: its stream is lost, the connection isn't (RFC 9113 section 8.1.1). */
  protected messageFault(stream: Http2Stream): boolean {
    this.options.counters.rxMessagingError.inc();
    return this.streamFault(stream, Http2Error.PROTOCOL_ERROR);
  }

  /** A stream error by the peer; false when it was one too many. */
  protected streamFault(stream: Http2Stream, error: number): boolean {
    stream.over = true;
    stream.onFault(error);
    this.resetStream(stream, error);
    return this.budget(this.guard.streamReset()) && this.state === 'open';
  }

  /** Refuses a stream that isn't open. */
  protected resetUnknown(id: number, error: number): boolean {
    this.output.resetStream(id, error);
    this.options.counters.txReset.inc();
    this.closedStreams.add(id, true);
    return this.budget(this.guard.streamReset()) && this.answersFit();
  }

  // --- the connection

  protected budget(holds: boolean): boolean {
    return holds || this.fail(Http2Error.ENHANCE_YOUR_CALM);
  }

  /** The peer makes this side answer faster than it reads the answers (S24). */
  protected answersFit(): boolean {
    if (this.output.waitingAnswers <= LIMITS.http2UnsentAnswersMax) return this.state === 'open';
    this.options.counters.outboundControlFlood.inc();
    return this.fail(Http2Error.ENHANCE_YOUR_CALM);
  }

  /** A connection error by the peer: says so, and closes. Always false. */
  fail(error: number): false {
    if (this.state !== 'open') return false;
    this.onPeerFault(error);
    this.output.goAway(this.lastPeerStream, error);
    this.state = 'closing';
    for (const stream of this.#takeStreams()) stream.onFault(error);
    this.#end();
    return false;
  }

  /** FIN after what is written; the peer has a moment to read it. */
  protected finish(): void {
    if (this.state !== 'open') return;
    this.state = 'closing';
    this.#end();
  }

  #end(): void {
    this.stopReading();
    this.output.flushWrites();
    this.#close = new DelayedClose(this.transport, this.options.timers, this.options.delayedCloseMs);
    this.#close.start();
  }

  /** The transport is gone. False: it was before. */
  protected lose(cause: unknown): boolean {
    if (this.state === 'closed') return false;
    this.state = 'closed';
    this.stopReading();
    this.#close?.cancel();
    this.sender.close();
    for (const stream of this.#takeStreams()) stream.onLost(cause);
    return true;
  }

  /** All streams; none is open afterwards. */
  #takeStreams(): Http2Stream[] {
    const streams = this.streams.all();
    for (const stream of streams) this.drop(stream, true);
    return streams;
  }
}
