// One leader among the control planes of a cluster, by a Lease of coordination.k8s.io: it alone writes there.
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../proxy/base/clock.ts';
import { messageOf } from '../../proxy/base/error.ts';
import type { Random } from '../../proxy/base/random.ts';
import { KubeError, type KubeClient } from './kube-client.ts';

export interface LeaseElectionOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Who this one is, unlike any other: two of one name would both lead. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: { info(line: string): void; warning(line: string): void };
  /** It leads now, or does no more. */
  readonly onChange: (isLeading: boolean) => void;
  /** How long a lease holds without being renewed. Default 15 s. */
  readonly leaseMs?: number;
  /** How long a leader goes on without having been able to renew; less than the lease. Default 10 s. */
  readonly deadlineMs?: number;
  /** Time between tries, and up to a fifth more. Default 2 s. */
  readonly retryMs?: number;
}

interface Lease {
  readonly metadata?: { readonly resourceVersion?: string; readonly [field: string]: unknown };
  readonly spec?: LeaseSpec;
}

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

const TYPE = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
/** Where it is not allowed, asking again soon is of no use. */
const DENIED_MS = 30_000;

/**
 * Clocks of others are not trusted: another's lease is over when it has not been seen to change for as long as it
 * holds, by this machine's monotonic clock. Each write names the version that was read, so that one of two wins.
 */
export class LeaseElection {
  readonly #options: LeaseElectionOptions;
  readonly #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isLeading = false;
  #seenVersion: string | undefined = undefined;
  #seenMs = 0;
  #renewedMs = 0;
  #fault = '';

  constructor(options: LeaseElectionOptions) {
    this.#options = options;
  }

  get isLeading(): boolean {
    return this.#isLeading && !this.#isTooOld();
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Gives the lease back, so that another need not wait. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
    const wasLeading = this.isLeading;
    this.#lead(false);
    if (!wasLeading) return;
    try {
      const lease = await this.#get();
      if (lease?.spec?.holderIdentity !== this.#options.identity) return;
      await this.#put(lease, { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: this.#now() });
    } catch {
      // It runs out by itself.
    }
  }

  async #run(): Promise<void> {
    const { random, retryMs = 2000 } = this.#options;
    while (!this.#ending.signal.aborted) {
      let waitMs = retryMs * (1 + random.float() / 5);
      try {
        this.#lead(await this.#try());
        this.#fault = '';
      } catch (cause) {
        if (cause instanceof KubeError && cause.status === 403) waitMs = DENIED_MS * (0.5 + random.float());
        this.#failed(cause);
      }
      await pause(waitMs, undefined, { signal: this.#ending.signal }).catch(() => undefined);
    }
  }

  /** Takes or renews the lease where it may; whether it is this one's now. */
  async #try(): Promise<boolean> {
    const { identity, clock } = this.#options;
    const startMs = clock.nowMs();
    const lease = await this.#get();
    if (lease === undefined) return this.#wrote(startMs, () => this.#create());
    const { spec = {}, metadata = {} } = lease;
    if (metadata.resourceVersion !== this.#seenVersion) {
      this.#seenVersion = metadata.resourceVersion;
      this.#seenMs = startMs;
    }
    const { holderIdentity = '', leaseTransitions = 0 } = spec;
    const isOwn = holderIdentity === identity;
    if (!isOwn && holderIdentity !== '' && startMs - this.#seenMs < this.#holdsMs(spec)) return false;
    const taken = isOwn && this.#isLeading ? spec
      : { acquireTime: this.#now(), leaseTransitions: isOwn ? leaseTransitions : leaseTransitions + 1 };
    return this.#wrote(startMs, () => this.#put(lease, { ...taken, ...this.#held() }));
  }

  /** Another has written meanwhile: whose it is shows the next look. */
  async #wrote(startMs: number, write: () => Promise<void>): Promise<boolean> {
    try {
      await write();
    } catch (cause) {
      if (cause instanceof KubeError && cause.status === 409) return false;
      throw cause;
    }
    this.#renewedMs = startMs;
    return true;
  }

  #failed(cause: unknown): void {
    const { log, name, namespace } = this.#options;
    if (this.#isTooOld()) this.#lead(false);
    const reason = messageOf(cause);
    if (reason !== this.#fault) log.warning(`lease ${namespace}/${name}: ${reason}; nothing is written back meanwhile`);
    this.#fault = reason;
  }

  /** Its end is near, and whether another has it already cannot be known. */
  #isTooOld(): boolean {
    const { clock, deadlineMs = 10_000 } = this.#options;
    return clock.nowMs() - this.#renewedMs >= deadlineMs;
  }

  #lead(isLeading: boolean): void {
    if (this.#isLeading === isLeading) return;
    this.#isLeading = isLeading;
    const { log, name, namespace, onChange, identity } = this.#options;
    log.info(`lease ${namespace}/${name}: ${identity} ${isLeading ? 'leads' : 'leads no more'}`);
    onChange(isLeading);
  }

  #holdsMs({ leaseDurationSeconds }: LeaseSpec): number {
    const { leaseMs = 15_000 } = this.#options;
    return leaseDurationSeconds === undefined ? leaseMs : leaseDurationSeconds * 1000;
  }

  #held(): LeaseSpec {
    const { identity, leaseMs = 15_000 } = this.#options;
    const leaseDurationSeconds = Math.max(1, Math.ceil(leaseMs / 1000));
    return { holderIdentity: identity, leaseDurationSeconds, renewTime: this.#now() };
  }

  async #get(): Promise<Lease | undefined> {
    try {
      return await this.#options.client.call('GET', this.#path()) as Lease;
    } catch (cause) {
      if (cause instanceof KubeError && cause.status === 404) return undefined;
      throw cause;
    }
  }

  async #create(): Promise<void> {
    const { client, namespace, name } = this.#options;
    const spec = { ...this.#held(), acquireTime: this.#now(), leaseTransitions: 0 };
    await client.call('POST', leasesPath(namespace), { ...TYPE, metadata: { name, namespace }, spec });
  }

  async #put({ metadata }: Lease, spec: LeaseSpec): Promise<void> {
    await this.#options.client.call('PUT', this.#path(), { ...TYPE, metadata, spec });
  }

  #path(): string {
    return `${leasesPath(this.#options.namespace)}/${this.#options.name}`;
  }

  /** Kubernetes' MicroTime. For people: nobody compares it. */
  #now(): string {
    return new Date(this.#options.clock.wallMs()).toISOString().replace(/Z$/, '000Z');
  }
}

function leasesPath(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
}
