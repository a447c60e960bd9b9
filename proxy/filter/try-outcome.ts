// How a try went, as outlier detection and the figures of its endpoint and cluster judge it.
import { ProxyError } from '../base/error.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { grpcStatusOfText, httpStatusOfGrpc, isGrpc } from '../telemetry/grpc-status.ts';
import type { Outcome } from '../upstream/upstream.ts';

/** A gRPC call that failed at once says so in its head, and is judged as if HTTP had said it (outlier detection). */
export function outcomeOfHead({ status, headers }: ResponseHead, request: RequestHead): number {
  const grpc = headers.get('grpc-status');
  return grpc === undefined || !isGrpc(request) ? status : httpStatusOfGrpc(grpcStatusOfText(grpc));
}

/** What this machine lacked says nothing of an endpoint, and would put out of service all that it has. */
export function outcomeOf(error: ProxyError): Outcome {
  if (error.kind === 'local-connect-failure') return 'cancelled';
  if (error.kind === 'connect-failure' || error.kind === 'connect-timeout' || error.kind === 'upstream-tls') {
    return 'connect-failure';
  }
  return 'reset';
}

/** No endpoint may be used; `status` is the answer where a filter says another one than usual. */
export function noEndpoint(status?: number): ProxyError {
  const source = status === undefined ? 'upstream' : 'internal';
  return new ProxyError('no-healthy-upstream', source, 'no_healthy_upstream', 'never', status);
}

/** The status that a cluster's figures have for a request without a response. */
export function countedStatus({ kind, cause }: ProxyError): number {
  if (kind === 'upstream-timeout' || kind === 'per-try-timeout') return 504;
  return kind === 'no-healthy-upstream' && typeof cause === 'number' ? cause : 503;
}
