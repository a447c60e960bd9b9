// Network filters before the last one of a chain: they let connections through, or end them.
import type { ResponseFlag } from '../telemetry/response-flag.ts';
import type { ConnectionInfo } from '../telemetry/stream-info.ts';

/** How a connection is refused. */
export interface Refused {
  /** Milliseconds after which it is closed. */
  readonly afterMs: number;
  /** Of its line in the log. */
  readonly flag: ResponseFlag | undefined;
}

/** One such filter, shared by all connections of its chain. Each method is for what it asks of a connection. */
export interface NetworkGate {
  readonly name: string;
  /** Before anybody reads; `undefined` lets it on to the next. */
  onConnection?(): Refused | undefined;
  /** onFirstBytes is asked before whatever else comes as well. */
  readonly judgesEveryRead?: boolean;
  /** Before its first bytes, or its end, reach the last filter: why it is closed instead (a word for the log). */
  onFirstBytes?(info: ConnectionInfo): string | undefined;
  /** Once for each connection that `onConnection` was asked about, when it is gone. */
  onClose?(): void;
}
