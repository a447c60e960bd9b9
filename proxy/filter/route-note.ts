// What a request and its record are told of the route that matched.
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { ClusterChoice, RouteEntry } from '../route/route-entry.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { LocalReply } from './filter.ts';
import { changeResponseHeaders } from './header-levels.ts';

/** Which way a proxy that traces passes requests; undefined where it does not trace. */
export type TracedWay = 'outbound' | 'inbound' | undefined;

const OPERATION = 'x-envoy-decorator-operation';

/**
 * The route's decorator names the span here, and, unless it is told not to, at the next proxy outbound, or at the one
 * before inbound where that has not said a name: its own goes before, and no further, as in Envoy.
 */
export function noteRoute(
  route: RouteEntry | undefined, { headers }: RequestHead, info: StreamInfo, way: TracedWay,
): void {
  info.routeName = route?.name ?? '';
  info.virtualHostName = route?.virtualHostName ?? '';
  info.operation = route?.operation ?? '';
  if (way === undefined) return;
  const told = route?.propagateOperation === true ? info.operation : '';
  if (way === 'inbound') {
    takeOperation(headers, info);
    info.operationToTell = info.spanName === '' ? told : '';
  } else if (told !== '') {
    headers.set(OPERATION, told);
  }
}

/** The same for a response, of this proxy's own too. */
export function noteResponse({ headers }: ResponseHead, info: StreamInfo, way: TracedWay): void {
  if (way === 'outbound') takeOperation(headers, info);
  else if (info.operationToTell !== '') headers.set(OPERATION, info.operationToTell);
}

function takeOperation(headers: Headers, info: StreamInfo): void {
  const name = headers.get(OPERATION);
  if (name === undefined) return;
  if (name !== '') info.spanName = name;
  headers.remove(OPERATION);
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

/** Not where the answer comes before the request is whole, as in Envoy. */
export function tellServiceTime(headers: Headers, ms: number): void {
  headers.set('x-envoy-upstream-service-time', String(Math.max(0, Math.round(ms))));
}
