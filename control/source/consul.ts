// Services from Consul's catalog: a watch on their names and one on each service's instances and health.
import type { Clock } from '../../proxy/base/clock.ts';
import type { Random } from '../../proxy/base/random.ts';
import type { Finding } from '../model/mesh-object.ts';
import { readInstances, readServiceNames, type ConsulInstance } from './consul-answer.ts';
import { ConsulClient, type ConsulAddress } from './consul-client.ts';
import { consulServiceEntry, type ConsulNaming } from './consul-service.ts';
import { ConsulWatch } from './consul-watch.ts';
import { Debounce } from './debounce.ts';
import { FileSet } from './file-set.ts';
import type { RefusedFile, Source, SourceState } from './source.ts';
import { Turns } from './turns.ts';

export interface ConsulSourceOptions extends ConsulAddress, Partial<ConsulNaming> {
  readonly clock: Clock;
  readonly random: Random;
  /** Services that are watched at most; others are refused by name. Default 2,000. */
  readonly servicesMax?: number;
  /** Questions that wait at one time; Consul takes 200 connections of one address. Default 128. */
  readonly questionsMax?: number;
  /** How long start() waits for a first picture before it goes on without. Default 5 s. */
  readonly startMs?: number;
}

/** Consul's own longest; a change ends the wait. */
const WAIT_MS = 300_000;
/** With more services than questions each waits but a moment, for its turn to come round again. */
const SHORT_WAIT_MS = 1000;
const INSTANCES_MAX = 10_000;

interface Watched {
  watch: ConsulWatch | undefined;
  /** Of the document that was made last. */
  text: string;
}

export class ConsulSource implements Source {
  readonly name: string;
  readonly #options: ConsulSourceOptions;
  readonly #client: ConsulClient;
  readonly #set = new FileSet();
  readonly #services = new Map<string, Watched>();
  readonly #turns: Turns;
  readonly #debounce: Debounce;
  readonly #faults = new Map<string, Finding & { readonly sinceMs: number }>();
  readonly #names: ConsulWatch;
  readonly #started = Promise.withResolvers<void>();
  #onChange: ((state: SourceState) => void) | undefined = undefined;
  #isCrowded = false;

  constructor(options: ConsulSourceOptions) {
    this.name = `consul ${new URL(options.url).host}`;
    this.#options = options;
    this.#client = new ConsulClient(options);
    this.#turns = new Turns(options.questionsMax ?? 128);
    this.#debounce = new Debounce(100, 1000, () => this.#tell());
    this.#names = this.#watch('/v1/catalog/services', this.name, async () => () => undefined, (body) => {
      this.#follow(readServiceNames(body));
    });
  }

  /** Consul may come later: without an answer the mesh starts with what else there is, and it is said. */
  async start(onChange: (state: SourceState) => void): Promise<SourceState> {
    const deadline = setTimeout(() => this.#started.resolve(), this.#options.startMs ?? 5000);
    void this.#firstPicture().then(() => this.#started.resolve());
    await this.#started.promise;
    clearTimeout(deadline);
    this.#onChange = onChange;
    return this.#state();
  }

  close(): void {
    this.#debounce.cancel();
    this.#names.close();
    for (const { watch } of this.#services.values()) watch?.close();
    this.#started.resolve();
    void this.#client.close();
  }

  async #firstPicture(): Promise<void> {
    await this.#names.first;
    await Promise.all([...this.#services.values()].flatMap(({ watch }) => (watch === undefined ? [] : [watch.first])));
  }

  /** Watches what is new and forgets what is gone. Names in order: with too many the same ones are left out. */
  #follow(names: readonly string[]): void {
    const { servicesMax = 2000, questionsMax = 128 } = this.#options;
    const wanted = new Set([...names].sort().slice(0, servicesMax));
    this.#tooMany(names.length - wanted.size, servicesMax);
    for (const [name, { watch }] of this.#services) {
      if (wanted.has(name)) continue;
      watch?.close();
      this.#services.delete(name);
      this.#faults.delete(this.#unit(name));
      this.#set.remove(this.#unit(name));
      this.#debounce.touch();
    }
    this.#crowd(wanted.size > questionsMax);
    for (const name of wanted) {
      if (this.#services.has(name)) continue;
      const service: Watched = { watch: undefined, text: '' };
      this.#services.set(name, service);
      this.#start(name, service);
    }
  }

  /** Long waits that hold all places would keep newcomers out: they begin anew as short ones, or the other way. */
  #crowd(isCrowded: boolean): void {
    if (isCrowded === this.#isCrowded) return;
    this.#isCrowded = isCrowded;
    for (const [name, service] of this.#services) {
      service.watch?.close();
      this.#start(name, service);
    }
  }

  #start(name: string, service: Watched): void {
    const path = `/v1/health/service/${encodeURIComponent(name)}`;
    service.watch = this.#watch(path, this.#unit(name), () => this.#turns.take(), (body) => {
      this.#put(name, service, readInstances(body));
    });
  }

  #watch(
    path: string, unit: string, turn: () => Promise<() => void>, onAnswer: (body: unknown) => void,
  ): ConsulWatch {
    return new ConsulWatch({
      client: this.#client, path, turn, onAnswer, random: this.#options.random,
      waitMs: () => (this.#isCrowded && unit !== this.name ? SHORT_WAIT_MS : WAIT_MS),
      onFault: (reason) => this.#fault(unit, `${reason}; what it said before is used`),
      onRecovery: () => this.#fault(unit, undefined),
    });
  }

  #put(name: string, service: Watched, instances: readonly ConsulInstance[]): void {
    if (instances.length > INSTANCES_MAX) throw new Error(`has more than ${INSTANCES_MAX} instances of ${name}`);
    const { namespace = 'default', domain = 'consul' } = this.#options;
    const entry = consulServiceEntry(name, instances, { namespace, domain });
    const text = entry === undefined ? '' : JSON.stringify(entry);
    if (text === service.text) return;
    service.text = text;
    const unit = this.#unit(name);
    if (entry === undefined) this.#set.remove(unit);
    else this.#set.put(unit, { documents: [{ value: entry, locate: () => undefined }], errors: [] });
    this.#debounce.touch();
  }

  #tooMany(over: number, most: number): void {
    const reason = over > 0 ? `has ${over} services more than the ${most} that are watched` : undefined;
    this.#fault(`${this.name} services`, reason);
  }

  #fault(unit: string, reason: string | undefined): void {
    const before = this.#faults.get(unit);
    if (before?.reason === reason) return;
    if (reason === undefined) this.#faults.delete(unit);
    else {
      const sinceMs = this.#options.clock.wallMs();
      this.#faults.set(unit, { where: unit, object: '', path: '', reason, sinceMs });
    }
    this.#debounce.touch();
  }

  #unit(name: string): string {
    return `${this.name} ${name}`;
  }

  #tell(): void {
    this.#onChange?.(this.#state());
  }

  #state(): SourceState {
    this.#set.judge(this.#options.clock.wallMs());
    const state = this.#set.state();
    // Where the catalog itself cannot be had, the same of each service says nothing more.
    const faults = [...this.#faults].filter(([unit]) => unit === this.name || !this.#faults.has(this.name));
    const refused = faults.map(([file, { sinceMs, ...error }]): RefusedFile => (
      { file, sinceMs, errors: [error], servedObjects: this.#served(file, state) }));
    return { ...state, refused: [...refused, ...state.refused] };
  }

  #served(unit: string, { objects }: SourceState): number {
    return unit === this.name ? objects.length : this.#set.servedBy(unit);
  }
}
