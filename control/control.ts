// The control plane, put together: source, model, registry, translation, snapshots, xDS; with its CA and HTTP side.
import { addCaService, controlPlaneIdentity, serverHosts } from '../certs/server.ts';
import type { CaServices } from '../certs/server.ts';
import { recordIssuances, recordRefusal, recordRoots } from '../certs/issuance-audit.ts';
import { auditLine, CertificateAuthority } from '../certs/ca.ts';
import type { IssuanceRecord } from '../certs/ca.ts';
import { certificateId } from '../certs/issuer.ts';
import { LiveStore } from '../certs/live-store.ts';
import { RotatingServerCredentials } from '../certs/server-credentials.ts';
import type { SpiffeId } from '../certs/spiffe.ts';
import { TokenAuthority } from '../certs/token.ts';
import type { Authenticator } from '../certs/token.ts';
import { ServerCredentials, type Server } from '@grpc/grpc-js';
import { systemClock, type Clock } from '../proxy/base/clock.ts';
import { messageOf } from '../proxy/base/error.ts';
import { joinHostPort } from '../proxy/base/host-port.ts';
import type { HostPort } from '../proxy/base/host-port.ts';
import { AuditLog } from '../proxy/base/audit-log.ts';
import { TimerWheel } from '../proxy/base/timers.ts';
import type { DiscoveryNode } from '../proxy/config/discovery.ts';
import { Wire } from '../proxy/config/wire.ts';
import { auditStatus, ConfigAudit } from './config-audit.ts';
import { FetchedKeySets } from './keys/key-sets.ts';
import type { SafeFetch } from './keys/safe-fetch.ts';
import { listenFault } from './listen-fault.ts';
import { HttpReaders, type HttpReadersOptions } from './http-readers.ts';
import { startHttpServer, type HttpServerHandle } from './http-server.ts';
import { MeshState, type ControlLog } from './mesh-state.ts';
import { authorise, isLoopback } from './peer-authorisation.ts';
import { listenXds, makeXdsServer } from './push/listen.ts';
import { PushServer } from './push/push-server.ts';
import { SnapshotBuilder } from './push/snapshot.ts';
import type { WebhookOptions, Webhooks } from './inject/webhooks.ts';
import { openSource, type SourceOptions } from './source/open.ts';
import type { Source, SourceState } from './source/source.ts';
import type { ControlStatus } from './status.ts';
import { TraceStore } from './traces/trace-store.ts';
import { isForEverybody } from './translate/mesh-trust.ts';
import { MESH_DEFAULTS, type MeshSettings } from './translate/mesh-settings.ts';
import { parseProxyNode } from './translate/proxy-node.ts';
import type { Translator } from './translate/proxy-resources.ts';

export interface ControlOptions extends SourceOptions {
  /** Folder of the authority's keys; made when missing. */
  readonly caDir: string;
  /** Of keys that are encrypted at rest. */
  readonly caPassphrase?: string | undefined;
  /** Folder of the audit log; none is kept without. */
  readonly auditDir?: string | undefined;
  /** Who may ask for a certificate, beside those with the authority's own tokens. Default nobody. */
  readonly authenticator?: (own: TokenAuthority, trustDomain: string) => Authenticator;
  /** xDS in plaintext. Default 127.0.0.1:15010; port 0 takes a free one, here and below. */
  readonly xds?: HostPort;
  /** xDS and the certificate authority over TLS. Default 127.0.0.1:15012. */
  readonly secure?: HostPort;
  /** Spans, traces, status. Default 127.0.0.1:15080. */
  readonly http?: HostPort;
  /** Who may read there, beside callers on this machine. Default nobody. */
  readonly httpReaders?: Omit<HttpReadersOptions, 'warn'>;
  /** For a new root. Default cluster.local. */
  readonly trustDomain?: string | undefined;
  /** More names by which the TLS port is reached. */
  readonly hosts?: readonly string[];
  /** Private networks where issuers' keys may be fetched, as CIDR blocks. Default none. */
  readonly jwksNetworks?: readonly string[];
  /** Roots by which issuers are known in place of the system's, as PEM. */
  readonly jwksRoots?: readonly string[];
  /** Kubernetes' admission webhooks. Default none. */
  readonly webhooks?: WebhookOptions | undefined;
  readonly settings?: Partial<Omit<MeshSettings, 'trustDomain'>>;
  readonly log: ControlLog;
  readonly clock?: Clock;
}

export interface ControlHandle {
  /** As bound. */
  readonly xds: HostPort;
  readonly secure: HostPort;
  readonly http: HostPort;
  /** undefined without webhooks. */
  readonly webhook: HostPort | undefined;
  /** PEM file of the roots, for sidecars. */
  readonly rootFile: string;
  readonly trustDomain: string;
  /** A workload token of one hour. */
  mintToken(identity: SpiffeId): Promise<string>;
  status(): ControlStatus;
  close(): Promise<void>;
}

const XDS_DEFAULT: HostPort = { host: '127.0.0.1', port: 15_010 };
const SECURE_DEFAULT: HostPort = { host: '127.0.0.1', port: 15_012 };
const HTTP_DEFAULT: HostPort = { host: '127.0.0.1', port: 15_080 };

/** Rejects with one line when the folder is missing or an address cannot be bound; then nothing is left running. */
export async function startControl(options: ControlOptions): Promise<ControlHandle> {
  const control = new Control(options);
  try {
    return await control.start();
  } catch (cause) {
    await control.close();
    throw cause;
  }
}

/** Proxies of which it is remembered that they were warned about. */
const SAID_MAX = 1000;

/** Keys are for those who have shown who they are, on this machine too (S100). */
function withoutSecrets(id: string, secrets: readonly { readonly name?: string }[]): string {
  const names = secrets.map(({ name }) => name).join(', ');
  return `${id} gets no ${names}: it shows no certificate of the mesh; let it connect to the port of --secure`;
}

class Control {
  readonly #options: ControlOptions;
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #traces = new TraceStore();
  #source: Source | undefined = undefined;
  #state: MeshState | undefined = undefined;
  #push: PushServer | undefined = undefined;
  #audit: AuditLog | undefined = undefined;
  #changes: ConfigAudit | undefined = undefined;
  #http: HttpServerHandle | undefined = undefined;
  #store: LiveStore | undefined = undefined;
  #services: CaServices | undefined = undefined;
  #credentials: RotatingServerCredentials | undefined = undefined;
  #keySets: FetchedKeySets | undefined = undefined;
  #fetch: SafeFetch | undefined = undefined;
  #webhooks: Webhooks | undefined = undefined;
  readonly #servers: Server[] = [];

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#wheel = new TimerWheel(this.#clock);
  }

  async start(): Promise<ControlHandle> {
    const { caDir, trustDomain, log } = this.#options;
    const rootNamespace = this.#options.settings?.rootNamespace ?? MESH_DEFAULTS.rootNamespace;
    const source = await openSource(this.#options, { clock: this.#clock, rootNamespace, log });
    this.#source = source;
    let objects = await source.start((state) => {
      // What comes while the rest is started is not lost.
      objects = state;
      this.#state?.update(state);
      this.#changes?.update(state);
    });
    const live = this.#openStore(caDir, trustDomain);
    const store = live.current;
    this.#startAudit(source.name, objects);
    const http = await this.#startHttp(this.#options.http ?? HTTP_DEFAULT);
    this.#keySets = this.#makeKeySets();
    const state = new MeshState({
      sourceName: source.name, settings: this.#settings(live, http), log, clock: this.#clock, keySets: this.#keySets,
      onChange: () => {
        this.#push?.refresh();
        this.#writeStatuses();
      },
    });
    state.start(objects);
    this.#state = state;
    this.#writeStatuses();
    const push = this.#makePush(state, live);
    this.#push = push;
    const plaintext = ServerCredentials.createInsecure();
    const xds = await this.#listen(this.#server(push), this.#options.xds ?? XDS_DEFAULT, plaintext);
    const tokens = new TokenAuthority({ key: store.tokenKey, trustDomain: store.trustDomain, clock: this.#clock });
    const secure = await this.#startSecure(live, tokens, push);
    return {
      xds, secure, http, webhook: this.#webhooks?.address,
      rootFile: store.rootFile,
      trustDomain: store.trustDomain,
      mintToken: (identity) => tokens.mint(identity),
      status: () => this.#status(),
      close: () => this.close(),
    };
  }

  /** Into the API that objects are from, where it is one. */
  #writeStatuses(): void {
    if (this.#source?.writeStatuses === undefined || this.#options.kubernetes === undefined) return;
    this.#source.writeStatuses(this.#state?.wantedStatuses() ?? []);
  }

  /** Proxies keep what they run. */
  async close(): Promise<void> {
    this.#state?.close();
    await this.#source?.close();
    await this.#webhooks?.close();
    this.#keySets?.close();
    await this.#fetch?.close();
    this.#store?.close();
    this.#services?.close();
    this.#credentials?.stop();
    this.#push?.close();
    for (const server of this.#servers) server.forceShutdown();
    await this.#http?.close();
    await this.#audit?.close();
  }

  #startAudit(source: string, objects: SourceState): void {
    const { auditDir: folder, configDir, log } = this.#options;
    if (folder === undefined) return;
    const onFault = (reason: string): void => log.warning(`audit log in ${folder}: ${reason}`);
    this.#audit = AuditLog.open({ folder, clock: this.#clock, onFault });
    this.#changes = new ConfigAudit(this.#audit, source, configDir);
    this.#changes.start(objects);
  }

  /** Read again when its files change: a root rotation needs no restart. */
  #openStore(dir: string, trustDomain: string | undefined): LiveStore {
    const { log, caPassphrase: passphrase } = this.#options;
    const onFailure = (reason: string): void => log.warning(`${reason}; what was read before stays in use`);
    this.#store = new LiveStore({ dir, trustDomain, passphrase, clock: this.#clock, wheel: this.#wheel, onFailure });
    return this.#store;
  }

  #makeKeySets(): FetchedKeySets {
    return new FetchedKeySets({
      clock: this.#clock, wheel: this.#wheel, log: this.#options.log,
      fetch: async (uri, timeoutMs) => (await this.#safeFetch()).get(uri, timeoutMs),
      onChange: () => {
        this.#state?.rebuild();
        this.#push?.refresh();
      },
    });
  }

  /** Loaded when a rule names an issuer without keys. */
  async #safeFetch(): Promise<SafeFetch> {
    const { jwksNetworks: networks = [], jwksRoots: roots } = this.#options;
    const { SafeFetch: Fetch } = await import('./keys/safe-fetch.ts');
    return this.#fetch ??= new Fetch({ networks, roots });
  }

  async #startHttp({ host, port }: HostPort): Promise<HostPort> {
    const { httpReaders, log } = this.#options;
    const readers = new HttpReaders({ ...httpReaders, warn: (line) => log.warning(line) });
    this.#http = await startHttpServer({ host, port, traces: this.#traces, readers, status: () => this.#status() });
    return { host, port: this.#http.port };
  }

  /** Spans come here, unless the settings name another collector. */
  #settings(store: LiveStore, http: HostPort): MeshSettings {
    const isAnywhere = http.host === '0.0.0.0' || http.host === '::';
    const zipkin = { host: isAnywhere ? '127.0.0.1' : http.host, port: http.port };
    const roots = (): string => store.current.roots.map(String).join('');
    return { ...MESH_DEFAULTS, zipkin, roots, ...this.#options.settings, trustDomain: store.current.trustDomain };
  }

  /** One resource object is encoded once, whichever proxies it goes to. */
  #makePush(state: MeshState, store: LiveStore): PushServer {
    const { log } = this.#options;
    const wire = new Wire((line) => log.warning(line));
    const builder = new SnapshotBuilder(wire);
    const said = new Set<string>();
    const anonymousFromAnywhere = !isLoopback(`${(this.#options.xds ?? XDS_DEFAULT).host}:0`);
    return new PushServer({
      wire, log,
      clock: this.#clock,
      wheel: this.#wheel,
      snapshotFor: (node, isVerified) => {
        const proxy = parseProxyNode(node);
        if (typeof proxy === 'string') return proxy;
        const { secrets = [], ...resources } = state.translator.resourcesFor(proxy);
        const given = isVerified ? secrets : secrets.filter(isForEverybody);
        if (given.length < secrets.length && !said.has(proxy.id)) {
          if (said.size < SAID_MAX) said.add(proxy.id);
          log.warning(withoutSecrets(proxy.id, secrets));
        }
        return builder.build({ ...resources, secrets: given });
      },
      prepare: (node) => prepare(state.translator, builder, node),
      authorise: (node, peer) => authorise(node, peer, {
        store: store.current, clock: this.#clock, anonymousFromAnywhere,
      }),
    });
  }

  async #startSecure(store: LiveStore, tokens: TokenAuthority, push: PushServer): Promise<HostPort> {
    const { log, hosts } = this.#options;
    const address = this.#options.secure ?? SECURE_DEFAULT;
    const clock = this.#clock;
    const recorded = this.#audit === undefined ? undefined : recordIssuances(this.#audit);
    const audit = (record: IssuanceRecord): void => {
      recorded?.(record);
      log.info(auditLine(record));
    };
    const ca = new CertificateAuthority({ store: store.current, clock, audit });
    store.subscribe((next) => {
      ca.use(next);
      // Bundles of trust domains have the roots in them.
      this.#state?.rebuild();
      push.refresh();
      if (this.#audit !== undefined) recordRoots(this.#audit, next);
      log.info(`${next.roots.length} roots are trusted, ${certificateId(next.roots[0]!)} signs`);
    });
    await this.#startWebhooks(ca);
    const server = this.#server(push);
    const onRefusal = (caller: string, reason: string): void => {
      if (this.#audit !== undefined) recordRefusal(this.#audit, caller, reason);
      log.warning(`refused ${caller}: ${reason}`);
    };
    const authenticator = this.#options.authenticator?.(tokens, ca.trustDomain) ?? tokens;
    this.#services = addCaService(server, { ca, authenticator, clock, onRefusal });
    this.#credentials = new RotatingServerCredentials({
      ca, clock,
      identity: controlPlaneIdentity(ca.trustDomain),
      hosts: serverHosts(joinHostPort(address.host, address.port), hosts),
      wheel: this.#wheel,
      clientCertificates: 'optional',
      onFailure: (cause) => log.warning(`the server's certificate is not renewed: ${messageOf(cause)}`),
    });
    return this.#listen(server, address, this.#credentials);
  }

  async #startWebhooks(ca: CertificateAuthority): Promise<void> {
    const { webhooks, hosts = [], kubernetes, log } = this.#options;
    if (webhooks === undefined) return;
    const { Webhooks: Server } = await import('./inject/webhooks.ts');
    this.#webhooks = await Server.start(webhooks, {
      ca, hosts, kubernetes, clock: this.#clock, wheel: this.#wheel, log,
    });
  }

  #server(push: PushServer): Server {
    const server = makeXdsServer(push);
    this.#servers.push(server);
    return server;
  }

  async #listen(server: Server, address: HostPort, credentials: ServerCredentials): Promise<HostPort> {
    const { host } = address;
    const wanted = joinHostPort(host, address.port);
    try {
      return { host, port: await listenXds(server, wanted, credentials) };
    } catch (cause) {
      throw listenFault(cause, wanted);
    }
  }

  #status(): ControlStatus {
    const empty = { source: this.#source?.name ?? '', files: 0, objects: 0, warnings: [] };
    const watches = this.#source?.watches?.() ?? [];
    return {
      proxies: this.#push?.receipts.list() ?? [],
      config: this.#state?.status() ?? empty,
      ...(watches.length > 0 && { watches }),
      refusedFiles: this.#state?.refusedFiles() ?? [],
      traces: { ...this.#traces.counts, kept: this.#traces.size },
      ...(this.#audit !== undefined && { audit: auditStatus(this.#audit, this.#options.auditDir ?? '') }),
    };
  }
}

/** Translates and encodes for a node, so that its snapshot is quickly made. */
function* prepare(
  translator: Translator, builder: SnapshotBuilder, node: DiscoveryNode,
): Generator<void, void, undefined> {
  const proxy = parseProxyNode(node);
  if (typeof proxy === 'string') return;
  yield* translator.steps(proxy);
  yield* builder.steps(translator.resourcesFor(proxy));
}
