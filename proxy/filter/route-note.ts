// What a request and its record are told of the route that matched.
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { ClusterChoice, RouteEntry } from '../route/route-entry.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { LocalReply } from './filter.ts';
import { changeResponseHeaders } from './header-levels.ts';

/** The route's decorator names the span here, and at the next proxy where `propagates` unless it is told not to. */
export function noteRoute(
  route: RouteEntry | undefined, request: RequestHead, info: StreamInfo, propagates: boolean,
): void {
  info.routeName = route?.name ?? '';
  info.virtualHostName = route?.virtualHostName ?? '';
  info.operation = route?.operation ?? '';
  if (!propagates || route?.operation === undefined || !route.propagateOperation) return;
  request.headers.set('x-envoy-decorator-operation', route.operation);
}

/**
 * Header changes of a route and of the cluster that it chose, which may tell of the response as it came. Before them
 * clients are told how many tries there were where the virtual host says so, and there was one; and that a circuit
 * breaker turned the request away.
 */
export function changeResponse(
  route: RouteEntry, choice: ClusterChoice | undefined, head: ResponseHead, info: StreamInfo,
): void {
  info.response = head;
  if (route.attemptCountResponse && info.attempts > 0) head.headers.set('x-envoy-attempt-count', String(info.attempts));
  if (info.overloaded) head.headers.set('x-envoy-overloaded', 'true');
  changeResponseHeaders(route, choice, head.headers, info);
}

/** A reply of the proxy's own carries the header changes of the route that matched, as in Envoy. */
export function changeReply(
  route: RouteEntry | undefined, reply: LocalReply, choice: ClusterChoice | undefined, head: ResponseHead,
  info: StreamInfo,
): void {
  if (route === undefined || (reply.ofRoute !== true && route.action.kind !== 'forward')) return;
  changeResponse(route, choice, head, info);
}

/** A request that ends because another comes in its place; its record is of what it has become, as in Envoy. */
export function noteReplaced(info: StreamInfo, response: ResponseHead, request: RequestHead, route: RouteEntry): void {
  info.response = response;
  info.status = response.status;
  info.detail = 'internal_redirect';
  info.request = request;
  info.routeName = route.name;
  info.virtualHostName = route.virtualHostName;
}

/** The record of a request in the place of the one whose record is `before`. */
export function noteRequest(info: StreamInfo, before: StreamInfo, request: RequestHead): void {
  info.request = request;
  info.requestId = before.requestId;
  info.forwardedIp = before.forwardedIp;
  info.bytesReceived = before.bytesReceived;
}
