// Whether and where a request is copied to, and under which host (RouteAction.RequestMirrorPolicy).
import { ConfigError } from '../base/error.ts';
import { localIp } from '../base/local-ip.ts';
import type { RequestMirrorPolicy } from '../config/request-mirror.ts';
import { RequestHead } from '../http/message.ts';
import { fractionOf } from './fraction.ts';
import { readHeader } from './header-reader.ts';

const SUFFIX = '-shadow';

export class RequestMirror {
  readonly #cluster: string;
  readonly #clusterHeader: string;
  readonly #share: number;
  readonly #suffix: boolean;
  readonly #ownIp: string;

  /** `ownIp` is this proxy's address, which copies are said to come from. */
  constructor(policy: RequestMirrorPolicy, ownIp: string) {
    const { cluster = '', clusterHeader = '', runtimeFraction } = policy;
    this.#cluster = cluster;
    this.#clusterHeader = clusterHeader.toLowerCase();
    this.#share = runtimeFraction === undefined ? 1 : fractionOf(runtimeFraction.defaultValue);
    this.#suffix = policy.disableShadowHostSuffixAppend !== true;
    this.#ownIp = ownIp;
  }

  /** The cluster for a copy of this request; undefined where it is not copied. `draw` is in [0, 1). */
  clusterFor(request: RequestHead, draw: number): string | undefined {
    if (draw >= this.#share) return undefined;
    return this.#cluster === '' ? readHeader(request, this.#clusterHeader) : this.#cluster;
  }

  /** The copy's head; its host says that it is one, before the port, and it comes from this proxy itself. */
  copy(request: RequestHead): RequestHead {
    const { method, path, protocol, authority } = request;
    const host = this.#suffix ? shadowHost(authority) : authority;
    const copy = new RequestHead(method, host, path, request.headers.clone(), protocol);
    copy.upstreamAlpn = request.upstreamAlpn;
    copy.scheme = request.scheme;
    copy.contentLength = request.contentLength;
    copy.acceptsTrailers = request.acceptsTrailers;
    const before = request.headers.joined('x-forwarded-for');
    copy.headers.set('x-forwarded-for', before === undefined ? this.#ownIp : `${before},${this.#ownIp}`);
    copy.headers.set('x-envoy-internal', 'true');
    return copy;
  }
}

function shadowHost(authority: string): string {
  const colon = authority.lastIndexOf(':');
  if (colon === -1 || colon < authority.lastIndexOf(']')) return authority + SUFFIX;
  return authority.slice(0, colon) + SUFFIX + authority.slice(colon);
}

/** A level's own copies, or those of the level around it where it has none. Collects the names of clusters. */
export function compileMirrors(
  policies: readonly RequestMirrorPolicy[] | undefined,
  outer: readonly RequestMirror[],
  clusters: Set<string>,
  path: string,
): readonly RequestMirror[] {
  if (policies === undefined || policies.length === 0) return outer;
  const ownIp = localIp();
  return policies.map((policy, i) => {
    if (policy.cluster === undefined && policy.clusterHeader === undefined) {
      throw new ConfigError(`${path}[${i}]`, 'needs one of cluster and clusterHeader');
    }
    if (policy.cluster !== undefined) clusters.add(policy.cluster);
    return new RequestMirror(policy, ownIp);
  });
}
