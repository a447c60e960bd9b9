// What ring hash and maglev have in common: each endpoint's key, and its share of the whole.
import type { Endpoint } from '../upstream.ts';

/** Endpoints with the text that is hashed for them, and shares that add up to 1. */
export interface HashedEndpoint {
  readonly endpoint: Endpoint;
  readonly key: string;
  readonly share: number;
}

/** An endpoint whose share is 0 is left out, unless all are: then each has the same. */
export function hashedEndpoints(
  endpoints: readonly Endpoint[], byHostname: boolean, shares: readonly number[] | undefined,
): HashedEndpoint[] {
  const weights = shares ?? endpoints.map(({ weight }) => weight);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum === 0) return hashedEndpoints(endpoints, byHostname, endpoints.map(() => 1));
  return endpoints
    .map((endpoint, i) => ({ endpoint, key: keyOf(endpoint, byHostname), share: weights[i]! / sum }))
    .filter(({ share }) => share > 0);
}

/** Envoy's order: the endpoint's own key, its host name where asked for, its address. */
function keyOf({ hashKey, hostname, address }: Endpoint, byHostname: boolean): string {
  return hashKey ?? (byHostname ? hostname : undefined) ?? address;
}
