// The agent's certificate for other proxies on this machine: Envoy's SDS on a unix socket of this user alone.
import { createServer } from 'node:net';
import type { Server as NetServer, Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { SecretService } from '../../certs/sds-server.ts';
import type { SecretValue } from '../../certs/sds-service.ts';
import type { Secret } from '../config/tls.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { Gauge, Stats } from '../telemetry/stats.ts';
import { AGENT_SCOPE } from './agent-stats.ts';
import type { AgentLog } from './agent-stats.ts';
import { listenPrivately } from './private-socket.ts';

/** Requests are some names. */
const MESSAGE_BYTES_MAX = 65_536;
const CONNECTIONS_MAX = 100;

export interface AgentSdsOptions {
  readonly path: string;
  /** Of the workload and of its trust domain, as the SPIFFE Workload API names its secrets. */
  readonly spiffeId: () => string | undefined;
  readonly trustDomain: string;
  readonly stats: Stats;
  readonly log: AgentLog;
}

/**
 * Serves what it is given: `default` or the workload's SPIFFE id, and `ROOTCA` or the trust domain's. There is one
 * identity, the agent's own; who may use it is whom the system lets open the socket (S61).
 */
export class AgentSds {
  readonly #options: AgentSdsOptions;
  readonly #secrets = new Map<string, SecretValue>();
  readonly #grpc = new Server({
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_concurrent_streams': 100,
    'grpc.max_metadata_size': 16_384,
  });
  readonly #service: SecretService;
  readonly #net: NetServer;
  readonly #sockets = new Set<Socket>();
  readonly #streams: Gauge;
  readonly #sent: Gauge;
  readonly #refused: Gauge;
  #remove: (() => void) | undefined = undefined;

  constructor(options: AgentSdsOptions) {
    this.#options = options;
    const { log, stats } = options;
    this.#service = new SecretService(this.#grpc, {
      source: { get: (name) => this.#secretOf(name) },
      onRefusal: (caller, reason) => log.warning(`agent: SDS client ${caller}: ${reason}`),
      onCount: ({ streams, sent, refused }) => {
        this.#streams.set(streams);
        this.#sent.set(sent);
        this.#refused.set(refused);
      },
    });
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#net = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
      injector.injectConnection(socket);
    });
    this.#net.maxConnections = CONNECTIONS_MAX;
    this.#streams = stats.gauge(statName(AGENT_SCOPE, 'sds_streams'));
    this.#sent = stats.gauge(statName(AGENT_SCOPE, 'sds_sent'));
    this.#refused = stats.gauge(statName(AGENT_SCOPE, 'sds_refused'));
  }

  /** Rejects with a ConfigError when the socket cannot be there for this user alone. */
  async start(): Promise<void> {
    this.#remove = await listenPrivately(this.#net, this.#options.path);
    this.#options.log.info(`agent: certificates for other proxies on ${this.#options.path}`);
  }

  /** A secret of the agent is new. */
  take({ name, tlsCertificate, validationContext }: Secret): void {
    const certificateChain = tlsCertificate?.certificateChain?.inlineString;
    const privateKey = tlsCertificate?.privateKey?.inlineString;
    const trustedCa = validationContext?.trustedCa?.inlineString;
    this.#secrets.set(name, {
      name,
      ...(certificateChain !== undefined && privateKey !== undefined && { certificateChain, privateKey }),
      ...(trustedCa !== undefined && { trustedCa }),
    });
    this.#service.update();
  }

  stop(): void {
    this.#remove?.();
    this.#net.close();
    this.#grpc.forceShutdown();
    for (const socket of this.#sockets) socket.destroy();
  }

  #secretOf(asked: string): SecretValue | undefined {
    const { spiffeId, trustDomain } = this.#options;
    let name = asked;
    if (asked === spiffeId()) name = 'default';
    else if (asked === `spiffe://${trustDomain}`) name = 'ROOTCA';
    const secret = this.#secrets.get(name);
    return secret === undefined ? undefined : { ...secret, name: asked };
  }
}
