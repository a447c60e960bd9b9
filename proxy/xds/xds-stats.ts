// Figures of xDS under Envoy's names where Envoy has them.
import type { ResourceType } from '../config/any-registry.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Gauge, StatName, Stats } from '../telemetry/stats.ts';
import { nameOfType, TYPE_ORDER } from './resource-type.ts';

/** Scopes of the two that Envoy keeps per manager; of the others it keeps one per resource, weft one per type. */
const SCOPES: ReadonlyMap<string, string> = new Map([['cds', 'cluster_manager.cds'], ['lds', 'listener_manager.lds']]);

interface TypeStats {
  /** Responses received. */
  readonly attempt: Counter;
  /** Responses of which all was applied. */
  readonly success: Counter;
  /** Responses of which something was refused. */
  readonly rejected: Counter;
  /** Streams lost or not made while this type was wanted. */
  readonly failure: Counter;
}

/** `control_plane.connected_state`, `<scope>.update_attempt|update_success|update_rejected|update_failure`. */
export class XdsStats {
  readonly #connected: Gauge | undefined = undefined;
  readonly #byType: ReadonlyMap<ResourceType, TypeStats>;

  /**
   * `server` names a stream other than ADS, whose connected_state is `control_plane.<server>.connected_state`; a file
   * has none.
   */
  constructor(stats: Stats, server?: string, isFile = false) {
    if (!isFile) this.#connected = stats.gauge(connectedName(server));
    this.#byType = new Map(TYPE_ORDER.map((type) => [type, typeStats(stats, nameOfType(type).service)]));
  }

  connected(isUp: boolean): void {
    this.#connected?.set(isUp ? 1 : 0);
  }

  response(type: ResourceType, refused: number): void {
    const stats = this.#byType.get(type)!;
    stats.attempt.inc();
    if (refused === 0) stats.success.inc();
    else stats.rejected.inc();
  }

  failure(type: ResourceType): void {
    this.#byType.get(type)!.failure.inc();
  }
}

function connectedName(server: string | undefined): StatName {
  const place = server === undefined ? 'control_plane.' : `control_plane.${server}.`;
  const labels = server === undefined ? [] : [['envoy_cluster_name', server] as const];
  return statName({ flat: place, family: 'envoy_control_plane_', labels }, 'connected_state');
}

function typeStats(stats: Stats, service: string): TypeStats {
  const name = SCOPES.get(service) ?? `xds.${service}`;
  const scope: StatScope = { flat: `${name}.`, family: `envoy_${name.replaceAll('.', '_')}_`, labels: [] };
  const counter = (word: string): Counter => stats.counter(statName(scope, `update_${word}`));
  const [attempt, success] = [counter('attempt'), counter('success')];
  return { attempt, success, rejected: counter('rejected'), failure: counter('failure') };
}
