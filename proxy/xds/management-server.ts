// Where a management server is, and how a channel to it is made: from the static cluster that configuration names.
import { isIP } from 'node:net';
import type { PeerCertificate, SecureContext } from 'node:tls';
import { Client, credentials } from '@grpc/grpc-js';
import type { ChannelCredentials, ClientOptions } from '@grpc/grpc-js';
import { ConfigError } from '../base/error.ts';
import type { Address } from '../config/address.ts';
import type { Cluster } from '../config/cluster.ts';
import { DISCOVERY_MESSAGE_BYTES_MAX } from '../config/discovery.ts';
import { msOr } from '../config/duration.ts';
import { LIMITS } from '../config/limits.ts';
import type { UpstreamTlsContext } from '../config/tls.ts';
import { TrackedCredentials } from './tracked-credentials.ts';
import { upstreamTls } from '../config/upstream-tls.ts';

/** TLS to one server. */
export interface ServerTls {
  readonly secureContext: SecureContext;
  /** Whether OpenSSL's verdict on the chain counts. */
  readonly verified: boolean;
  /** Why the server's certificate is refused, after its chain was accepted. */
  judge(certificate: PeerCertificate): Error | undefined;
}

/**
 * Makes TLS from a cluster's transport socket each time that a connection is opened, so that renewed certificates are
 * used; throws an Error that says what is missing.
 */
export type GetServerTls = (context: UpstreamTlsContext) => ServerTls;

/** A connection to one endpoint. */
export interface ServerConnection {
  readonly client: Client;
  close(): void;
}

/** A channel is given up and made anew when one fails: grpc-js's own attempts and backing off are not used. */
const CHANNEL: ClientOptions = {
  'grpc.max_receive_message_length': DISCOVERY_MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': DISCOVERY_MESSAGE_BYTES_MAX,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0, // an http_proxy of the environment is for applications
};

export class ManagementServer {
  /** The cluster's name. */
  readonly name: string;
  readonly connectTimeoutMs: number;
  readonly #addresses: readonly Address[];
  readonly #tls: UpstreamTlsContext | undefined;
  readonly #getTls: GetServerTls;
  readonly #authority: string | undefined;
  #next = 0;

  /** A ConfigError for a cluster that cannot be one of a management server. */
  constructor(cluster: Cluster, authority: string | undefined, getTls: GetServerTls) {
    this.name = cluster.name;
    this.connectTimeoutMs = msOr(cluster.connectTimeout, LIMITS.connectTimeoutMs);
    this.#addresses = addressesOf(cluster);
    this.#tls = upstreamTls(cluster.transportSocket)?.tls;
    this.#getTls = getTls;
    this.#authority = authority;
  }

  /** A client to the next endpoint, which connects when it is used. Throws when TLS cannot be made. */
  connect(keepaliveMs: number): ServerConnection {
    const address = this.#addresses[this.#next % this.#addresses.length]!;
    const options: ClientOptions = { ...CHANNEL, 'grpc.keepalive_time_ms': keepaliveMs };
    if (this.#authority !== undefined) options['grpc.default_authority'] = this.#authority;
    const channel = new TrackedCredentials(this.#credentials(address, options));
    this.#next++;
    const client = new Client(targetOf(address), channel, options);
    const close = (): void => {
      client.close();
      channel.destroySockets();
    };
    return { client, close };
  }

  /** Where the next client connects, for the log. */
  get address(): string {
    return textOf(this.#addresses[this.#next % this.#addresses.length]!);
  }

  #credentials(address: Address, options: ClientOptions): ChannelCredentials {
    if (this.#tls === undefined) return credentials.createInsecure();
    const { secureContext, verified, judge } = this.#getTls(this.#tls);
    const host = address.socketAddress?.address ?? '';
    // grpc-js needs some server name, and an address is none (RFC 6066 section 3).
    options['grpc.ssl_target_name_override'] = this.#tls.sni ?? (host === '' || isIP(host) !== 0 ? 'localhost' : host);
    const checkServerIdentity = (_name: string, certificate: PeerCertificate): Error | undefined => judge(certificate);
    return credentials.createFromSecureContext(secureContext, { checkServerIdentity, rejectUnauthorized: verified });
  }
}

function addressesOf(cluster: Cluster): readonly Address[] {
  if (cluster.type === 'EDS') {
    const reason = 'a management server cannot be found by EDS; use STATIC or STRICT_DNS';
    throw new ConfigError('type', reason, `cluster ${cluster.name}`);
  }
  const localities = cluster.loadAssignment?.endpoints ?? [];
  const addresses = localities.flatMap(({ lbEndpoints = [] }) => lbEndpoints.map(({ endpoint }) => endpoint.address));
  if (addresses.length > 0) return addresses;
  throw new ConfigError('loadAssignment', 'has no endpoint for the management server', `cluster ${cluster.name}`);
}

function targetOf(address: Address): string {
  const { socketAddress, pipe } = address;
  if (pipe !== undefined) return `unix:${pipe.path}`;
  const text = textOf(address);
  if (isIP(socketAddress!.address) === 0) return `dns:${text}`;
  return `ipv${isIP(socketAddress!.address)}:${text}`;
}

function textOf({ socketAddress, pipe }: Address): string {
  if (pipe !== undefined) return pipe.path;
  const { address, portValue } = socketAddress!;
  return isIP(address) === 6 ? `[${address}]:${portValue}` : `${address}:${portValue}`;
}
