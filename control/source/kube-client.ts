// Asks the Kubernetes API server; where it is and who asks, Kubernetes' own client reads from a kubeconfig or the pod.
import { hash } from 'node:crypto';
import type { KubeConfig } from '@kubernetes/client-node';
import type * as Undici from 'undici';
import type { Dispatcher } from 'undici';
import { ConfigError, messageOf } from '../../proxy/base/error.ts';

export interface KubeClientOptions {
  /** Default: $KUBECONFIG, ~/.kube/config, then the pod's own account. */
  readonly kubeconfig?: string | undefined;
  /** One of its contexts. Default its current one. */
  readonly context?: string | undefined;
}

/** What the API server said no with. */
export class KubeError extends Error {
  /** HTTP status; 410 in a watch comes as an event. */
  readonly status: number;
  /** Kubernetes' word: NotFound, Forbidden, Conflict, Expired. */
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.name = 'KubeError';
    this.status = status;
    this.reason = reason;
  }
}

/** An answer whose body is read as it comes. */
export interface KubeStream {
  readonly body: AsyncIterable<Buffer>;
}

interface TlsMaterial {
  ca?: unknown;
  cert?: unknown;
  key?: unknown;
  servername?: unknown;
  rejectUnauthorized?: unknown;
  headers?: Record<string, string>;
  auth?: string;
}

const CONNECT_MS = 10_000;
const HEAD_MS = 60_000;
/** API servers that honour bookmarks say something every minute; where nothing comes for so long, nobody is there. */
const SILENCE_MS = 150_000;
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const MESSAGE_MAX = 300;
const CALL_MS = 15_000;

export class KubeClient {
  /** `https://HOST:PORT` of the API server. */
  readonly url: string;
  /** The context's own; a pod's is the one that it is in. */
  readonly namespace: string | undefined;
  readonly #config: KubeConfig;
  readonly #undici: typeof Undici;
  #agent: Dispatcher | undefined = undefined;
  #agentKey = '';

  private constructor(config: KubeConfig, url: string, undici: typeof Undici) {
    this.#config = config;
    this.url = url.replace(/\/+$/, '');
    this.namespace = config.getContextObject(config.getCurrentContext())?.namespace;
    this.#undici = undici;
  }

  /** Rejects with a ConfigError where the kubeconfig is missing or says too little. */
  static async load(options: KubeClientOptions): Promise<KubeClient> {
    const { KubeConfig: Config } = await import('@kubernetes/client-node');
    const config = new Config();
    const where = options.kubeconfig ?? 'kubeconfig';
    try {
      if (options.kubeconfig === undefined) config.loadFromDefault();
      else config.loadFromFile(options.kubeconfig);
    } catch (cause) {
      throw new ConfigError('', `cannot be read: ${messageOf(cause)}`, where);
    }
    const { context } = options;
    if (context !== undefined && config.getContextObject(context) === null) {
      throw new ConfigError('', `has no context '${context}'`, where);
    }
    if (context !== undefined) config.setCurrentContext(context);
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new ConfigError('', 'names no cluster: set current-context, or give --context', where);
    if (!URL.canParse(cluster.server)) throw new ConfigError('', `'${cluster.server}' is not a URL`, where);
    return new KubeClient(config, cluster.server, await import('undici'));
  }

  /** Opens a path and gives its body; rejects with a KubeError when it is refused. */
  async stream(path: string, signal: AbortSignal): Promise<KubeStream> {
    const answer = await this.#request('GET', path, undefined, 'application/json', signal);
    if (answer.statusCode !== 200) throw await refusal(answer);
    return { body: answer.body };
  }

  /** One call with a JSON answer. `type` is that of the body (`application/merge-patch+json`). */
  async call(method: string, path: string, body?: unknown, type = 'application/json'): Promise<unknown> {
    const signal = AbortSignal.timeout(CALL_MS);
    const answer = await this.#request(method, path, body, type, signal);
    if (answer.statusCode >= 300) throw await refusal(answer);
    return JSON.parse(await limitedText(answer.body));
  }

  async close(): Promise<void> {
    const agent = this.#agent;
    this.#agent = undefined;
    await agent?.destroy();
  }

  async #request(
    method: string, path: string, body: unknown, type: string, signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { dispatcher, headers } = await this.#connection();
    return this.#undici.request(new URL(path, `${this.url}/`), {
      method: method as Dispatcher.HttpMethod, dispatcher, signal,
      headers: { ...headers, accept: 'application/json', 'user-agent': 'weft-control',
        ...(body !== undefined && { 'content-type': type }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  /** Tokens and certificates may be renewed at any time: each call asks for them, connections are kept. */
  async #connection(): Promise<{ dispatcher: Dispatcher; headers: Record<string, string> }> {
    const material: TlsMaterial = {};
    await this.#config.applyToHTTPSOptions(material as Parameters<KubeConfig['applyToHTTPSOptions']>[0]);
    const { ca, cert, key, servername, rejectUnauthorized, headers = {}, auth } = material;
    const tls = { ca, cert, key, servername, rejectUnauthorized };
    const agentKey = hash('sha256', JSON.stringify(tls));
    if (this.#agent === undefined || this.#agentKey !== agentKey) {
      const old = this.#agent;
      this.#agent = this.#newAgent(tls);
      this.#agentKey = agentKey;
      // What is under way on the old connections ends there.
      void old?.close().catch(() => undefined);
    }
    const basic = auth === undefined ? {} : { authorization: `Basic ${Buffer.from(auth).toString('base64')}` };
    return { dispatcher: this.#agent, headers: { ...basic, ...headers } };
  }

  #newAgent(material: Record<string, unknown>): Dispatcher {
    const tls = Object.fromEntries(Object.entries(material).filter(([, value]) => value !== undefined));
    const connect = { ...tls, timeout: CONNECT_MS, keepAlive: true, keepAliveInitialDelay: 30_000 };
    const timeouts = { headersTimeout: HEAD_MS, bodyTimeout: SILENCE_MS, allowH2: false } as const;
    const proxy = this.#config.getCurrentCluster()?.proxyUrl;
    if (proxy === undefined) return new this.#undici.Agent({ connect, ...timeouts });
    if (!/^https?:/.test(proxy)) throw new ConfigError('', `proxy-url '${proxy}' must be http or https`, 'kubeconfig');
    return new this.#undici.ProxyAgent({ uri: proxy, requestTls: connect, ...timeouts });
  }
}

/** Text of a body that may not be endless. */
async function limitedText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of body) {
    total += chunk.length;
    if (total > ANSWER_BYTES_MAX) throw new Error(`the answer is larger than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Reads all of a list's page. */
export async function jsonOf({ body }: KubeStream): Promise<unknown> {
  return JSON.parse(await limitedText(body));
}

async function refusal({ statusCode, body }: Dispatcher.ResponseData): Promise<KubeError> {
  const text = await limitedText(body).catch(() => '');
  let status: { readonly reason?: unknown; readonly message?: unknown } = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) status = parsed;
  } catch {
    // Something before the API server answered: its text says what.
    status = { message: text };
  }
  const message = typeof status.message === 'string' ? status.message.trim().slice(0, MESSAGE_MAX) : '';
  return new KubeError(statusCode, typeof status.reason === 'string' ? status.reason : '',
    message === '' ? `the API server answered ${statusCode}` : message);
}
