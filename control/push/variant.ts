// The two variants of the xDS protocol behind one interface: inside, everything is said as changes, as delta says it.
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse }
  from '../../proxy/config/discovery.ts';
import { CLUSTER_TYPE, LISTENER_TYPE, NAME_TABLE_TYPE } from '../../proxy/config/type-url.ts';

export type AnyRequest = DeltaDiscoveryRequest | DiscoveryRequest;
export type AnyResponse = DeltaDiscoveryResponse | DiscoveryResponse;

/** What naming nothing asks for all of. */
export const LISTED: ReadonlySet<string> = new Set([CLUSTER_TYPE, LISTENER_TYPE, NAME_TABLE_TYPE]);

/** One stream's wording; made anew for each stream, because nonces are the stream's. */
export interface Variant {
  /** What a request asks for, as changes; undefined: it is of no consequence. */
  read(request: AnyRequest): DeltaDiscoveryRequest | undefined;
  /** A response as it is sent; undefined: it has nothing that the proxy does not have. */
  word(response: DeltaDiscoveryResponse): AnyResponse | undefined;
  /** Responses of this type list all there are, and cannot be cut. */
  isWhole(type: string): boolean;
}

/** Incremental xDS: said as it is meant. */
export const DELTA_VARIANT: Variant = {
  read: (request) => request as DeltaDiscoveryRequest,
  word: (response) => response,
  isWhole: () => false,
};
