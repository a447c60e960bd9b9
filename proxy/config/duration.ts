// Durations of the configuration: protobuf's JSON form (`1.5s`) to milliseconds and back. Free of the schema library.

/** Bound of google.protobuf.Duration: about 10,000 years (S97). */
export const DURATION_SECONDS_MAX = 315_576_000_000;

/** Milliseconds of `1.5s`, nanoseconds as a fraction; undefined when malformed, negative or out of bounds. */
export function durationMs(text: string): number | undefined {
  const match = /^([0-9]{1,12})(?:\.([0-9]{1,9}))?s$/.exec(text);
  if (match === null) return undefined;
  const seconds = Number(match[1]);
  const nanos = Number((match[2] ?? '').padEnd(9, '0'));
  if (seconds > DURATION_SECONDS_MAX || (seconds === DURATION_SECONDS_MAX && nanos > 0)) return undefined;
  return seconds * 1000 + nanos / 1e6;
}

/** Milliseconds of a validated duration, or the fallback where the field is absent. */
export function msOr(text: string | undefined, fallbackMs: number): number {
  return text === undefined ? fallbackMs : (durationMs(text) ?? fallbackMs);
}

/** `1.5s` of 1500; exact to the nanosecond up to 104 days. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const nanos = Math.round((ms - seconds * 1000) * 1e6);
  if (nanos === 0) return `${seconds}s`;
  if (nanos >= 1e9) return `${seconds + 1}s`;
  return `${seconds}.${String(nanos).padStart(9, '0').replace(/0+$/, '')}s`;
}
