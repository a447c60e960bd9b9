// The node agent with what is around it: secrets to the workers and to other proxies, and a look at what is shown.
import { X509Certificate } from 'node:crypto';
import type { Secret } from '../config/tls.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Counter, Gauge } from '../telemetry/stats.ts';
import { IDENTITY_SECRET, NodeAgent } from './agent.ts';
import type { AgentOptions } from './agent.ts';
import { AgentSds } from './agent-sds.ts';
import { AGENT_SCOPE } from './agent-stats.ts';
import { RotationGauges } from './rotation-gauges.ts';
import { servedFingerprint } from './served-certificate.ts';
import type { ServedPlace } from './served-certificate.ts';

export interface AgentServiceOptions extends Omit<AgentOptions, 'onSecret'> {
  /** Puts a secret in force; resolves when every worker has answered, with what they refused. */
  readonly apply: (secret: Secret) => Promise<readonly { readonly reason: string }[]>;
  /** Listeners that show the certificate now. */
  readonly places: () => readonly ServedPlace[];
}

export class AgentService {
  readonly #options: AgentServiceOptions;
  readonly #agent: NodeAgent;
  readonly #sds: AgentSds | undefined;
  readonly #gauges: RotationGauges;
  readonly #stale: Gauge;
  readonly #mismatches: Counter;
  /** Secrets go to the workers one after the other, so that an older one never comes last. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: AgentServiceOptions) {
    const { config, stats, log } = options;
    this.#options = options;
    this.#agent = new NodeAgent({ ...options, onSecret: (secret) => this.#onSecret(secret) });
    const { sdsSocket: path, trustDomain } = config;
    const spiffeId = (): string | undefined => this.#agent.spiffeId;
    this.#sds = path === undefined ? undefined : new AgentSds({ path, spiffeId, trustDomain, stats, log });
    this.#gauges = new RotationGauges(stats);
    this.#stale = stats.gauge(statName(AGENT_SCOPE, 'served_certificate_stale'));
    this.#mismatches = stats.counter(statName(AGENT_SCOPE, 'served_certificate_mismatch'));
  }

  /** Rejects with a ConfigError when the SDS socket cannot be made; an authority that is away is tried again. */
  static async start(options: AgentServiceOptions): Promise<AgentService> {
    const service = new AgentService(options);
    await service.#sds?.start();
    service.#agent.start();
    return service;
  }

  get ready(): boolean {
    return this.#agent.ready;
  }

  stop(): void {
    this.#agent.stop();
    this.#sds?.stop();
  }

  #onSecret(secret: Secret): void {
    this.#sds?.take(secret);
    this.#turn = this.#turn.then(() => this.#put(secret)).catch(() => {
      // Said by whoever refused it.
    });
  }

  async #put(secret: Secret): Promise<void> {
    const { apply, log } = this.#options;
    const refused = await apply(secret);
    for (const { reason } of refused) log.error(reason);
    if (refused.length === 0) this.#gauges.inForce(secret);
    if (secret.name === IDENTITY_SECRET) await this.#probe(secret);
  }

  /** The workers have said yes; now the listeners themselves are asked. */
  async #probe({ tlsCertificate }: Secret): Promise<void> {
    const { log, places } = this.#options;
    const chain = tlsCertificate?.certificateChain?.inlineString;
    if (chain === undefined) return;
    const expected = new X509Certificate(chain).fingerprint256;
    const looked = await Promise.all(places().map(async (place) => [place, await servedFingerprint(place)] as const));
    const stale = looked.filter(([, found]) => found !== undefined && found !== expected);
    this.#stale.set(stale.length);
    for (const [{ listener }] of stale) {
      this.#mismatches.inc();
      log.error(`listener ${listener} still shows another certificate than the renewed one`);
    }
  }
}
