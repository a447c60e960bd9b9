// Limits of HTTP/1.1 messages (limits.md row 1, threats.md S14) and their defaults.

/** Bytes and counts; a head over a limit is refused whole, never cut (S15). */
export interface Http1Limits {
  /** Whole head with its last empty line. */
  readonly headBytesMax: number;
  readonly headerCountMax: number;
  /** Request line. */
  readonly requestLineBytesMax: number;
  /** One header field. */
  readonly headerLineBytesMax: number;
}

export const HTTP1_LIMITS: Http1Limits = {
  headBytesMax: 60 * 1024,
  headerCountMax: 100,
  requestLineBytesMax: 8 * 1024,
  headerLineBytesMax: 8 * 1024,
};

/** Chunk extensions are read over and never passed on (S07). */
export const CHUNK_LINE_BYTES_MAX = 256;
export const CHUNK_EXTENSIONS_BYTES_MAX = 4096;
/** Interim responses of one exchange (S18). */
export const INFORMATIONAL_MAX = 16;
