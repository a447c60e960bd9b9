// Asks an authorization service about one request, by gRPC or by plain HTTP.
import { ProxyError } from '../base/error.ts';
import { Headers } from '../http/headers.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import type { AuthAnswer } from './ext-authz-answer.ts';
import type { CheckFacts } from './ext-authz-facts.ts';
import { answerOfHttp, checkHead } from './ext-authz-http.ts';
import { decodeCheck, encodeCheck } from './ext-authz-messages.ts';
import type { ExtAuthzSettings, GrpcTarget, HttpTarget } from './ext-authz-settings.ts';
import type { FilterStream } from './filter.ts';
import { GrpcCall } from './grpc-call.ts';
import { HttpCall } from './http-call.ts';

/** A call under way; nothing is heard of it after. */
export interface RunningCheck {
  cancel(): void;
}

/** Hears one answer, maybe before `startCheck` returns; undefined where there is none. */
export type OnAnswer = (answer: AuthAnswer | undefined) => void;

/** Undefined: there is nobody to ask, or no way to ask. */
export function startCheck(
  settings: ExtAuthzSettings, clusters: ClusterSet, stream: FilterStream, facts: CheckFacts, onAnswer: OnAnswer,
): RunningCheck | undefined {
  const { target } = settings;
  return target.kind === 'grpc' ? startGrpc(target, settings, clusters, stream, facts, onAnswer)
    : startHttp(target, clusters, stream, facts, onAnswer);
}

function startGrpc(
  target: GrpcTarget, settings: ExtAuthzSettings, clusters: ClusterSet, stream: FilterStream, facts: CheckFacts,
  onAnswer: OnAnswer,
): RunningCheck | undefined {
  const cluster = clusters.get(target.cluster);
  if (cluster === undefined) return undefined;
  const headers = new Headers();
  target.metadata?.apply(headers, stream.info);
  const call = new GrpcCall(cluster, target, stream.timers, {
    onCallDone: (answer) => onAnswer(answer instanceof ProxyError ? undefined : decodeCheck(answer)),
  });
  call.start(target, headers, encodeCheck(stream.request, stream.info, facts, settings));
  return call;
}

function startHttp(
  target: HttpTarget, clusters: ClusterSet, stream: FilterStream, facts: CheckFacts, onAnswer: OnAnswer,
): RunningCheck | undefined {
  const cluster = clusters.get(target.cluster);
  // A CONNECT to the service would be a tunnel to it (S72).
  if (cluster === undefined || stream.request.method === 'CONNECT') return undefined;
  const call = new HttpCall(cluster, target.timeoutMs, stream.timers, {
    onCallDone: (answer) => onAnswer(answer instanceof ProxyError ? undefined : answerOfHttp(answer, target)),
  });
  const body = facts.body?.length === 0 ? undefined : facts.body;
  call.start(checkHead(target, facts, stream.info), body);
  return call;
}
