// Header changes of a request's levels (chosen cluster, route, virtual host, table), in their order.
import type { Headers } from '../http/headers.ts';
import type { RequestHead } from '../http/message.ts';
import type { ClusterChoice, HeaderOperations, RouteEntry } from '../route/route-entry.ts';
import { isGrpc } from '../telemetry/grpc-status.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';

/** The chosen cluster's own changes come first, then its host, which the route's levels see already. As in Envoy. */
export function changeRequest(route: RouteEntry, choice: ClusterChoice, request: RequestHead, info: StreamInfo): void {
  if (choice.requestHeaders !== undefined) changeAt(choice.requestHeaders, request, info);
  if (choice.authority !== undefined) request.authority = choice.authority;
  for (const level of route.requestHeaders) changeAt(level, request, info);
}

/** Replies of our own are made for the type that the request came with. */
function changeAt(level: HeaderOperations, request: RequestHead, info: StreamInfo): void {
  if (level.retypes) info.grpc ??= isGrpc(request);
  level.apply(request.headers, info);
}

/** As changeRequest, of a response; without a choice where no cluster was chosen. */
export function changeResponseHeaders(
  route: RouteEntry, choice: ClusterChoice | undefined, headers: Headers, info: StreamInfo,
): void {
  choice?.responseHeaders?.apply(headers, info);
  for (const level of route.responseHeaders) level.apply(headers, info);
}
