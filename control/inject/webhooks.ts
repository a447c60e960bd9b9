// The control plane's webhooks: the server that the API server asks, and what it keeps in the cluster for them.
import { statSync } from 'node:fs';
import type { CertificateAuthority } from '../../certs/ca.ts';
import { serverHosts } from '../../certs/server.ts';
import type { Clock } from '../../proxy/base/clock.ts';
import { messageOf } from '../../proxy/base/error.ts';
import { joinHostPort, type HostPort } from '../../proxy/base/host-port.ts';
import type { TimerWheel } from '../../proxy/base/timers.ts';
import type { KubernetesOptions } from '../source/open.ts';
import { ClusterKeeper } from './cluster-keeper.ts';
import { IGNORED_NAMESPACES } from './injection-decision.ts';
import { defined, type InjectionSettings } from './injection-settings.ts';
import { readInjectionSettings, type SettingsFiles } from './settings-file.ts';
import { WebhookServer, type WebhookCounters } from './webhook-server.ts';

export interface WebhookOptions extends SettingsFiles {
  readonly listen: HostPort;
  /** Of the webhook configurations in the cluster that get the roots. */
  readonly name: string;
  /** Comes before what the files say. */
  readonly given?: { readonly [K in 'image' | 'initImage' | 'revision']?: string | undefined };
}

export interface WebhookParts {
  readonly ca: CertificateAuthority;
  /** More names by which the API server calls it. */
  readonly hosts: readonly string[];
  /** The cluster to keep; undefined: somebody else does it. */
  readonly kubernetes: KubernetesOptions | undefined;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: { info(line: string): void; warning(line: string): void };
}

export class Webhooks {
  readonly address: HostPort;
  readonly #server: WebhookServer;
  readonly #end: () => Promise<void>;

  private constructor(server: WebhookServer, address: HostPort, end: () => Promise<void>) {
    this.#server = server;
    this.address = address;
    this.#end = end;
  }

  get counters(): Readonly<WebhookCounters> {
    return this.#server.counters;
  }

  /** Rejects with a ConfigError for files that cannot be read, or an address that cannot be bound. */
  static async start(options: WebhookOptions, parts: WebhookParts): Promise<Webhooks> {
    const { ca, hosts, clock, wheel, log, kubernetes } = parts;
    const settings = await LiveSettings.read(options, ca.trustDomain, log);
    const { host, port } = options.listen;
    const keeper = kubernetes === undefined ? undefined : await keepCluster(kubernetes, options.name, parts);
    const server = new WebhookServer({
      listen: options.listen, hosts: serverHosts(joinHostPort(host, port), hosts), ca, clock, wheel,
      settings: () => settings.now(), onInjected: (namespace) => keeper?.seen(namespace),
        warning: (line) => log.warning(line),
    });
    const address = await server.listen();
    return new Webhooks(server, address, async () => {
      await keeper?.close();
      await server.close();
    });
  }

  close(): Promise<void> {
    return this.#end();
  }
}

async function keepCluster(
  kubernetes: KubernetesOptions, webhookName: string, { ca, log }: WebhookParts,
): Promise<Pick<ClusterKeeper, 'seen' | 'close'>> {
  const { KubeClient } = await import('../source/kube-client.ts');
  const api = await KubeClient.load(kubernetes);
  const keeper = new ClusterKeeper({ api, webhookName, roots: () => ca.roots, ignored: IGNORED_NAMESPACES, log });
  ca.subscribe(() => keeper.now());
  keeper.start();
  return {
    seen: (namespace) => keeper.seen(namespace),
    close: async () => {
      await keeper.close();
      await api.close();
    },
  };
}

/** Read again when a file has changed: a ConfigMap that is mounted changes in place. What cannot be read is said. */
class LiveSettings {
  readonly #options: WebhookOptions;
  readonly #trustDomain: string;
  readonly #warning: (line: string) => void;
  #settings: InjectionSettings;
  #seen: string;

  private constructor(
    options: WebhookOptions, trustDomain: string, warning: (line: string) => void, settings: InjectionSettings,
  ) {
    this.#options = options;
    this.#trustDomain = trustDomain;
    this.#warning = warning;
    this.#settings = settings;
    this.#seen = versionOf(options);
  }

  static async read(
    options: WebhookOptions, trustDomain: string, log: WebhookParts['log'],
  ): Promise<LiveSettings> {
    const { settings, warnings } = await readInjectionSettings(options);
    for (const line of warnings) log.warning(line);
    const full = defined(settings, { ...options.given, trustDomain });
    return new LiveSettings(options, trustDomain, (line) => log.warning(line), full);
  }

  now(): InjectionSettings {
    const version = versionOf(this.#options);
    if (version !== this.#seen) {
      this.#seen = version;
      void this.#again();
    }
    return this.#settings;
  }

  async #again(): Promise<void> {
    try {
      const { settings } = await readInjectionSettings(this.#options);
      this.#settings = defined(settings, { ...this.#options.given, trustDomain: this.#trustDomain });
    } catch (cause) {
      this.#warning(`injection goes on as before: ${messageOf(cause)}`);
    }
  }
}

function versionOf({ mesh, values }: SettingsFiles): string {
  return [mesh, values].map((file) => {
    const stat = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
    return stat === undefined ? '' : `${stat.ino}:${stat.mtimeMs}`;
  }).join();
}
