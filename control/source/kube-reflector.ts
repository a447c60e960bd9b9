// Keeps one resource as the API server has it: lists it in pages, watches it, and comes back after whatever ends that.
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../proxy/base/clock.ts';
import { BackOff } from '../../proxy/base/back-off.ts';
import { messageOf } from '../../proxy/base/error.ts';
import type { Random } from '../../proxy/base/random.ts';
import { jsonOf, KubeError, type KubeClient } from './kube-client.ts';
import type { KubeDocument } from './kube-document.ts';
import { EventLines, type WatchEvent } from './kube-events.ts';
import { resourcePath, type KubeResource } from './kube-resource.ts';

/** `absent`: nobody has defined the resource. `denied`: this account may not read it. */
export type WatchState = 'listing' | 'current' | 'absent' | 'denied' | 'broken';

/** Takes what a reflector learns, trimmed. */
export interface ReflectorSink {
  /** All objects there are. */
  replace(objects: readonly KubeDocument[]): void;
  put(object: KubeDocument): void;
  remove(object: KubeDocument): void;
  /** The state, or the reason for it, is another. */
  onState(): void;
}

export interface ReflectorOptions {
  readonly client: KubeClient;
  readonly resource: KubeResource;
  /** Undefined: those of all namespaces, or of the cluster. */
  readonly namespace: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly sink: ReflectorSink;
  /** Objects in a page of a list. Default 200: some ten milliseconds of parsing. */
  readonly pageObjects?: number;
  /** A watch is opened again after so long to twice that. Default 5 minutes. */
  readonly watchMs?: number;
  /** What is absent or denied is asked for again after half of this to one and a half. Default 30 s. */
  readonly absentMs?: number;
}

const PAGE_OBJECTS = 200;
const WATCH_MS = 300_000;
/** A watch that ends sooner is as good as one that failed. */
const SHORT_WATCH_MS = 1000;
/** What is denied or absent changes when somebody changes it, which they will not do every second. */
const ABSENT_MS = 30_000;
/** An API server that starts may not know of a resource yet: objects are kept until it has said so twice. */
const ABSENT_TIMES = 2;

export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #backOff: BackOff;
  readonly #ending = new AbortController();
  /** Ends the watch or the pause that is under way. */
  #wake = new AbortController();
  #state: WatchState = 'listing';
  #reason = '';
  #sinceMs: number;
  #isSynced = false;
  #version = 0;
  #resourceVersion: string | undefined = undefined;
  #absences = 0;
  /** What ended watches and lists since the start. */
  #failures = 0;
  #relists = 0;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#backOff = new BackOff(options.random);
    this.#sinceMs = options.clock.wallMs();
  }

  get resource(): KubeResource {
    return this.#options.resource;
  }

  get namespace(): string | undefined {
    return this.#options.namespace;
  }

  get state(): WatchState {
    return this.#state;
  }

  /** Why it is not current, '' when it is. */
  get reason(): string {
    return this.#reason;
  }

  /** Unix milliseconds. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** The version of the resource that is watched; undefined while none is served. */
  get servedVersion(): string | undefined {
    return this.#state === 'absent' ? undefined : this.#options.resource.versions[this.#version];
  }

  /** Whether what there is has been seen once; what is absent has, and so has what can be done without. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  get counts(): { readonly failures: number; readonly relists: number } {
    return { failures: this.#failures, relists: this.#relists };
  }

  start(): void {
    void this.#run();
  }

  /** Everything anew, as when a namespace has been selected. */
  relist(): void {
    this.#resourceVersion = undefined;
    this.#wake.abort();
  }

  close(): void {
    this.#ending.abort();
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      this.#wake = new AbortController();
      const { signal } = this.#wake;
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal);
        await this.#watch(signal);
      } catch (cause) {
        if (signal.aborted || isSilence(cause)) continue;
        const ms = this.#failed(cause);
        await pause(ms, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Takes note of a failure, and says how long to wait. */
  #failed(cause: unknown): number {
    const { resource } = this.#options;
    const status = cause instanceof KubeError ? cause.status : 0;
    this.#failures++;
    if (status === 410) {
      this.#resourceVersion = undefined;
      return this.#backOff.nextMs() / 10;
    }
    if (status === 404) return this.#absent();
    if (status === 403) {
      this.#isSynced ||= resource.dispensable;
      this.#resourceVersion = undefined;
      this.#set('denied', messageOf(cause));
      return this.#absentMs();
    }
    this.#set('broken', reasonOf(cause));
    return this.#backOff.nextMs();
  }

  /** The next version may be served; when none is, nobody has defined the resource. */
  #absent(): number {
    const { resource, sink } = this.#options;
    this.#resourceVersion = undefined;
    this.#version = (this.#version + 1) % resource.versions.length;
    if (this.#version !== 0) return 0;
    if (++this.#absences >= ABSENT_TIMES || !this.#isSynced) {
      sink.replace([]);
      this.#isSynced = true;
    }
    this.#set('absent', 'the API server has no such resource');
    return this.#absentMs();
  }

  #absentMs(): number {
    const { random, absentMs = ABSENT_MS } = this.#options;
    return absentMs * (0.5 + random.float());
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { resource, client, sink, pageObjects = PAGE_OBJECTS } = this.#options;
    const objects: KubeDocument[] = [];
    let resourceVersion = '';
    let next: string | undefined = '';
    while (next !== undefined) {
      const query = this.#query({ limit: String(pageObjects), ...(next !== '' && { continue: next }) });
      const page = listOf(await jsonOf(await client.stream(query, signal)));
      for (const item of page.items) {
        const kept = resource.trim(this.#named(item));
        if (kept !== undefined) objects.push(kept);
      }
      resourceVersion = page.resourceVersion;
      next = page.next;
    }
    this.#resourceVersion = resourceVersion;
    this.#relists++;
    this.#absences = 0;
    this.#isSynced = true;
    sink.replace(objects);
    this.#set('current', '');
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, clock, random, watchMs = WATCH_MS } = this.#options;
    const startMs = clock.nowMs();
    const timeoutSeconds = String(Math.ceil(watchMs * (1 + random.float()) / 1000));
    const query = this.#query({
      watch: 'true', allowWatchBookmarks: 'true', resourceVersion: this.#resourceVersion ?? '', timeoutSeconds,
    });
    const { body } = await client.stream(query, signal);
    const lines = new EventLines();
    this.#set('current', '');
    for await (const chunk of body) for (const event of lines.push(chunk)) this.#take(event);
    // What proves that the server is well is a watch that lasts.
    if (clock.nowMs() - startMs < SHORT_WATCH_MS) throw new Error('the API server ended the watch at once');
    this.#backOff.reset();
  }

  #take({ type, object }: WatchEvent): void {
    const { resource, sink } = this.#options;
    if (type === 'ERROR') throw statusError(object);
    const version = metaOf(object)['resourceVersion'];
    if (type === 'ADDED' || type === 'MODIFIED') {
      const kept = resource.trim(this.#named(object));
      if (kept === undefined) sink.remove(object);
      else sink.put(kept);
    } else if (type === 'DELETED') {
      sink.remove(object);
    } else if (type !== 'BOOKMARK') {
      throw new Error(`unknown event '${type.slice(0, 20)}' in the watch`);
    }
    if (typeof version === 'string' && version !== '') this.#resourceVersion = version;
    this.#backOff.reset();
  }

  /** Items of a list do not say what they are. */
  #named(object: KubeDocument): KubeDocument {
    const { group, kind, versions } = this.#options.resource;
    const version = versions[this.#version]!;
    return { ...object, apiVersion: group === '' ? version : `${group}/${version}`, kind };
  }

  #query(parameters: Readonly<Record<string, string>>): string {
    const { resource, namespace } = this.#options;
    const { fieldSelector } = resource;
    const query = new URLSearchParams({ ...parameters, ...(fieldSelector !== undefined && { fieldSelector }) });
    return `${resourcePath(resource, resource.versions[this.#version]!, namespace)}?${query.toString()}`;
  }

  #set(state: WatchState, reason: string): void {
    if (this.#state === state && this.#reason === reason) return;
    if (this.#state !== state) this.#sinceMs = this.#options.clock.wallMs();
    this.#state = state;
    this.#reason = reason;
    this.#options.sink.onState();
  }
}

interface Page {
  readonly items: readonly KubeDocument[];
  readonly resourceVersion: string;
  readonly next: string | undefined;
}

function listOf(value: unknown): Page {
  const { items, metadata } = isRecord(value) ? value : {};
  if (!Array.isArray(items) || !isRecord(metadata)) throw new Error('the API server answered without a list');
  const { resourceVersion, continue: next } = metadata;
  if (typeof resourceVersion !== 'string') throw new Error('the API server answered a list without its version');
  return {
    items: items.filter(isRecord), resourceVersion,
    next: typeof next === 'string' && next !== '' ? next : undefined,
  };
}

/** A watch's last word (metav1.Status). */
function statusError({ code, reason, message }: Record<string, unknown>): KubeError {
  const text = typeof message === 'string' ? message.slice(0, 300) : 'the API server ended the watch';
  return new KubeError(typeof code === 'number' ? code : 500, typeof reason === 'string' ? reason : '', text);
}

/** Where there are no bookmarks a watch may have nothing to say: asking again shows whether anybody is there. */
function isSilence(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'UND_ERR_BODY_TIMEOUT';
}

function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return messageOf(inner) || 'the connection broke';
}

function metaOf({ metadata }: Record<string, unknown>): Record<string, unknown> {
  return isRecord(metadata) ? metadata : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
