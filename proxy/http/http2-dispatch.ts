// Reads each HTTP/2 frame's payload by its type's rules (RFC 9113 section 6), and gathers header blocks.
import type { HeaderBlock } from './http2-header-block.ts';
import { FrameFlag, FrameType, Http2Error, SETTING_BYTES, readUint31, readUint32 } from './http2-frame.ts';
import type { FrameSink } from './http2-frame-reader.ts';

const PING_BYTES = 8;
const PRIORITY_BYTES = 5;
const NUMBER_BYTES = 4;
const GOAWAY_BYTES = 8;

/** Frames by meaning. Each call but `fail` says whether reading may go on. */
export interface FrameEvents {
  onHeaderBlock(
    id: number, bytes: Buffer, start: number, end: number, endStream: boolean, dependsOnItself: boolean,
  ): boolean;
  onDataBegin(id: number, length: number, padding: number, endStream: boolean): boolean;
  onDataPiece(piece: Buffer, last: boolean): boolean;
  onWindowUpdate(id: number, increment: number): boolean;
  onReset(id: number, code: number): boolean;
  onSettings(bytes: Buffer, start: number, end: number): boolean;
  onSettingsAck(): boolean;
  onPing(payload: Buffer): boolean;
  onPingAck(payload: Buffer): boolean;
  /** `error` is NO_ERROR where the frame says nothing wrong: then it means nothing at all. */
  onPriority(id: number, error: number): boolean;
  onGoAway(lastStream: number, code: number): boolean;
  onUnknownFrame(): boolean;
  /** A connection error; always false. */
  fail(error: number): false;
}

export class FrameDispatch implements FrameSink {
  readonly #events: FrameEvents;
  readonly #block: HeaderBlock;
  #settingsSeen = false;

  constructor(events: FrameEvents, block: HeaderBlock) {
    this.#events = events;
    this.#block = block;
  }

  onFrameFault(error: number): void {
    this.#events.fail(error);
  }

  onDataFrame(id: number, length: number, padding: number, endStream: boolean): boolean {
    if (id === 0 || !this.#mayCome(FrameType.DATA, id)) return this.#events.fail(Http2Error.PROTOCOL_ERROR);
    return this.#events.onDataBegin(id, length, padding, endStream);
  }

  onDataPiece(piece: Buffer, last: boolean): boolean {
    return this.#events.onDataPiece(piece, last);
  }

  onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (!this.#mayCome(type, id)) return this.#events.fail(Http2Error.PROTOCOL_ERROR);
    switch (type) {
      case FrameType.HEADERS:
        return this.#onHeaders(flags, id, bytes, start, end);
      case FrameType.CONTINUATION:
        return this.#onContinuation(flags, id, bytes, start, end);
      case FrameType.WINDOW_UPDATE:
        if (end - start !== NUMBER_BYTES) return this.#events.fail(Http2Error.FRAME_SIZE_ERROR);
        return this.#events.onWindowUpdate(id, readUint31(bytes, start));
      case FrameType.RST_STREAM:
        if (end - start !== NUMBER_BYTES) return this.#events.fail(Http2Error.FRAME_SIZE_ERROR);
        return id === 0 ? this.#events.fail(Http2Error.PROTOCOL_ERROR)
          : this.#events.onReset(id, readUint32(bytes, start));
      case FrameType.PRIORITY:
        return this.#onPriority(id, bytes, start, end);
      case FrameType.PUSH_PROMISE:
        // Clients may not, and servers were told not to (S31).
        return this.#events.fail(Http2Error.PROTOCOL_ERROR);
      case FrameType.SETTINGS:
      case FrameType.PING:
      case FrameType.GOAWAY:
        return id === 0 ? this.#onConnectionFrame(type, flags, bytes, start, end)
          : this.#events.fail(Http2Error.PROTOCOL_ERROR);
      default:
        return this.#events.onUnknownFrame();
    }
  }

  /** The first frame is SETTINGS, and a header block lets nothing come in between. */
  #mayCome(type: number, id: number): boolean {
    if (!this.#settingsSeen && type !== FrameType.SETTINGS) return false;
    if (this.#block.open) return type === FrameType.CONTINUATION && id === this.#block.stream;
    return type !== FrameType.CONTINUATION;
  }

  #onHeaders(flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (id === 0) return this.#events.fail(Http2Error.PROTOCOL_ERROR);
    let from = start;
    let to = end;
    if ((flags & FrameFlag.PADDED) !== 0) {
      if (from === to) return this.#events.fail(Http2Error.FRAME_SIZE_ERROR);
      to -= bytes[from]!;
      from++;
    }
    let dependsOnItself = false;
    if ((flags & FrameFlag.PRIORITY) !== 0) {
      if (to - from < PRIORITY_BYTES) return this.#events.fail(Http2Error.PROTOCOL_ERROR);
      dependsOnItself = readUint31(bytes, from) === id;
      from += PRIORITY_BYTES;
    }
    if (from > to) return this.#events.fail(Http2Error.PROTOCOL_ERROR);
    const endStream = (flags & FrameFlag.END_STREAM) !== 0;
    if ((flags & FrameFlag.END_HEADERS) !== 0) {
      return this.#events.onHeaderBlock(id, bytes, from, to, endStream, dependsOnItself);
    }
    this.#block.begin(id, endStream, dependsOnItself);
    return this.#gather(bytes, from, to);
  }

  #onContinuation(flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (!this.#gather(bytes, start, end)) return false;
    if ((flags & FrameFlag.END_HEADERS) === 0) return true;
    const { endStream, dependsOnItself } = this.#block;
    const block = this.#block.take();
    return this.#events.onHeaderBlock(id, block, 0, block.length, endStream, dependsOnItself);
  }

  #gather(bytes: Buffer, start: number, end: number): boolean {
    return this.#block.add(bytes, start, end) || this.#events.fail(Http2Error.ENHANCE_YOUR_CALM);
  }

  #onPriority(id: number, bytes: Buffer, start: number, end: number): boolean {
    if (id === 0) return this.#events.fail(Http2Error.PROTOCOL_ERROR);
    if (end - start !== PRIORITY_BYTES) return this.#events.onPriority(id, Http2Error.FRAME_SIZE_ERROR);
    const error = readUint31(bytes, start) === id ? Http2Error.PROTOCOL_ERROR : Http2Error.NO_ERROR;
    return this.#events.onPriority(id, error);
  }

  #onConnectionFrame(type: number, flags: number, bytes: Buffer, start: number, end: number): boolean {
    const events = this.#events;
    const ack = (flags & FrameFlag.ACK) !== 0;
    const length = end - start;
    if (type === FrameType.GOAWAY) {
      if (length < GOAWAY_BYTES) return events.fail(Http2Error.FRAME_SIZE_ERROR);
      return events.onGoAway(readUint31(bytes, start), readUint32(bytes, start + 4));
    }
    if (type === FrameType.PING) {
      if (length !== PING_BYTES) return events.fail(Http2Error.FRAME_SIZE_ERROR);
      const payload = bytes.subarray(start, end);
      return ack ? events.onPingAck(payload) : events.onPing(payload);
    }
    if (ack ? length > 0 : length % SETTING_BYTES !== 0) return events.fail(Http2Error.FRAME_SIZE_ERROR);
    if (ack && !this.#settingsSeen) return events.fail(Http2Error.PROTOCOL_ERROR);
    this.#settingsSeen = true;
    return ack ? events.onSettingsAck() : events.onSettings(bytes, start, end);
  }
}
