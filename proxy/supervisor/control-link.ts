// The proxy's ties to the control plane and the certificate authority:
// xDS resources and secrets on their way to the workers.
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { TimerWheel } from '../base/timers.ts';
import type { ResourceType } from '../config/any-registry.ts';
import type { Bootstrap } from '../config/bootstrap.ts';
import { ConfigError } from '../base/error.ts';
import { durationMs } from '../config/duration.ts';
import type { HostAnswer } from '../config/host-demand.ts';
import type { Listener } from '../config/listener.ts';
import type { Secret } from '../config/tls.ts';
import type { NameTable } from '../config/name-table.ts';
import {
  CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, NAME_TABLE_TYPE, ROUTE_TYPE, SECRET_TYPE, VIRTUAL_HOST_TYPE,
} from '../config/type-url.ts';
import type { NameChange } from '../dns/dns-proxy.ts';
import type { Logger } from '../telemetry/log.ts';
import { Stats } from '../telemetry/stats.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { DynamicConfig } from '../xds/dynamic-config.ts';
import type { AgentService } from './agent-service.ts';
import type { AuditService } from './audit-service.ts';
import type { ConfigIntake } from './config-intake.ts';
import type { Decoder } from './decoder.ts';
import type { ConfigStore } from './config-store.ts';
import type { LastGood } from './last-good.ts';
import type { NodeIdentity, Refusal, ResourceKind } from './messages.ts';
import type { StatsMerger } from './stats-merger.ts';
import { TableMemory } from './table-memory.ts';

export interface ControlLinkOptions {
  readonly bootstrap: Bootstrap;
  readonly decoder: Decoder;
  readonly node: NodeIdentity;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerWheel;
  readonly log: Logger;
  readonly stats: StatsMerger;
  readonly version: string;
  /** Something may have become ready. */
  onProgress(): void;
  /** Those in force, and where they really listen. */
  listeners(): Iterable<Listener>;
  portOf(listener: string): number | undefined;
  readonly audit: AuditService | undefined;
  readonly store: ConfigStore;
  /** Takes the names of the mesh; undefined: nobody asks for them. */
  readonly names: { apply(change: NameChange): void } | undefined;
}

const KIND_OF: Readonly<Record<Exclude<ResourceType, typeof NAME_TABLE_TYPE>, ResourceKind>> = {
  [CLUSTER_TYPE]: 'cluster', [ENDPOINT_TYPE]: 'endpoints', [LISTENER_TYPE]: 'listener', [ROUTE_TYPE]: 'route',
  // Hosts come to workers as their tables.
  [SECRET_TYPE]: 'secret', [VIRTUAL_HOST_TYPE]: 'route',
};

/** Hosts on demand are forgotten when no request was for them for so long; uses are told of every two seconds. */
const FORGET_HOSTS = '600s';
const FORGET_HOSTS_MS_MIN = 5000;

/** Names that the agent answers for the SDS source `sds-grpc` (design.md section 7). */
const OWN_SECRETS: ReadonlySet<string> = new Set(['default', 'ROOTCA']);

/** Loads what the bootstrap asks for, and nothing else: gRPC and protobuf cost memory. */
export class ControlLink {
  readonly #options: ControlLinkOptions;
  readonly #intake: ConfigIntake;
  #agent: AgentService | undefined = undefined;
  #dynamic: DynamicConfig | undefined = undefined;
  #lastGood: LastGood | undefined = undefined;
  #isStarted = false;

  constructor(options: ControlLinkOptions, intake: ConfigIntake) {
    this.#options = options;
    this.#intake = intake;
  }

  /** Rejects with a ConfigError when the bootstrap's words about it are wrong; what is unreachable is tried again. */
  async start(): Promise<void> {
    const { bootstrap, node } = this.#options;
    const dynamic = bootstrap.dynamicResources !== undefined || usesSources(bootstrap);
    if (dynamic || node.metadata['WEFT_CA'] !== undefined) {
      const secrets = await this.#loadSecrets();
      const agent = await this.#startAgent(secrets);
      if (dynamic) {
        await this.#openLastGood();
        await this.#startDynamic(agent, secrets);
      }
    }
    this.#isStarted = true;
  }

  /** What has not come yet of the first configuration and the first certificate, for people. */
  get waitingFor(): readonly string[] {
    // Static resources are in force before this is asked what the bootstrap wants beside them.
    if (!this.#isStarted) return ['what the bootstrap says of other sources'];
    const missing = this.#lastGood?.isServed === true ? [] : [...(this.#dynamic?.waitingFor ?? [])];
    if (this.#agent?.ready === false) missing.push('a certificate of the certificate authority');
    return missing;
  }

  /** Without a control plane there is no such host. */
  demand(table: string, authority: string, tell: (answer: HostAnswer) => void): void {
    if (this.#dynamic === undefined) tell('absent');
    else this.#dynamic.demand(table, authority, tell);
  }

  usedHosts(table: string, hosts: readonly string[]): void {
    this.#dynamic?.usedHosts(table, hosts);
  }

  stop(): void {
    this.#lastGood?.stop();
    this.#dynamic?.stop();
    this.#agent?.stop();
  }

  /** For this thread's own TLS; workers have theirs. */
  async #loadSecrets(): Promise<SecretStore> {
    const { SecretStore } = await import('../tls/secret-store.ts');
    const secrets = new SecretStore();
    for (const secret of this.#options.bootstrap.staticResources?.secrets ?? []) secrets.apply(secret);
    return secrets;
  }

  /** True when this process has an agent of its own. */
  async #startAgent(secrets: SecretStore): Promise<boolean> {
    const { node, clock, random, timers, stats, log } = this.#options;
    if (node.metadata['WEFT_CA'] === undefined) return false;
    const { agentConfigOf } = await import('./agent-config.ts');
    const config = agentConfigOf(node.metadata);
    if (config === undefined) return false;
    const [{ AgentService }, { placesOf }] = await Promise.all([
      import('./agent-service.ts'), import('./served-certificate.ts'),
    ]);
    this.#agent = await AgentService.start({
      config, clock, wheel: timers, random, stats: new Stats(stats.source()), log: log.component('agent'),
      apply: (secret) => this.#applySecret(secret, secrets),
      places: () => placesOf(this.#options.listeners(), 'default', (listener) => this.#options.portOf(listener)),
    });
    return true;
  }

  async #applySecret(secret: Secret, secrets: SecretStore): Promise<readonly Refusal[]> {
    secrets.apply(secret);
    const updated = [{ name: secret.name, resource: secret, version: '' }];
    const refused = await this.#intake.apply({ kind: 'secret', updated, removed: [], origin: 'static' });
    this.#options.onProgress();
    return refused;
  }

  /** What the control plane said last, for the time until it answers (faults.md F01). */
  async #openLastGood(): Promise<void> {
    const { node, clock, log, stats, decoder, store } = this.#options;
    if (node.metadata['WEFT_LAST_GOOD'] === undefined) return;
    const [{ lastGoodConfigOf }, { LastGood }] = await Promise.all([
      import('./last-good-config.ts'), import('./last-good.ts'),
    ]);
    this.#lastGood = new LastGood(lastGoodConfigOf(node.metadata), {
      node, clock, decoder, store, stats: new Stats(stats.source()), log: log.component('last-good'),
      apply: (change) => this.#intake.apply(change), onProgress: () => this.#options.onProgress(),
    });
  }

  async #startDynamic(hasAgent: boolean, secrets: SecretStore): Promise<void> {
    const { bootstrap, decoder, node, clock, random, timers, stats, log, version } = this.#options;
    const [{ DynamicConfig }, { discoveryNode }, { Wire }, { loadSchema, SCHEMA_FILE }, { grpcClientTls }] =
      await Promise.all([
        import('../xds/dynamic-config.ts'), import('../xds/node.ts'), import('../config/wire.ts'),
        import('../config/wire-schema.ts'), import('../tls/grpc-client-tls.ts'),
      ]);
    const xds = log.component('xds');
    const warn = (line: string): void => xds.warning(line);
    const tables = new TableMemory((response) => decoder.response(response, warn), clock);
    this.#dynamic = new DynamicConfig({
      bootstrap, clock, random, wheel: timers, log: xds, stats: new Stats(stats.source()),
      node: discoveryNode({ ...bootstrap.node, id: node.id, cluster: node.cluster }, version),
      ownSecrets: hasAgent ? OWN_SECRETS : new Set(), wire: new Wire(warn, loadSchema(SCHEMA_FILE, 'protocol')),
      decode: (response) => tables.decode(response),
      decodeFile: (type, file) => decoder.resourceFile(type, file),
      tls: (context) => grpcClientTls(context, secrets, clock),
      handler: { apply: (batch) => this.#apply(batch) }, names: this.#options.names !== undefined,
      forgetHostsMs: forgetHostsMs(node.metadata),
      onInitialised: () => {
        this.#lastGood?.onInitialised();
        this.#options.onProgress();
      },
      onAnswer: (type, version, refused) => this.#options.audit?.onAnswer(type, version, refused),
    });
    const remembered = node.metadata['WEFT_LAZY'] === 'true' ? await this.#lastGood?.hostsOnDemand() : undefined;
    this.#lastGood?.start();
    this.#dynamic.start();
    if (remembered !== undefined) this.#dynamic.rememberHosts(remembered);
  }

  async #apply(batch: {
    type: ResourceType;
    updated: readonly { name: string; version: string; resource: unknown }[];
    removed: readonly string[];
  }): Promise<{ refused: readonly { name: string; reason: string }[] }> {
    if (batch.type === NAME_TABLE_TYPE) {
      const updated = batch.updated.map(({ name, resource }) => ({ name, resource: resource as NameTable }));
      this.#options.names?.apply({ updated, removed: batch.removed });
      return { refused: [] };
    }
    await this.#lastGood?.before(KIND_OF[batch.type], batch);
    const refused = await this.#intake.apply({
      kind: KIND_OF[batch.type], updated: batch.updated, removed: batch.removed, origin: 'dynamic',
    });
    this.#lastGood?.onApplied();
    this.#options.onProgress();
    return { refused };
  }
}

/** node.metadata.WEFT_LAZY_FORGET. Throws a ConfigError. */
function forgetHostsMs(metadata: Readonly<Record<string, unknown>>): number {
  const value = metadata['WEFT_LAZY_FORGET'] ?? FORGET_HOSTS;
  const ms = typeof value === 'string' ? durationMs(value) : undefined;
  if (ms !== undefined && (ms === 0 || ms >= FORGET_HOSTS_MS_MIN) && ms < 2 ** 31) return ms;
  throw new ConfigError('node.metadata.WEFT_LAZY_FORGET', 'expected at least 5s as in "600s", or "0s" for never');
}

/** Whether something static has its secrets, endpoints or routes from elsewhere. */
function usesSources(bootstrap: Bootstrap): boolean {
  return /"(?:sdsConfig|edsConfig|configSource)":/.test(JSON.stringify(bootstrap.staticResources ?? {}));
}
