// What `weft status` and GET /api/status show; plain JSON.
import type { ConfigStatus, RefusedFileStatus } from './mesh-state.ts';
import type { ProxyReceipt } from './push/receipts.ts';
import type { WatchStatus } from './source/source.ts';
import type { TraceCounts } from './traces/trace-store.ts';

export interface AuditStatus {
  readonly folder: string;
  /** Number of the latest line. */
  readonly sequence: number;
  readonly written: number;
  readonly dropped: number;
  readonly writeFailures: number;
}

export interface ControlStatus {
  readonly proxies: readonly ProxyReceipt[];
  readonly config: ConfigStatus;
  /** Of an API that is watched, resource by resource. */
  readonly watches?: readonly WatchStatus[];
  readonly refusedFiles: readonly RefusedFileStatus[];
  /** Absent where none is kept. */
  readonly audit?: AuditStatus;
  readonly traces: TraceCounts & { readonly kept: number };
}
