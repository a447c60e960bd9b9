// Envoy's words for what is retried, and the bits that they become.
import { RetryOn } from './retry-policy.ts';

/** Words about HTTP and connections: retry_on and x-envoy-retry-on. */
const HTTP_WORDS: ReadonlyMap<string, number> = new Map<string, number>([
  ['5xx', RetryOn.serverError],
  ['gateway-error', RetryOn.gatewayError],
  ['reset', RetryOn.reset],
  ['reset-before-request', RetryOn.resetBeforeRequest],
  ['connect-failure', RetryOn.connectFailure],
  ['envoy-ratelimited', RetryOn.envoyRatelimited],
  ['retriable-4xx', RetryOn.retriable4xx],
  ['refused-stream', RetryOn.refusedStream],
  ['retriable-status-codes', RetryOn.retriableStatusCodes],
  ['retriable-headers', RetryOn.retriableHeaders],
  // A word of HTTP/3, which never happens here.
  ['http3-post-connect-failure', 0],
]);

/** Words about gRPC: retry_on and x-envoy-retry-grpc-on. */
const GRPC_WORDS: ReadonlyMap<string, number> = new Map<string, number>([
  ['cancelled', RetryOn.grpcCancelled],
  ['deadline-exceeded', RetryOn.grpcDeadlineExceeded],
  ['internal', RetryOn.grpcInternal],
  ['resource-exhausted', RetryOn.grpcResourceExhausted],
  ['unavailable', RetryOn.grpcUnavailable],
]);

/** gRPC status numbers and the word that retries each. */
export const GRPC_RETRIES: ReadonlyMap<string, number> = new Map<string, number>([
  ['1', RetryOn.grpcCancelled],
  ['4', RetryOn.grpcDeadlineExceeded],
  ['8', RetryOn.grpcResourceExhausted],
  ['13', RetryOn.grpcInternal],
  ['14', RetryOn.grpcUnavailable],
]);

/** All words of a configuration's retry_on. `unknown` is the first that is none. */
export function parseRetryOn(text: string): { bits: number; unknown: string | undefined } {
  let bits = 0;
  for (const part of text.split(',')) {
    const word = part.trim();
    if (word === '') continue;
    const bit = HTTP_WORDS.get(word) ?? GRPC_WORDS.get(word);
    if (bit === undefined) return { bits, unknown: word };
    bits |= bit;
  }
  return { bits, unknown: undefined };
}

/** Words of a request header, of which unknown ones are ignored, as in Envoy. */
export function retryOnOfHeader(text: string, grpc: boolean): number {
  const words = grpc ? GRPC_WORDS : HTTP_WORDS;
  let bits = 0;
  for (const part of text.split(',')) bits |= words.get(part.trim()) ?? 0;
  return bits;
}
