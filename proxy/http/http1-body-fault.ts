// Why a body is refused: its chunks, their extensions, its trailers (S05-S08, S14, S16).
import { Scan } from './http1-head-scanner.ts';

/** A body decoder's answers in place of an index; all are negative. */
export const BodyFault = {
  CHUNK: -1,
  EXTENSIONS: -2,
  TRAILERS: -3,
  TRAILER_LINE: -4,
  TRAILERS_LARGE: -5,
  TRAILERS_MANY: -6,
  UNDERSCORE: -7,
} as const;

/** The detail of the response, or of the upstream's failure. */
export function bodyFaultDetail(fault: number): string {
  switch (fault) {
    case BodyFault.EXTENSIONS:
      return 'http1.chunk_extensions_too_large';
    case BodyFault.TRAILERS:
      return 'http1.invalid_trailers';
    case BodyFault.TRAILER_LINE:
      return 'http1.trailer_line_too_long';
    case BodyFault.TRAILERS_LARGE:
      return 'http1.trailers_too_large';
    case BodyFault.TRAILERS_MANY:
      return 'http1.too_many_trailers';
    case BodyFault.UNDERSCORE:
      return 'http1.unexpected_underscore';
    default:
      return 'http1.invalid_chunk';
  }
}

/** What the refusal of a trailer section's scan means. */
export function trailerFault(scan: number): number {
  switch (scan) {
    case Scan.LINE_LONG:
      return BodyFault.TRAILER_LINE;
    case Scan.TOO_LARGE:
      return BodyFault.TRAILERS_LARGE;
    case Scan.TOO_MANY:
      return BodyFault.TRAILERS_MANY;
    default:
      return BodyFault.TRAILERS;
  }
}
