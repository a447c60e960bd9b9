// Where a request goes and how: what the router decided before the first try.
import type { RequestTimes } from '../route/request-times.ts';
import type { RetryPolicy } from '../route/retry-policy.ts';
import type { ClusterChoice, ForwardAction, RouteEntry } from '../route/route-entry.ts';
import type { Cluster, PickWishes } from '../upstream/upstream.ts';
import type { RedirectFollower } from './internal-redirect.ts';
import type { MirrorTarget } from './mirrored-request.ts';

export interface Routing {
  readonly cluster: Cluster;
  readonly route: RouteEntry;
  readonly action: ForwardAction;
  readonly choice: ClusterChoice;
  /** The action's timeouts and retries, or what the request's x-envoy headers ask for instead. */
  readonly times: RequestTimes;
  readonly retry: RetryPolicy | undefined;
  /** What it asks of its endpoint, and a set-cookie value for what it is hashed by from now on. */
  readonly wishes: PickWishes | undefined;
  readonly hashCookie: string | undefined;
  /** Follows redirects, where the action says so. */
  readonly redirects: RedirectFollower;
  /** No x-envoy headers of our own. */
  readonly quiet: boolean;
  /** Who gets copies. */
  readonly mirrors: readonly MirrorTarget[];
}
