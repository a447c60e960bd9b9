// Read buffers that are lent: whoever gets the bytes has them for the call, and says so if they are to stay.
// Large reads would else need a fresh buffer each, and a collection of garbage for every few dozen of them.

/** The size of a read (design.md section 6). */
export const READ_BYTES = 64 * 1024;
/** Buffers that a worker keeps for the next who read much: 4 MiB. */
const SPARE_MAX = 64;

const spare: Buffer[] = [];
let lent: ArrayBufferLike | undefined;
let kept = false;

export function takeReadBuffer(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
}

/** Nobody has any of its bytes any more. */
export function giveReadBuffer(buffer: Buffer): void {
  if (spare.length < SPARE_MAX) spare.push(buffer);
}

/** Lends a buffer until `endLending`. False: another one is lent at this moment, and this must be given away. */
export function lend(buffer: Buffer): boolean {
  if (lent !== undefined) return false;
  lent = buffer.buffer;
  kept = false;
  return true;
}

/** Whether somebody keeps bytes of what was lent. */
export function endLending(): boolean {
  lent = undefined;
  return kept;
}

/** For bytes that outlive the call which brought them: returns them, theirs from now on. */
export function keep(chunk: Buffer): Buffer {
  if (chunk.buffer === lent) kept = true;
  return chunk;
}
