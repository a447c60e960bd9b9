// Read buffers that are lent: whoever gets the bytes has them for the call, and says so if they are to stay.
// Large reads would else need a fresh buffer each, and a collection of garbage for every few dozen of them.

/**
 * The size of a read: what a segment carries on loopback, whose MTU is 64 KiB, less the heads of IP and of TCP with
 * timestamps. A read of 64 KiB would take a whole segment and a bit of the next one, and leave again as two.
 */
export const READ_BYTES = 65_483;
/** For connections that fill their reads: two thirds of the cost for each byte. */
const LARGE_BYTES = 2 * READ_BYTES;
/** Buffers that a worker keeps for the next who read much: 4 MiB. */
const SPARE_MAX = 64;
/** Large buffers of a worker, in use or spare: 8 MiB. A client that stalls has one for as long. */
const LARGE_MAX = 64;

/** A buffer and those who still have bytes of it. */
export class ReadBuffer {
  readonly bytes: Buffer;
  /** Writes of its bytes that wait for the kernel. */
  holders = 0;
  /** Somebody has bytes of it for good: it never serves again. */
  kept = false;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  get large(): boolean {
    return this.bytes.length === LARGE_BYTES;
  }

  keep(): void {
    if (!this.kept && this.large) largeCount--;
    this.kept = true;
  }
}

const spare: ReadBuffer[] = [];
const spareLarge: ReadBuffer[] = [];
let largeCount = 0;
let lent: ReadBuffer | undefined;

export function takeReadBuffer(): ReadBuffer {
  return spare.pop() ?? new ReadBuffer(READ_BYTES);
}

/** Undefined: enough of them are in use. */
export function takeLargeBuffer(): ReadBuffer | undefined {
  const free = spareLarge.pop();
  if (free !== undefined || largeCount === LARGE_MAX) return free;
  largeCount++;
  return new ReadBuffer(LARGE_BYTES);
}

/** Nobody has any of its bytes any more. */
export function giveReadBuffer(buffer: ReadBuffer): void {
  if (buffer.large) spareLarge.push(buffer);
  else if (spare.length < SPARE_MAX) spare.push(buffer);
}

/** Lends a buffer until `endLending`. Where another one is lent at this moment, it is given away. */
export function lend(buffer: ReadBuffer): void {
  if (lent === undefined) lent = buffer;
  else buffer.keep();
}

/** Whether nobody has bytes of it. Otherwise the last holder gives it back, unless it was kept. */
export function endLending(buffer: ReadBuffer): boolean {
  if (lent === buffer) lent = undefined;
  return buffer.holders === 0 && !buffer.kept;
}

/** For bytes that outlive the call which brought them: returns them, theirs from now on. */
export function keep(chunk: Buffer): Buffer {
  if (lent !== undefined && chunk.buffer === lent.bytes.buffer) lent.keep();
  return chunk;
}

/** For bytes that outlive the call until `release` of what this returns; undefined: they are nobody else's. */
export function hold(chunk: Buffer): ReadBuffer | undefined {
  if (lent === undefined || chunk.buffer !== lent.bytes.buffer) return undefined;
  lent.holders++;
  return lent;
}

export function release(buffer: ReadBuffer): void {
  if (--buffer.holders === 0 && !buffer.kept && buffer !== lent) giveReadBuffer(buffer);
}
