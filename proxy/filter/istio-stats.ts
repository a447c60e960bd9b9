// Istio's standard metrics (filter istio.stats): requests, durations and sizes with the labels of both workloads.
import type { IstioStats } from '../config/istio-stats.ts';
import { grpcStatus, isGrpc } from '../telemetry/grpc-status.ts';
import { flagsText } from '../telemetry/response-flag.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import type { NodeFacts, Workload } from '../telemetry/workload.ts';
import { UNKNOWN, UNKNOWN_WORKLOAD, endpointWorkload, localWorkload } from '../telemetry/workload.ts';
import { destinationOf } from './istio-destination.ts';
import { IstioMetrics } from './istio-metrics.ts';
import type { IstioSeries, Label } from './istio-metrics.ts';
import type { FilterStream, HttpFilter } from './filter.ts';

export interface IstioStatsDeps {
  readonly stats: Stats;
  readonly node: NodeFacts;
  /** The listener's traffic direction is OUTBOUND: this side reports as the source. */
  readonly outbound: boolean;
}

/** Pairs of workloads, and answers of one pair, that have series of their own; what is beyond folds into `_other`. */
export const PAIRS_MAX = 2000;
export const ANSWERS_MAX = 200;
const OTHER = '_other';

/** Compiles the filter. Throws ConfigError below `path` for a metric that does not exist. */
export function compileIstioStats(config: IstioStats, deps: IstioStatsDeps, path: string): HttpFilter {
  const metrics = new IstioMetrics(config.metrics ?? [], deps.stats, path);
  return new IstioStatsFilter(metrics, localWorkload(deps.node), deps.outbound);
}

/** What tells two pairs of workloads apart, beside destination and endpoint. */
interface PairIdentity {
  readonly peer: string;
  readonly local: string;
  readonly secure: boolean;
}

class IstioStatsFilter implements HttpFilter {
  readonly name = 'istio.stats';
  index = -1;
  readonly #metrics: IstioMetrics;
  readonly #local: Workload;
  readonly #outbound: boolean;
  /** By destination (cluster, or inbound route), then by the endpoint's workload, then by the peer's principal. */
  readonly #pairs = new Map<string, Map<string, Map<string, Pair[]>>>();
  #pairCount = 0;
  #other: Pair | undefined = undefined;

  constructor(metrics: IstioMetrics, local: Workload, outbound: boolean) {
    this.#metrics = metrics;
    this.#local = local;
    this.#outbound = outbound;
  }

  onComplete({ info }: FilterStream): void {
    const tls = this.#outbound ? info.upstreamTls : info.connection.tls;
    const destination = this.#outbound ? info.clusterName : info.operation;
    const peer = tls?.peerUriSan ?? '';
    const secure = peer !== '' || tls?.peerSubject !== undefined;
    this.#pair(destination, info.upstreamWorkload ?? '', peer, tls?.localUriSan ?? '', secure).record(info);
  }

  #pair(destination: string, workload: string, peer: string, local: string, secure: boolean): Pair {
    const found = this.#pairs.get(destination)?.get(workload)?.get(peer);
    if (found !== undefined) for (const pair of found) if (pair.local === local && pair.secure === secure) return pair;
    return this.#newPair(destination, workload, { peer, local, secure });
  }

  #newPair(destination: string, workload: string, identity: PairIdentity): Pair {
    if (this.#pairCount >= PAIRS_MAX) {
      this.#other ??= new Pair(this.#metrics, this.#labels('', '', identity).map(fold), identity);
      return this.#other;
    }
    this.#pairCount++;
    const pair = new Pair(this.#metrics, this.#labels(destination, workload, identity), identity);
    const byWorkload = this.#pairs.getOrInsertComputed(destination, () => new Map<string, Map<string, Pair[]>>());
    const byPeer = byWorkload.getOrInsertComputed(workload, () => new Map<string, Pair[]>());
    byPeer.getOrInsertComputed(identity.peer, () => []).push(pair);
    return pair;
  }

  #labels(destination: string, workload: string, { peer, local, secure }: PairIdentity): Label[] {
    const here = this.#local;
    if (this.#outbound) {
      const there = endpointWorkload(workload === '' ? undefined : workload);
      const service = destinationOf(destination, there.namespace);
      return [
        ['reporter', 'source'],
        ...workloadLabels('source', here, local), ...workloadLabels('destination', there, peer),
        ...service, ['connection_security_policy', UNKNOWN],
      ];
    }
    const there = { ...UNKNOWN_WORKLOAD, namespace: spiffeNamespace(peer) };
    return [
      ['reporter', 'destination'],
      ...workloadLabels('source', there, peer), ...workloadLabels('destination', here, local),
      ...destinationOf(destination, here.namespace), ['connection_security_policy', secure ? 'mutual_tls' : 'none'],
    ];
  }
}

/** All series between two workloads. */
class Pair implements PairIdentity {
  readonly peer: string;
  readonly local: string;
  readonly secure: boolean;
  readonly #metrics: IstioMetrics;
  readonly #labels: readonly Label[];
  /** Plain HTTP answers without a flag, by status: nearly all of them. */
  readonly #byStatus: (IstioSeries | undefined)[] = [];
  readonly #byAnswer = new Map<number, IstioSeries>();
  #other: IstioSeries | undefined = undefined;
  #count = 0;

  constructor(metrics: IstioMetrics, labels: readonly Label[], { peer, local, secure }: PairIdentity) {
    this.#metrics = metrics;
    this.#labels = labels;
    this.peer = peer;
    this.local = local;
    this.secure = secure;
  }

  record(info: StreamInfo): void {
    const grpc = isGrpc(info.request);
    if (info.flags === 0 && !grpc) (this.#byStatus[info.status] ??= this.#series(info, false)).record(info);
    else this.#flagged(info, grpc).record(info);
  }

  #flagged(info: StreamInfo, grpc: boolean): IstioSeries {
    const status = grpc ? bounded(grpcStatus(info)) : 0;
    const key = (info.flags * 64 + status) * 1024 + info.status;
    let series = this.#byAnswer.get(key);
    if (series === undefined) {
      series = this.#series(info, grpc);
      if (series !== this.#other) this.#byAnswer.set(key, series);
    }
    return series;
  }

  #series(info: StreamInfo, grpc: boolean): IstioSeries {
    if (this.#count >= ANSWERS_MAX) {
      this.#other ??= this.#metrics.series([...this.#labels, ...answerLabels(grpc, OTHER, '', OTHER)], true);
      return this.#other;
    }
    this.#count++;
    const status = grpc ? grpcStatus(info) : undefined;
    const grpcCode = status === undefined ? '' : String(status);
    const answer = answerLabels(grpc, String(info.status), grpcCode, flagsText(info.flags));
    return this.#metrics.series([...this.#labels, ...answer], grpc);
  }
}

/** A number from 1 to 34 for a gRPC status that the server chose: those that are unusual share one, as none does. */
function bounded(status: number | undefined): number {
  if (status === undefined) return 34;
  return status < 0 ? 33 : Math.min(status, 31) + 1;
}

function answerLabels(grpc: boolean, code: string, grpcCode: string, flags: string): Label[] {
  return [
    ['request_protocol', grpc ? 'grpc' : 'http'], ['response_code', code], ['grpc_response_status', grpcCode],
    ['response_flags', flags],
  ];
}

function workloadLabels(side: 'source' | 'destination', workload: Workload, principal: string): Label[] {
  return [
    [`${side}_workload`, workload.name],
    [`${side}_workload_namespace`, workload.namespace],
    [`${side}_principal`, principal === '' ? UNKNOWN : principal],
    [`${side}_app`, workload.app],
    [`${side}_version`, workload.version],
    [`${side}_canonical_service`, workload.canonicalService],
    [`${side}_canonical_revision`, workload.canonicalRevision],
    [`${side}_cluster`, workload.cluster],
  ];
}

/** What several pairs do not share. */
function fold([name, value]: Label): Label {
  const stays = value === UNKNOWN || name === 'reporter' || name === 'connection_security_policy';
  return stays ? [name, value] : [name, OTHER];
}

/** The `ns` of `spiffe://trust-domain/ns/NAMESPACE/sa/ACCOUNT`. */
function spiffeNamespace(principal: string): string {
  const start = principal.indexOf('/ns/');
  const end = principal.indexOf('/sa/', start + 4);
  return start === -1 || end === -1 ? UNKNOWN : principal.slice(start + 4, end);
}
