// What a command operator of a format string is, before and after it is compiled.
import type { TextOrigin } from './line-text.ts';
import type { StreamInfo } from './stream-info.ts';

/** Reads one value of a finished (or running) request; undefined where Envoy prints `-`. */
export type ReadValue = (info: StreamInfo) => string | number | undefined;

/** A compiled operator. `origin` says how its text is made safe. */
export interface Operator {
  readonly read: ReadValue;
  /** Its JSON value, for JSON formats, where that may be more than a text or a number. */
  readonly readJson?: (info: StreamInfo) => unknown;
  readonly origin: TextOrigin;
}

/** How an operator takes its parentheses: not at all, perhaps, or always; and whether `:Z` may cut it. */
export interface OperatorSpec {
  readonly args: 'none' | 'optional' | 'required';
  readonly cut: boolean;
  readonly compile: (args: string, path: string) => Operator;
}
