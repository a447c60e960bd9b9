// Makes the pickers of one cluster: of its endpoints as they are now, its subsets, and what is near the proxy.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { LocalZone } from '../config/local-zone.ts';
import type { ClusterStats } from '../telemetry/cluster-stats.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { ClusterSubsets } from './cluster-subsets.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import { hostSets } from './host-sets.ts';
import type { HostSets } from './host-sets.ts';
import { Latency } from './load-balancer/latency.ts';
import type { PriorityEndpoints } from './load-balancer/locality.ts';
import { buildPicker } from './load-balancer/picker.ts';
import type { Picker, PickerOptions } from './load-balancer/picker.ts';
import type { ZoneRouting } from './load-balancer/zone-picker.ts';
import { ZoneStats } from './load-balancer/zone-stats.ts';

export interface PickerSourceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: Stats;
  /** This worker tells the gauges that are the same in all workers (membership), which /stats adds up. */
  readonly tellsMembership: boolean;
  /** Where the proxy is, with its local cluster. Default: nowhere. */
  readonly zone?: LocalZone | undefined;
  /** The first priority of the local cluster; undefined as long as there is no such cluster. */
  localHosts?(): PriorityEndpoints | undefined;
}

const NO_HOSTS: PriorityEndpoints = { all: [], healthy: [], degraded: [], localities: [] };

export class PickerSource {
  readonly #stats: ClusterStats;
  readonly #deps: PickerSourceDeps;
  #subsets: ClusterSubsets | undefined = undefined;
  #zoneStats: ZoneStats | undefined = undefined;
  #hosts: HostSets = [];

  constructor(stats: ClusterStats, deps: PickerSourceDeps) {
    this.#stats = stats;
    this.#deps = deps;
  }

  /** The first priority, as the last picker has it. */
  get firstHosts(): PriorityEndpoints {
    return this.#hosts[0] ?? NO_HOSTS;
  }

  /** Settings or endpoints changed. */
  update(settings: ClusterSettings, endpoints: ReadonlyMap<string, UpstreamEndpoint>): void {
    this.#measureLatencies(settings.latencyDecayMs, endpoints);
    if (settings.subsets === undefined) {
      this.close();
      return;
    }
    const { stats, tellsMembership } = this.#deps;
    this.#subsets ??= new ClusterSubsets(settings.subsets, stats, this.#stats.scope, tellsMembership);
    this.#subsets.update(settings.subsets, endpoints.values());
  }

  /** `told` hears the endpoints by priority and health. */
  picker(
    settings: ClusterSettings, endpoints: Iterable<UpstreamEndpoint>, overprovisioningPercent: number,
    told: (levels: HostSets) => void,
  ): Picker {
    const levels = hostSets(endpoints);
    this.#hosts = levels;
    told(levels);
    const { policy, byHash, byLocality, panicPercent, failOnPanic } = settings;
    const { random, clock } = this.#deps;
    const options: PickerOptions = {
      policy, byHash, byLocality, random, clock, panicPercent, overprovisioningPercent, failOnPanic,
      zone: this.#zoneRouting(settings), panicked: this.#stats.healthyPanic,
    };
    return this.#subsets?.picker(levels, (some) => buildPicker(some, options)) ?? buildPicker(levels, options);
  }

  close(): void {
    this.#subsets?.close();
    this.#subsets = undefined;
  }

  #zoneRouting({ zone: settings }: ClusterSettings): ZoneRouting | undefined {
    const { zone, stats } = this.#deps;
    if (zone === undefined || settings === undefined) return undefined;
    this.#zoneStats ??= new ZoneStats(stats, this.#stats.scope);
    return { settings, ownLocality: zone.locality, local: this.#deps.localHosts?.(), stats: this.#zoneStats };
  }

  /** What was measured stays as long as it is asked for. */
  #measureLatencies(decayMs: number | undefined, endpoints: ReadonlyMap<string, UpstreamEndpoint>): void {
    for (const endpoint of endpoints.values()) {
      if (decayMs === undefined) endpoint.latency = undefined;
      else (endpoint.latency ??= new Latency(this.#deps.clock, decayMs)).decayMs = decayMs;
    }
  }
}
