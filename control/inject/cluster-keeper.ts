// What a cluster must know of the mesh's roots: the webhooks' caBundle, and a ConfigMap in each namespace for sidecars.
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../proxy/base/error.ts';
import { jsonPatch } from './json-patch.ts';
import { isRecord, type Values } from './pod.ts';
import { ROOT_CONFIG_MAP, ROOT_KEY } from './sidecar-volumes.ts';

/** One call of the Kubernetes API; a KubeError has `status`. */
export interface ApiCaller {
  call(method: string, path: string, body?: unknown, type?: string): Promise<unknown>;
}

export interface ClusterKeeperOptions {
  readonly api: ApiCaller;
  /** PEM, as they are now. */
  roots(): string;
  /** Of the MutatingWebhookConfiguration and the ValidatingWebhookConfiguration. */
  readonly webhookName: string;
  /** Namespaces that never have sidecars. */
  readonly ignored: ReadonlySet<string>;
  readonly log: { info(line: string): void; warning(line: string): void };
  /** Between two looks. Default a minute. */
  readonly everyMs?: number;
  /** After a refusal, and while a webhook is not installed. Default 5 seconds. */
  readonly againMs?: number;
}

const EVERY_MS = 60_000;
const AGAIN_MS = 5000;
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const OWN_LABEL = { 'app.kubernetes.io/managed-by': 'weft', 'istio.io/config': 'true' };
const NAMESPACES_MAX = 10_000;

/** Several control planes may keep one cluster: each writes what is the same. */
export class ClusterKeeper {
  readonly #options: ClusterKeeperOptions;
  readonly #ended = new AbortController();
  #wake = new AbortController();
  #work: Promise<void> = Promise.resolve();
  readonly #kept = new Set<string>();
  /** Webhooks that are not installed. */
  readonly #missing = new Set<string>();
  /** What was said last of each matter, so that it is said once. */
  readonly #said = new Map<string, string>();

  constructor(options: ClusterKeeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#work = this.#run();
  }

  /** The roots have changed. */
  now(): void {
    this.#wake.abort();
  }

  /** A namespace where pods begin to have sidecars needs the roots before the next look. */
  seen(namespace: string): void {
    if (this.#kept.has(namespace) || this.#ended.signal.aborted) return;
    // Further pods find it under way.
    this.#kept.add(namespace);
    void this.#try(`namespace ${namespace}`, () => this.#roots(namespace));
  }

  async close(): Promise<void> {
    this.#ended.abort();
    this.#wake.abort();
    await this.#work;
  }

  async #run(): Promise<void> {
    const { everyMs = EVERY_MS, againMs = AGAIN_MS } = this.#options;
    while (!this.#ended.signal.aborted) {
      this.#wake = new AbortController();
      await this.#rest(await this.keep() ? everyMs : Math.min(everyMs, againMs), againMs);
    }
  }

  /** A webhook that is installed meanwhile does not wait for the next look: without roots it keeps pods away. */
  async #rest(restMs: number, againMs: number): Promise<void> {
    const { signal } = this.#wake;
    for (let leftMs = restMs; leftMs > 0 && !signal.aborted; leftMs -= againMs) {
      await delay(Math.min(leftMs, againMs), undefined, { signal, ref: false }).catch(() => undefined);
      if (this.#missing.size > 0 && !signal.aborted) await this.#webhooks();
    }
  }

  /** Once; what fails is said. True where there is nothing left to write. */
  async keep(): Promise<boolean> {
    const isDone = await this.#webhooks();
    return await this.#try('the namespaces', () => this.#namespaces()) && isDone;
  }

  async #webhooks(): Promise<boolean> {
    const isDone = await this.#try('the mutating webhook', () => this.#bundle('mutatingwebhookconfigurations'));
    return await this.#try('the validating webhook', () => this.#bundle('validatingwebhookconfigurations')) && isDone;
  }

  async #try(what: string, act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      if (this.#said.delete(what)) this.#options.log.info(`${what}: kept again`);
      return true;
    } catch (cause) {
      const reason = `${what}: ${messageOf(cause)}`;
      if (this.#said.get(what) !== reason) this.#options.log.warning(reason);
      this.#said.set(what, reason);
      return false;
    }
  }

  async #bundle(resource: string): Promise<void> {
    const { api, webhookName, roots } = this.#options;
    const path = `${ADMISSION}/${resource}/${webhookName}`;
    const found = await getOrNothing(api, path);
    if (!isRecord(found) || !Array.isArray(found['webhooks'])) {
      this.#missing.add(resource);
      return;
    }
    this.#missing.delete(resource);
    const caBundle = Buffer.from(roots()).toString('base64');
    const webhooks = (found['webhooks'] as Values[]).map((webhook) => (
      { ...webhook, clientConfig: { ...webhook['clientConfig'] as Values, caBundle } }));
    const operations = jsonPatch(found, { ...found, webhooks });
    if (operations.length === 0) return;
    // What somebody else has changed meanwhile is looked at again.
    const version = (found['metadata'] as Values)['resourceVersion'];
    const unchanged = { op: 'test', path: '/metadata/resourceVersion', value: version };
    await api.call('PATCH', path, [unchanged, ...operations], 'application/json-patch+json');
    this.#options.log.info(`${resource} ${webhookName} has the mesh's roots`);
  }

  async #namespaces(): Promise<void> {
    const { api, ignored } = this.#options;
    const kept = new Set<string>();
    let next = '';
    let count = 0;
    do {
      const query = `?limit=500${next === '' ? '' : `&continue=${encodeURIComponent(next)}`}`;
      const list = await api.call('GET', `/api/v1/namespaces${query}`) as {
        items: { metadata: { name: string; deletionTimestamp?: string } }[]; metadata: { continue?: string };
      };
      for (const { metadata: { name, deletionTimestamp } } of list.items) {
        if (ignored.has(name) || deletionTimestamp !== undefined) continue;
        await this.#roots(name);
        kept.add(name);
      }
      count += list.items.length;
      next = list.metadata.continue ?? '';
    } while (next !== '' && count < NAMESPACES_MAX);
    // Those that are gone may come again.
    this.#kept.clear();
    for (const name of kept) this.#kept.add(name);
  }

  async #roots(namespace: string): Promise<void> {
    const { api, roots } = this.#options;
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const data = { [ROOT_KEY]: roots() };
    const found = await getOrNothing(api, `${path}/${ROOT_CONFIG_MAP}`);
    const metadata = { name: ROOT_CONFIG_MAP, namespace, labels: OWN_LABEL };
    if (found === undefined) await api.call('POST', path, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
    else if (!isRecord(found) || !isRecord(found['data']) || found['data'][ROOT_KEY] !== data[ROOT_KEY]) {
      await api.call('PATCH', `${path}/${ROOT_CONFIG_MAP}`, { data }, 'application/merge-patch+json');
    }
  }
}

async function getOrNothing(api: ApiCaller, path: string): Promise<unknown> {
  try {
    return await api.call('GET', path);
  } catch (cause) {
    if (cause instanceof Error && 'status' in cause && cause.status === 404) return undefined;
    throw cause;
  }
}
