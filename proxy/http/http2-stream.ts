// One stream of an HTTP/2 connection, as both sides have it: windows, what waits to be sent, which ends are open.
import type { Waiting, WaitingLine } from '../base/waiting-line.ts';
import type { Headers } from './headers.ts';
import { ReceiveWindow } from './http2-receive-window.ts';

/** What a stream asks of its connection. */
export interface Http2StreamOwner {
  sendData(stream: Http2Stream, chunk: Buffer, endStream: boolean): boolean;
  sendTrailers(stream: Http2Stream, trailers: Headers): void;
  /** Ends the stream at once, and says so to the peer. */
  resetStream(stream: Http2Stream, error: number): void;
  /** Bytes that were taken while the stream was paused have room again. */
  creditHeld(stream: Http2Stream): void;
}

export abstract class Http2Stream implements Waiting<Http2Stream> {
  /** 0 until a client's stream has sent its head. */
  id: number;
  readonly window: ReceiveWindow;
  protected readonly owner: Http2StreamOwner;
  sendWindow: number;
  /** The peer has ended its side; this side has sent its end. */
  remoteEnded = false;
  localEnded = false;
  /** Its user has heard the last of it, or has given it up: nothing is told or sent any more. */
  over = false;
  paused = false;
  /** Bytes that came while it was paused: nobody gets credit for them yet. */
  heldBytes = 0;
  /** Declared length of the body that is still to come; -1 when none was declared. */
  bodyLeft = -1;
  /** Told to hold back, and waits to hear of room. */
  waits = false;
  /** What the windows don't let out; `queueOffset` bytes of the first chunk are sent. */
  queue: Buffer[] | undefined = undefined;
  queueOffset = 0;
  queueEnd = false;
  queueTrailers: Headers | undefined = undefined;
  /** How often the flush deadline has seen it wait since it last sent anything. */
  stalledLooks = 0;
  /** Its place among those that wait; the line's own. */
  line: WaitingLine<Http2Stream> | undefined = undefined;
  before: Http2Stream | undefined = undefined;
  behind: Http2Stream | undefined = undefined;

  constructor(id: number, owner: Http2StreamOwner, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.owner = owner;
    this.sendWindow = sendWindow;
    this.window = new ReceiveWindow(receiveWindow);
  }

  /** Nothing of an earlier call waits. */
  get queueEmpty(): boolean {
    return this.queue === undefined && this.queueTrailers === undefined && !this.queueEnd;
  }

  pauseBody(): void {
    if (!this.over && !this.remoteEnded) this.paused = true;
  }

  resumeBody(): void {
    if (!this.paused) return;
    this.paused = false;
    if (!this.over) this.owner.creditHeld(this);
  }

  /** Bytes of the body; false when there are more or fewer of them than were declared (S28). */
  countBody(bytes: number, end: boolean): boolean {
    if (this.bodyLeft === -1) return true;
    this.bodyLeft -= bytes;
    return this.bodyLeft >= 0 && (!end || this.bodyLeft === 0);
  }

  abstract onData(chunk: Buffer, endStream: boolean): void;
  abstract onTrailers(trailers: Headers): void;
  /** There is room for more to send. */
  abstract onSendRoom(): void;
  // The last that it hears is one of these.
  /** RST_STREAM came, with this error code. */
  abstract onPeerReset(code: number): void;
  /** The peer broke a rule, on the stream or the connection; `code` is what it is told. */
  abstract onFault(code: number): void;
  abstract onLost(cause: unknown): void;
  /** The peer gave no window for too long. */
  abstract onStalled(): void;
}
