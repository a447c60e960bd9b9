// The two variants of the xDS protocol behind one interface: only how requests and responses are worded differs.
import type { ResourceType } from '../config/any-registry.ts';
import type { DiscoveryNode, RpcStatus } from '../config/discovery.ts';
import type { Subscription } from './subscription.ts';

/** One resource as it came; `name` is undefined where only the resource itself says it. */
export interface IncomingResource {
  readonly name: string | undefined;
  readonly version: string;
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** One response, whichever variant brought it. */
export interface IncomingResponse {
  readonly type: ResourceType;
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly IncomingResource[];
  readonly removed: readonly string[];
  /** It lists all there are: what is held and not listed is gone. */
  readonly complete: boolean;
}

/** One stream's wording; made anew for each stream, because nonces are the stream's. */
export interface Variant {
  /** Undefined for a type that weft does not take; throws for bytes that are no response. */
  read(bytes: Buffer, isWildcard: (type: ResourceType) => boolean): IncomingResponse | undefined;
  /** The first request for a type on this stream; `node` in the first of all. */
  first(subscription: Subscription, node: DiscoveryNode | undefined): Buffer;
  /** Names were added or removed. */
  change(subscription: Subscription, added: readonly string[], removed: readonly string[]): Buffer;
  /** ACK, or NACK with an error. */
  answer(subscription: Subscription, response: IncomingResponse, error: RpcStatus | undefined): Buffer;
}
