// Objects from a Kubernetes API server, listed and watched: what it said last stays in force while it is away (F02).
import type { Clock } from '../../proxy/base/clock.ts';
import { PooledRandom, type Random } from '../../proxy/base/random.ts';
import type { KindName } from '../model/kind.ts';
import type { Finding } from '../model/mesh-object.ts';
import { Debounce } from './debounce.ts';
import type { KubeClient } from './kube-client.ts';
import type { KubeDocument } from './kube-document.ts';
import { NamespaceSelection } from './kube-namespaces.ts';
import { Reflector, type ReflectorOptions, type ReflectorSink } from './kube-reflector.ts';
import { watchedResources, type KubeResource } from './kube-resource.ts';
import { KubeStore } from './kube-store.ts';
import { LeaseElection, type LeaseElectionOptions } from './lease-election.ts';
import type { Source, SourceState, WatchStatus } from './source.ts';
import { StatusWriter, type WantedStatus } from './status-writer.ts';

export interface KubernetesSourceOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random?: Random;
  /** Default all, or those that MeshConfig.discoverySelectors select. */
  readonly namespaces?: readonly string[];
  readonly rootNamespace: string;
  readonly log: { info(line: string): void; warning(line: string): void };
  /** Quiet time after an event before the mesh is made anew, and the longest wait. Defaults 100 ms and 1 s. */
  readonly quietMs?: number;
  readonly waitMaxMs?: number;
  /** Of the reflectors, for tests. */
  readonly pace?: Pick<ReflectorOptions, 'pageObjects' | 'watchMs' | 'absentMs'>;
  readonly objectsMax?: number;
  /** By which of several control planes one is the leader, which writes status; absent: nothing is written. */
  readonly leader?: Pick<LeaseElectionOptions, 'namespace' | 'identity' | 'leaseMs' | 'deadlineMs' | 'retryMs'>;
}

/** Of the Lease. */
const LEASE_NAME = 'weft-leader';

export class KubernetesSource implements Source {
  readonly name: string;
  readonly #options: KubernetesSourceOptions;
  readonly #store: KubeStore;
  readonly #selection: NamespaceSelection;
  readonly #reflectors: Reflector[] = [];
  readonly #debounce: Debounce;
  readonly #said = new Map<Reflector, string>();
  #broken: ReadonlySet<string> = new Set();
  #configMap: KubeDocument | undefined = undefined;
  #election: LeaseElection | undefined = undefined;
  #writer: StatusWriter | undefined = undefined;
  #selectorFault: string | undefined = undefined;
  #onChange: ((state: SourceState) => void) | undefined = undefined;
  #onSynced: (() => void) | undefined = undefined;

  constructor(options: KubernetesSourceOptions) {
    this.name = `Kubernetes at ${options.client.url}`;
    this.#options = options;
    this.#store = new KubeStore(options.objectsMax);
    this.#selection = new NamespaceSelection(options.rootNamespace, options.namespaces);
    this.#debounce = new Debounce(options.quietMs ?? 100, options.waitMaxMs ?? 1000, () => this.#tell());
  }

  /**
   * Resolves when everything has been read once, however long that takes: a mesh without its policies, or without its
   * endpoints, would be served otherwise. What is in the way is in the log.
   */
  async start(onChange: (state: SourceState) => void): Promise<SourceState> {
    const resources = watchedResources(this.#options.rootNamespace);
    const first = (id: string): number => (id === 'MeshConfig' || id === 'Namespace' ? 0 : 1);
    // Which namespaces are selected is known before their objects are read.
    for (const order of [0, 1]) {
      await new Promise<void>((resolve) => {
        this.#onSynced = resolve;
        for (const resource of resources) if (first(resource.id) === order) this.#watch(resource);
        this.#checkSynced();
      });
    }
    this.#onSynced = undefined;
    this.#debounce.cancel();
    this.#onChange = onChange;
    this.#startWriting();
    return this.#state();
  }

  /** Those of objects that are elsewhere are passed over. */
  writeStatuses(statuses: readonly WantedStatus[]): void {
    this.#writer?.want(statuses.filter(({ object }) => this.#store.has(object)));
  }

  #startWriting(): void {
    const { leader, client, clock, log, random = new PooledRandom() } = this.#options;
    if (leader === undefined) return;
    const election = new LeaseElection({
      ...leader, client, clock, log, random, name: LEASE_NAME,
      onChange: (isLeading) => {
        if (isLeading) this.#writer?.restart();
      },
    });
    const versionOf = (kind: KindName): string | undefined =>
      this.#reflectors.find(({ resource }) => resource.id === kind)?.servedVersion;
    this.#writer = new StatusWriter({ client, clock, log, versionOf, isLeading: () => election.isLeading });
    this.#election = election;
    election.start();
  }

  watches(): WatchStatus[] {
    return this.#reflectors.map((reflector) => {
      const { state, reason, sinceMs, resource: { id }, namespace } = reflector;
      return {
        resource: whatOf(reflector), state, sinceMs, objects: this.#store.count(id, namespace),
        ...reflector.counts, ...(reason !== '' && { reason }),
      };
    });
  }

  async close(): Promise<void> {
    this.#debounce.cancel();
    for (const reflector of this.#reflectors) reflector.close();
    this.#writer?.close();
    // The lease is given back before the connections go.
    await this.#election?.close();
    await this.#options.client.close();
  }

  #watch(resource: KubeResource): void {
    for (const namespace of this.#namespacesOf(resource)) {
      const { client, clock, random = new PooledRandom(), pace } = this.#options;
      const reflector: Reflector = new Reflector({
        client, resource, namespace, clock, random,
        sink: this.#sink(resource, namespace, () => reflector), ...pace,
      });
      this.#reflectors.push(reflector);
      reflector.start();
    }
  }

  #namespacesOf({ id, namespaced }: KubeResource): readonly (string | undefined)[] {
    if (!namespaced) return [undefined];
    if (id === 'MeshConfig') return [this.#options.rootNamespace];
    return this.#selection.named ?? [undefined];
  }

  #sink(resource: KubeResource, namespace: string | undefined, reflector: () => Reflector): ReflectorSink {
    const { id } = resource;
    const now = (): number => this.#options.clock.wallMs();
    return {
      replace: (objects) => {
        if (id === 'MeshConfig') this.#configMap = objects[0];
        const selected = objects.filter((object) => this.#isSelected(resource, object));
        if (id === 'Namespace') for (const object of objects) this.#learn(object, true);
        if (this.#store.replace(id, namespace, selected, now())) this.#changed(id);
        this.#checkSynced();
      },
      put: (object) => {
        if (id === 'MeshConfig') this.#configMap = object;
        if (id === 'Namespace') this.#learn(object, true);
        if (this.#isSelected(resource, object) && this.#store.put(id, object, now())) this.#changed(id);
      },
      remove: (object) => {
        if (id === 'MeshConfig') this.#configMap = undefined;
        if (id === 'Namespace') this.#learn(object, false);
        if (this.#store.remove(id, object)) this.#changed(id);
      },
      onState: () => this.#onState(reflector()),
    };
  }

  #isSelected({ namespaced }: KubeResource, object: KubeDocument): boolean {
    const { namespace } = object['metadata'] as { readonly namespace?: unknown };
    return !namespaced || this.#selection.has(String(namespace));
  }

  #learn({ metadata }: KubeDocument, isThere: boolean): void {
    const { name, labels } = metadata as { name: string; labels?: Record<string, string> };
    const before = this.#selection.state();
    this.#selection.learn(name, isThere ? labels ?? {} : undefined);
    if (this.#selection.state() !== before) this.#reselect();
  }

  #changed(id: string): void {
    if (id === 'MeshConfig') this.#selectAnew();
    this.#debounce.touch();
  }

  #selectAnew(): void {
    const before = this.#selection.state();
    this.#selectorFault = this.#selection.select(this.#configMap);
    if (this.#selection.state() !== before) this.#reselect();
  }

  /** What is newly selected was passed over before: it is read again. */
  #reselect(): void {
    for (const reflector of this.#reflectors) {
      const { id, namespaced } = reflector.resource;
      if (namespaced && id !== 'MeshConfig') reflector.relist();
    }
  }

  #checkSynced(): void {
    if (this.#reflectors.every(({ isSynced }) => isSynced)) this.#onSynced?.();
  }

  /** Each state once, in words; what all watches suffer from is one line. */
  #onState(reflector: Reflector): void {
    this.#checkSynced();
    this.#sayBroken();
    const text = stateText(reflector);
    const before = this.#said.get(reflector) ?? '';
    if (text === before || reflector.state === 'broken') return;
    this.#said.set(reflector, text);
    const { log, client } = this.#options;
    if (text !== '') log[reflector.state === 'absent' ? 'info' : 'warning'](`${client.url}: ${text}`);
    else log.info(`${client.url}: ${whatOf(reflector)}: watched`);
  }

  #sayBroken(): void {
    const { log, client } = this.#options;
    const broken = this.#reflectors.filter(({ state }) => state === 'broken');
    const reasons = new Set(broken.map(({ reason }) => reason));
    const meanwhile = broken.every(({ isSynced }) => isSynced) ? 'what is known stays in force' : UNKNOWN;
    for (const reason of reasons) if (!this.#broken.has(reason)) log.warning(`${client.url}: ${reason}; ${meanwhile}`);
    if (reasons.size === 0 && this.#broken.size > 0) log.info(`${client.url}: watched again`);
    this.#broken = reasons;
  }

  #tell(): void {
    this.#onChange?.(this.#state());
  }

  #state(): SourceState {
    return {
      objects: this.#store.objects(), refused: this.#store.refused(),
      warnings: [...this.#store.warnings(), ...this.#ownWarnings()],
      units: 0,
    };
  }

  #ownWarnings(): Finding[] {
    const warning = (reason: string): Finding => (
      { where: 'kubernetes', object: '', path: '', reason, level: 'error' });
    const faults = this.#selectorFault === undefined ? [] : [`ConfigMap istio: ${this.#selectorFault}`];
    const { dropped } = this.#store;
    if (dropped > 0) faults.push(`${dropped} objects are left out: there are more than ${this.#store.objectsMax}`);
    return faults.map(warning);
  }
}

/** `virtualservices.networking.istio.io in shop` */
function whatOf({ resource: { plural, group }, namespace }: Reflector): string {
  return `${plural}${group === '' ? '' : `.${group}`}${namespace === undefined ? '' : ` in ${namespace}`}`;
}

const UNKNOWN = 'nothing is served before all is known';

/** What a person should know of one resource, '' when there is nothing. */
function stateText(reflector: Reflector): string {
  const { state, reason, isSynced, resource: { dispensable } } = reflector;
  const what = whatOf(reflector);
  if (state === 'absent') return `${what}: not defined here; looked for again from time to time`;
  if (state !== 'denied') return '';
  const meanwhile = isSynced ? 'what is known stays in force' : UNKNOWN;
  return `${what}: needs the verbs list and watch: ${reason}; ${dispensable ? 'the mesh does without' : meanwhile}`;
}
