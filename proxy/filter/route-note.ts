// What a request and its record are told of the route that matched.
import type { RequestHead } from '../http/message.ts';
import type { RouteEntry } from '../route/route-entry.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';

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
