// Which counters a call has: of its cluster, and of its method where those are told apart.
import { LIMITS } from '../config/limits.ts';
import { GrpcClusterStats, grpcMethodOf } from '../telemetry/grpc-call-stats.ts';
import type { GrpcCallStats, GrpcMethod } from '../telemetry/grpc-call-stats.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import type { FilterStream } from './filter.ts';

export interface GrpcCountersDeps {
  readonly clusters: ClusterSet;
  readonly stats: Stats;
}

/** Methods that are told apart: every one, or these. */
export type ToldApart = 'every' | ReadonlySet<string>;

/** `service/method`, as the set of methods that are told apart has it. */
export function methodKey({ service, method }: GrpcMethod): string {
  return `${service}/${method}`;
}

/** Of one filter. */
export class GrpcCallCounters {
  readonly #deps: GrpcCountersDeps;
  readonly #protocol: string;
  readonly #dotsBecome: string;
  readonly #clusters = new Map<string, GrpcClusterStats>();
  /** By cluster and path: what was found for the calls before. */
  readonly #found = new Map<string, Map<string, GrpcCallStats>>();

  /** `protocol` is `grpc` or `grpc-web`; `dotsBecome` stands for the dots in names of services. */
  constructor(deps: GrpcCountersDeps, protocol: string, dotsBecome = '.') {
    this.#deps = deps;
    this.#protocol = protocol;
    this.#dotsBecome = dotsBecome;
  }

  /** Undefined where no cluster is called, or the path names no method. Matches the stream's route. */
  of(stream: FilterStream, toldApart: ToldApart): GrpcCallStats | undefined {
    const { cluster } = stream;
    const { path } = stream.request;
    if (cluster === '') return undefined;
    return this.#found.get(cluster)?.get(path) ?? this.#find(cluster, path, toldApart);
  }

  #find(cluster: string, path: string, toldApart: ToldApart): GrpcCallStats | undefined {
    const method = grpcMethodOf(path);
    const scope = this.#deps.clusters.get(cluster)?.statScope;
    if (method === undefined || scope === undefined) return undefined;
    const stats = this.#clusters.getOrInsertComputed(cluster, () => this.#make(scope));
    const found = toldApart === 'every' || toldApart.has(methodKey(method)) ? stats.of(this.#named(method)) : stats.all;
    const byPath = this.#found.getOrInsertComputed(cluster, () => new Map<string, GrpcCallStats>());
    // Clients choose paths: those that are many or long are looked at anew each time.
    if (byPath.size < LIMITS.grpcMethodsMax && path.length <= LIMITS.grpcMethodBytesMax) byPath.set(path, found);
    return found;
  }

  #make(scope: StatScope): GrpcClusterStats {
    return new GrpcClusterStats(this.#deps.stats, scope, this.#protocol);
  }

  #named({ service, method }: GrpcMethod): GrpcMethod {
    return { service: this.#dotsBecome === '.' ? service : service.replaceAll('.', this.#dotsBecome), method };
  }
}
