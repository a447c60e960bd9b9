// The last filter: turns the matched route into a redirect, a direct answer, or a request to an upstream cluster.
import { ProxyError } from '../base/error.ts';
import type { MetadataMatch } from '../base/metadata-match.ts';
import type { Hash64 } from '../base/xx-hash.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead } from '../http/message.ts';
import { planRetries, planTimes } from '../route/request-plan.ts';
import { tellTimes } from '../route/request-times.ts';
import type {
  ClusterChoice, DirectResponseAction, ForwardAction, RedirectAction, RouteEntry,
} from '../route/route-entry.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { Cluster, ClusterSet, PickWishes } from '../upstream/upstream.ts';
import type { BodyVerdict, FilterStream, HttpFilter, RoutedStream, Verdict } from './filter.ts';
import { changeRequest } from './header-levels.ts';
import type { MirrorTarget } from './mirrored-request.ts';
import type { RedirectFollower } from './internal-redirect.ts';
import { RoutedRequest } from './routed-request.ts';

/** Envoy's envoy.extensions.filters.http.router.v3.Router. */
export interface RouterOptions {
  /** No x-envoy-* headers of the router's own (suppress_envoy_headers). Default false. */
  readonly suppressEnvoyHeaders: boolean;
}

const NO_MIRRORS: readonly MirrorTarget[] = [];

export class RouterFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly borrows = true;
  readonly #clusters: ClusterSet;
  readonly #redirects: RedirectFollower;
  readonly #options: RouterOptions;

  constructor(name: string, clusters: ClusterSet, redirects: RedirectFollower, options: RouterOptions) {
    this.name = name;
    this.#clusters = clusters;
    this.#redirects = redirects;
    this.#options = options;
  }

  onRequestHead(filterStream: FilterStream, endStream: boolean): Verdict {
    // The chain hands the same object to all filters; only the router sees its other half.
    const stream = filterStream as RoutedStream;
    const route = stream.route;
    if (route === undefined) stream.failStream(new ProxyError('no-route', 'internal', 'route_not_found'));
    else if (route.action.kind === 'forward') this.#forward(stream, route, route.action, endStream);
    else answer(stream, route.action, this.#options.suppressEnvoyHeaders);
    return 'continue';
  }

  onRequestData(stream: FilterStream, chunk: Buffer, endStream: boolean): BodyVerdict {
    this.#requestOf(stream)?.sendData(chunk, endStream);
    return 'continue';
  }

  onRequestTrailers(stream: FilterStream, trailers: Headers): BodyVerdict {
    this.#requestOf(stream)?.sendTrailers(trailers);
    return 'continue';
  }

  onResponseDrain(stream: FilterStream): void {
    this.#requestOf(stream)?.resumeResponse();
  }

  onComplete(stream: FilterStream): void {
    this.#requestOf(stream)?.close();
  }

  #requestOf(stream: FilterStream): RoutedRequest | undefined {
    return stream.getState(this.index) as RoutedRequest | undefined;
  }

  #forward(stream: RoutedStream, route: RouteEntry, action: ForwardAction, endStream: boolean): void {
    const choice = stream.clusterChoice;
    const named = choice === undefined ? undefined : this.#clusters.get(choice.cluster);
    const cluster = action.highPriority ? named?.highPriority : named;
    if (choice === undefined || cluster === undefined) {
      const flags = flagBit('NC');
      stream.info.clusterName = '';
      stream.sendLocalReply({ status: action.clusterNotFoundStatus, body: '', detail: 'cluster_not_found', flags });
      return;
    }
    const request = this.#prepare(stream, route, action, choice, cluster);
    stream.setState(this.index, request);
    request.start(endStream);
  }

  #prepare(
    stream: RoutedStream, route: RouteEntry, action: ForwardAction, choice: ClusterChoice, cluster: Cluster,
  ): RoutedRequest {
    const { request, info } = stream;
    // Envoy hashes a request as it came, before headers are changed.
    const hashed = cluster.usesHash ? action.hashRequest?.(request, info) : undefined;
    const quiet = this.#options.suppressEnvoyHeaders;
    const times = planTimes(action, request);
    tellTimes(request.headers, times, 0, quiet);
    changeRequest(route, choice, request, info);
    const wishes = wishesOf(cluster, request, hashed?.hash, choice.metadataMatch, info);
    const retry = planRetries(action, request, times);
    action.rewrite?.(request, quiet, info);
    return new RoutedRequest(stream, {
      cluster, route, action, choice, times, retry, wishes, hashCookie: hashed?.setCookie, quiet,
      redirects: this.#redirects,
      mirrors: action.mirrors.length === 0 ? NO_MIRRORS : this.#mirrorsOf(stream, action),
    });
  }

  /** Connections that became something else cannot be copied, and clusters that are not there get nothing. */
  #mirrorsOf({ request, random }: RoutedStream, action: ForwardAction): readonly MirrorTarget[] {
    if (request.upgrade !== undefined || request.method === 'CONNECT') return NO_MIRRORS;
    const targets: MirrorTarget[] = [];
    for (const mirror of action.mirrors) {
      const name = mirror.clusterFor(request, random.float());
      const cluster = name === undefined ? undefined : this.#clusters.get(name);
      if (cluster !== undefined) targets.push({ cluster, mirror });
    }
    return targets;
  }
}

/** Undefined where there is nothing to ask. Envoy reads the address after the route's changes, hashes come before. */
function wishesOf(
  { originalDst }: Cluster, { headers }: RequestHead, hash: Hash64 | undefined,
  metadataMatch: MetadataMatch | undefined, { overrideHost: override, connection: arrivedAt }: StreamInfo,
): PickWishes | undefined {
  const header = originalDst?.header;
  const namedAddress = header === undefined ? undefined : headers.get(header);
  if (originalDst === undefined && (hash ?? metadataMatch ?? override) === undefined) return undefined;
  return { hash, metadataMatch, namedAddress, override, arrivedAt };
}

/** Redirects and direct responses never leave the proxy. */
function answer(stream: RoutedStream, action: RedirectAction | DirectResponseAction, quiet: boolean): void {
  const { status } = action;
  if (action.kind === 'direct') {
    stream.sendLocalReply({ status, body: action.body, detail: 'direct_response', flags: 0, ofRoute: true });
    return;
  }
  const { request } = stream;
  const location = action.locationFor(request, stream.info);
  // Header changes and logs see the path as it would be forwarded, as in Envoy.
  const path = action.rewrittenPath(request.path, stream.info);
  if (path !== undefined) {
    if (!quiet) request.headers.set('x-envoy-original-path', request.path);
    request.path = path;
  }
  const headers = [['location', location] as const];
  stream.sendLocalReply({ status, body: '', detail: 'direct_response', flags: 0, headers, ofRoute: true });
}
