// Limits of one HTTP/1.1 message, and how exceeding each is answered.
import { LIMITS } from '../config/limits.ts';

/** Bounds of a head; each counts bytes as they stand on the wire, before anything is allocated for them (S14). */
export interface HeadLimits {
  /** Whole head with start line and line ends. */
  readonly headBytesMax: number;
  readonly headerCountMax: number;
  readonly startLineBytesMax: number;
  readonly headerLineBytesMax: number;
}

/** An operator who allows larger heads than the default means large single fields too. */
export function headLimits(headBytesMax: number, headerCountMax: number): HeadLimits {
  const raised = headBytesMax > LIMITS.headersBytesMax;
  return {
    headBytesMax,
    headerCountMax,
    startLineBytesMax: raised ? headBytesMax : LIMITS.requestLineBytesMax,
    headerLineBytesMax: raised ? headBytesMax : LIMITS.headerLineBytesMax,
  };
}
