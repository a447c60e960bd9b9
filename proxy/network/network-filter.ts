// What a listener hands a connection to: the terminal network filter of the chain that matched.
import type { Transport } from '../base/transport.ts';
import type { ResponseFlag } from '../telemetry/response-flag.ts';
import type { ConnectionInfo } from '../telemetry/stream-info.ts';

/** One downstream connection in the care of a network filter. */
export interface NetworkConnection {
  /** Finishes what is in flight, tells the peer not to send more, then closes. */
  drain(): void;
  /**
   * Closes at once. Where a filter refused it, `reason` is a word for the log (%CONNECTION_TERMINATION_DETAILS%), and
   * `bytes` are those of the client that went no further.
   */
  destroy(reason?: string, bytes?: number): void;
}

/** One whose client may turn out to speak what another filter is for. */
export interface EarlyConnection extends NetworkConnection {
  /** Asks for upstream; said once, when its owner is ready to hear of it. */
  connect(): void;
  /** Said once: it is this filter's, or it ends as if it had never been. */
  settle(isKept: boolean): void;
}

/** A compiled terminal filter (HTTP connection manager, TCP proxy), shared by all connections of its chain. */
export interface NetworkFilter {
  readonly name: string;
  /** Takes the connection over; `onClose` is called once when it is gone. */
  accept(
    transport: Transport, info: ConnectionInfo, onClose: (connection: NetworkConnection) => void,
  ): NetworkConnection;
  /**
   * As `accept`, where nobody knows yet what the client speaks: nothing is counted or logged before it is settled.
   * Undefined: it cannot be begun. Absent: it needs the client's first bytes.
   */
  acceptEarly?(
    transport: Transport, info: ConnectionInfo, onClose: (connection: NetworkConnection) => void,
  ): EarlyConnection | undefined;
  /** A filter before it ends a connection: it is counted all the same, as in Envoy. */
  onRefused?(info: ConnectionInfo, flag: ResponseFlag | undefined): void;
}

/** A compiled terminal filter with the names of what it still waits for (its route table). */
export interface PreparedFilter {
  readonly filter: NetworkFilter;
  missing(): readonly string[];
}
