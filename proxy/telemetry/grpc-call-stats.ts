// Counters of gRPC calls, with Envoy's names under `cluster.<name>.grpc.[<service>.<method>.]`.
import { LIMITS } from '../config/limits.ts';
import { GRPC_STATUS } from './grpc-status.ts';
import { statName } from './stat-name.ts';
import type { StatScope } from './stat-name.ts';
import type { Counter, Histogram, StatName, Stats } from './stats.ts';

/** What stands for the services and methods, and for the statuses, that get no counter of their own. */
const OTHER = '_other';

/** A service and one of its methods, as a request's path names them. */
export interface GrpcMethod {
  readonly service: string;
  readonly method: string;
}

/** Of `/service/method`, where neither empty parts nor a query count; undefined for other paths, as in Envoy. */
export function grpcMethodOf(path: string): GrpcMethod | undefined {
  const query = path.indexOf('?');
  const parts = (query === -1 ? path : path.slice(0, query)).split('/').filter((part) => part !== '');
  return parts.length === 2 ? { service: parts[0]!, method: parts[1]! } : undefined;
}

/** Of one cluster, and one method or all of them; one object for each. Counters come with their first use. */
export class GrpcCallStats {
  readonly #stats: Stats;
  readonly #name: (stat: string) => StatName;
  readonly #byStatus = new Map<string, Counter>();
  #success: Counter | undefined = undefined;
  #failure: Counter | undefined = undefined;
  #total: Counter | undefined = undefined;
  #requests: Counter | undefined = undefined;
  #responses: Counter | undefined = undefined;
  #requestMs: Histogram | undefined = undefined;

  constructor(stats: Stats, name: (stat: string) => StatName) {
    this.#stats = stats;
    this.#name = name;
  }

  /** A call has ended with this grpc-status; '0' is the one success. */
  ended(status: string): void {
    this.#statusCounter(status).inc();
    if (status === '0') (this.#success ??= this.#counter('success')).inc();
    else (this.#failure ??= this.#counter('failure')).inc();
    (this.#total ??= this.#counter('total')).inc();
  }

  requestMessages(count: number): void {
    (this.#requests ??= this.#counter('request_message_count')).add(count);
  }

  responseMessages(count: number): void {
    (this.#responses ??= this.#counter('response_message_count')).add(count);
  }

  requestTime(ms: number): void {
    (this.#requestMs ??= this.#stats.histogram(this.#name('upstream_rq_time'))).record(ms);
  }

  /** The server writes the text: only gRPC's own statuses have counters (S88). */
  #statusCounter(status: string): Counter {
    let counter = this.#byStatus.get(status);
    if (counter === undefined) {
      const known = STATUS_TEXTS.has(status);
      counter = this.#counter(known ? status : OTHER);
      if (known) this.#byStatus.set(status, counter);
    }
    return counter;
  }

  #counter(stat: string): Counter {
    return this.#stats.counter(this.#name(stat));
  }
}

const STATUS_TEXTS: ReadonlySet<string> = new Set(GRPC_STATUS.map((_, status) => String(status)));

/** All of one cluster: of each method that is asked for, and of those without counters of their own together. */
export class GrpcClusterStats {
  /** Of calls that are not told apart. */
  readonly all: GrpcCallStats;
  readonly #stats: Stats;
  readonly #scope: StatScope;
  readonly #protocol: string;
  readonly #methods = new Map<string, GrpcCallStats>();
  #other: GrpcCallStats | undefined = undefined;

  /** `protocol` is `grpc` or `grpc-web`. */
  constructor(stats: Stats, scope: StatScope, protocol: string) {
    this.#stats = stats;
    this.#scope = scope;
    this.#protocol = protocol;
    this.all = new GrpcCallStats(stats, (stat) => statName(scope, `${protocol}.${stat}`));
  }

  /** Clients choose the names: past a limit they share the counters of `_other` (S88). */
  of({ service, method }: GrpcMethod): GrpcCallStats {
    const key = `${service}/${method}`;
    const known = this.#methods.get(key);
    if (known !== undefined) return known;
    if (this.#methods.size >= LIMITS.grpcMethodsMax || key.length > LIMITS.grpcMethodBytesMax) {
      return (this.#other ??= this.#make(OTHER, OTHER));
    }
    const made = this.#make(service, method);
    this.#methods.set(key, made);
    return made;
  }

  /** Labels are Envoy's; with them a name with dots, which Envoy splits in the wrong place, stays whole. */
  #make(service: string, method: string): GrpcCallStats {
    const labels = [
      ['envoy_grpc_bridge_method', method], ['envoy_grpc_bridge_service', service], ...this.#scope.labels,
    ] as const;
    const family = `${this.#scope.family}${this.#protocol.replace('-', '_')}_`;
    const flat = `${this.#scope.flat}${this.#protocol}.${service}.${method}.`;
    return new GrpcCallStats(this.#stats, (stat) => ({ flat: flat + stat, family: family + stat, labels }));
  }
}
