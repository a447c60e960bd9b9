// What `weft status` and GET /api/status show; plain JSON.
import type { ConfigStatus, RefusedFileStatus } from './mesh-state.ts';
import type { ProxyReceipt } from './push/receipts.ts';
import type { TraceCounts } from './traces/trace-store.ts';

export interface ControlStatus {
  readonly proxies: readonly ProxyReceipt[];
  readonly config: ConfigStatus;
  readonly refusedFiles: readonly RefusedFileStatus[];
  readonly traces: TraceCounts & { readonly kept: number };
}
