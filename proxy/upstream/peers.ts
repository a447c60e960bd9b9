// What the workers know together about a cluster's endpoints, and how they tell each other that it has changed.
import { ownRecord } from '../base/shared-hosts.ts';
import type { Duty, HostRecord, SharedHosts } from '../base/shared-hosts.ts';

/** Duties that one worker does for all: asking endpoints how they are, and judging them at intervals. */
export const CHECKING: Duty = 0;
export const JUDGING: Duty = 1;

/** Field of a cluster's own record: a connection has been made for requests. */
const TRAFFIC = 0;

export interface PeersDeps {
  readonly hosts: SharedHosts;
  /** The others should look at what is known about a cluster's endpoints. */
  tell(cluster: string): void;
  /** Milliseconds that mean the same to all workers. */
  nowMs(): number;
}

/** Of one cluster in one worker. Without `deps` the worker is alone. */
export class ClusterPeers {
  readonly #cluster: string;
  readonly #deps: PeersDeps | undefined;
  #own: HostRecord | undefined = undefined;
  readonly #clock: () => number;
  #traffic = false;

  constructor(cluster: string, deps: PeersDeps | undefined, nowMs: () => number) {
    this.#cluster = cluster;
    this.#deps = deps;
    this.#clock = deps === undefined ? nowMs : () => deps.nowMs();
  }

  /** Of an endpoint; one of this worker alone where there is no room for it. */
  record(address: string): HostRecord {
    return this.#deps?.hosts.hold(`${this.#cluster}\n${address}`) ?? ownRecord();
  }

  nowMs(): number {
    return this.#clock();
  }

  tell(): void {
    this.#deps?.tell(this.#cluster);
  }

  takeDuty(duty: Duty): boolean {
    return this.#ownRecord().takeDuty(duty);
  }

  leaveDuty(duty: Duty): void {
    this.#own?.leaveDuty(duty);
  }

  get hasTraffic(): boolean {
    return this.#traffic || (this.#traffic = this.#ownRecord().get(TRAFFIC) !== 0);
  }

  sawTraffic(): void {
    if (this.#traffic) return;
    this.#traffic = true;
    this.#ownRecord().set(TRAFFIC, 1);
  }

  close(): void {
    if (this.#own === undefined) return;
    this.#own.release();
    this.#own = undefined;
    // The duties that it had are for the taking.
    this.tell();
  }

  #ownRecord(): HostRecord {
    return (this.#own ??= this.record(''));
  }
}
