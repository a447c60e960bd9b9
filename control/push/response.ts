// The words of one response: as much of a difference as fits into a message that every gRPC client takes.
import type { DeltaDiscoveryResponse, DeltaResource } from '../../proxy/config/discovery.ts';
import type { ResourcesByName, SnapshotResource } from './snapshot.ts';
import type { Outstanding } from './subscription.ts';

/** gRPC clients take 4 MiB by default; what doesn't fit follows when this is answered. One resource is never cut. */
const RESPONSE_BYTES_MAX = 3 * 1024 * 1024;
const REMOVED_MAX = 20_000;

export interface ResponseInput {
  readonly type: string;
  readonly nonce: string;
  /** All of the type in the snapshot, for the version of the whole. */
  readonly resources: ResourcesByName;
  readonly updated: readonly SnapshotResource[];
  readonly removed: readonly string[];
  /** It must not be cut. */
  readonly isWhole: boolean;
  readonly sentMs: number;
}

export function makeResponse(input: ResponseInput): { response: DeltaDiscoveryResponse; outstanding: Outstanding } {
  const { type, nonce, resources, updated, isWhole, sentMs } = input;
  const parts: DeltaResource[] = [];
  const sent = new Map<string, string>();
  let bytes = 0;
  for (const { name, version, any } of updated) {
    bytes += any.value.length + name.length + version.length;
    if (bytes > RESPONSE_BYTES_MAX && parts.length > 0 && !isWhole) break;
    parts.push({ name, version, resource: any });
    sent.set(name, version);
  }
  const removed = isWhole ? input.removed : input.removed.slice(0, REMOVED_MAX);
  const version = versionOf(resources);
  return {
    response: { typeUrl: type, nonce, systemVersionInfo: version, resources: parts, removedResources: removed },
    outstanding: { nonce, version, sent, removed, sentMs },
  };
}

/** One version for all resources of a type: equal for equal content, in whatever order it comes. */
function versionOf(resources: ResourcesByName): string {
  let [high, low] = [resources.size, 0];
  for (const { mark } of resources.values()) {
    high ^= mark[0];
    low ^= mark[1];
  }
  return hexOf(high) + hexOf(low);
}

function hexOf(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
