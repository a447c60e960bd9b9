// DATA of an HTTP/2 connection in both directions, and the windows that hold it back.
import type { Headers } from './headers.ts';
import { Http2Error, WINDOW_DEFAULT, WINDOW_MAX } from './http2-frame.ts';
import { Http2Lifetime } from './http2-lifetime.ts';
import type { Http2Stream, Http2StreamOwner } from './http2-stream.ts';

export abstract class Http2Flow extends Http2Lifetime implements Http2StreamOwner {
  protected peerInitialWindow = WINDOW_DEFAULT;
  #dataStream: Http2Stream | undefined = undefined;
  #dataEnds = false;

  /** A stream that nobody has opened yet. */
  protected abstract isIdle(id: number): boolean;

  // --- from the peer

  onDataBegin(id: number, length: number, padding: number, endStream: boolean): boolean {
    if (this.isIdle(id)) return this.fail(Http2Error.PROTOCOL_ERROR);
    if (!this.credit.take(length)) return this.fail(Http2Error.FLOW_CONTROL_ERROR);
    if (!this.budget(this.guard.dataFrame(length - padding, endStream))) return false;
    this.#dataEnds = endStream;
    const stream = this.streams.get(id);
    this.#dataStream = stream;
    if (stream === undefined) {
      this.credit.giveConnection(padding);
      return this.closedStreams.wasReset(id) || this.resetUnknown(id, Http2Error.STREAM_CLOSED);
    }
    if (stream.remoteEnded) return this.streamFault(stream, Http2Error.STREAM_CLOSED);
    if (!stream.window.take(length)) return this.streamFault(stream, Http2Error.FLOW_CONTROL_ERROR);
    this.credit.give(stream, padding);
    return true;
  }

  onDataPiece(piece: Buffer, last: boolean): boolean {
    const stream = this.#dataStream;
    const bytes = piece.length;
    if (stream === undefined || stream.over) {
      this.credit.giveConnection(bytes);
      return this.state === 'open';
    }
    const end = last && this.#dataEnds;
    if (!stream.countBody(bytes, end)) {
      this.credit.giveConnection(bytes);
      return this.messageFault(stream);
    }
    if (end) stream.remoteEnded = true;
    if (bytes > 0 || end) stream.onData(piece, end);
    if (bytes > 0) this.credit.give(stream, bytes);
    if (end) this.settle(stream);
    return this.state === 'open';
  }

  onWindowUpdate(id: number, increment: number): boolean {
    if (!this.budget(this.guard.windowUpdateFrame(this.sender.dataFrames))) return false;
    if (id === 0) {
      if (increment === 0) return this.fail(Http2Error.PROTOCOL_ERROR);
      if (!this.sender.widen(increment)) return this.fail(Http2Error.FLOW_CONTROL_ERROR);
      this.sender.pump();
      return this.state === 'open';
    }
    if (this.isIdle(id)) return this.fail(Http2Error.PROTOCOL_ERROR);
    const stream = this.streams.get(id);
    if (stream === undefined) return true;
    if (increment === 0) return this.streamFault(stream, Http2Error.PROTOCOL_ERROR);
    stream.sendWindow += increment;
    if (stream.sendWindow > WINDOW_MAX) return this.streamFault(stream, Http2Error.FLOW_CONTROL_ERROR);
    if (stream.waits) this.sender.pump();
    return this.state === 'open';
  }

  /** Its SETTINGS move the windows of all streams. */
  onInitialWindow(bytes: number): boolean {
    const change = bytes - this.peerInitialWindow;
    this.peerInitialWindow = bytes;
    for (const stream of this.streams.all()) {
      stream.sendWindow += change;
      if (stream.sendWindow > WINDOW_MAX) return false;
    }
    return true;
  }

  // --- from streams

  sendData(stream: Http2Stream, chunk: Buffer, endStream: boolean): boolean {
    return this.sender.data(stream, chunk, endStream);
  }

  sendTrailers(stream: Http2Stream, trailers: Headers): void {
    this.options.counters.trailers.inc();
    this.sender.trailers(stream, trailers);
  }

  creditHeld(stream: Http2Stream): void {
    const bytes = stream.heldBytes;
    stream.heldBytes = 0;
    if (bytes > 0 && this.state === 'open') this.credit.give(stream, bytes);
  }
}
