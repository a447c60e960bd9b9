// The authority as a gRPC server: Istio's CreateCertificate over TLS, for callers that show a workload token.
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { Server, status } from '@grpc/grpc-js';
import type { Metadata, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { Clock } from '../proxy/base/clock.ts';
import { ConfigError, messageOf } from '../proxy/base/error.ts';
import { Timer } from '../proxy/base/timers.ts';
import type { TimerWheel } from '../proxy/base/timers.ts';
import type { CertificateAuthority } from './ca.ts';
import { CallerRate } from './caller-rate.ts';
import type { RateOptions } from './caller-rate.ts';
import { CA_MESSAGE_BYTES_MAX, istioCaService } from './istio-ca-service.ts';
import type { IstioCertificateRequest, IstioCertificateResponse } from './istio-ca-service.ts';
import { SecretService } from './sds-server.ts';
import { RotatingServerCredentials } from './server-credentials.ts';
import { formatSpiffeId, workloadSpiffeId } from './spiffe.ts';
import type { SpiffeId } from './spiffe.ts';
import type { Authenticator } from './token.ts';

/** How the requests ended since the start. */
export interface CaCounters {
  issued: number;
  unauthenticated: number;
  invalid: number;
  limited: number;
  failed: number;
}

export interface CaServiceOptions {
  readonly ca: CertificateAuthority;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly rate?: RateOptions;
  /** Told of every refusal: who (a peer's address, an identity if known) and why. Default silent. */
  readonly onRefusal?: (caller: string, reason: string) => void;
}

export interface CaServerOptions extends CaServiceOptions {
  /** HOST:PORT; port 0 takes a free one. IPv6 hosts in brackets. */
  readonly listen: string;
  readonly wheel: TimerWheel;
  /** More DNS names and addresses for the server's certificate, beside the listening host, this host and loopback. */
  readonly hosts?: readonly string[];
}

export interface CaServer {
  /** HOST:PORT as bound. */
  readonly address: string;
  readonly counters: Readonly<CaCounters>;
  /** Refuses new calls, lets those under way end, and closes. */
  close(): Promise<void>;
}

/** What was added to a server. */
export interface CaServices {
  readonly counters: Readonly<CaCounters>;
  /** Ends the streams that follow the trust bundle. */
  close(): void;
}

/** The trust bundle's name among secrets, as Istio's configuration asks for it. */
const ROOTS_SECRET = 'ROOTCA';

/**
 * Adds the services to a server that also serves something else: certificates over Istio's CSR call, and over Envoy's
 * SDS the trust bundle, so that a changed one is everywhere at once and not at the next renewal.
 */
export function addCaService(server: Server, options: CaServiceOptions): CaServices {
  const service = new CaService(options);
  const { ca, onRefusal } = options;
  const roots = new SecretService(server, {
    source: { get: (name) => (name === ROOTS_SECRET ? { name, trustedCa: ca.roots } : undefined) },
    authenticate: (metadata) => service.strangerFault(metadata),
    streamsMax: BUNDLE_STREAMS_MAX,
    ...(onRefusal !== undefined && { onRefusal }),
  });
  ca.subscribe(() => roots.update());
  server.addService(istioCaService, {
    createCertificate: (call: Call, callback: sendUnaryData<IstioCertificateResponse>) => {
      service.createCertificate(call.request, call.metadata, call.getPeer()).then(
        (result) => {
          if ('response' in result) callback(null, result.response);
          else callback({ code: result.code, details: result.reason });
        },
        () => callback({ code: status.INTERNAL, details: 'the authority failed; its log says why' }),
      );
    },
  });
  return { counters: service.counters, close: () => roots.close() };
}

/** Sidecars that are told of a changed bundle; others learn it when they renew. */
const BUNDLE_STREAMS_MAX = 10_000;

const CLOSE_PATIENCE_MS = 3000;

/** Options of a grpc-js Server that bound what one peer may hold. */
export const CA_SERVER_LIMITS = {
  'grpc.max_receive_message_length': CA_MESSAGE_BYTES_MAX,
  'grpc.max_concurrent_streams': 100,
  'grpc.max_metadata_size': 32_768,
} as const;

/** The name under which our own servers show themselves. */
export function controlPlaneIdentity(trustDomain: string): SpiffeId {
  const id = workloadSpiffeId(trustDomain, 'weft-system', 'weft-control');
  if (id === undefined) throw new RangeError(`${trustDomain} is no trust domain`);
  return id;
}

/** Starts a server for this service alone. Rejects with a ConfigError when the address cannot be bound. */
export async function startCaServer(options: CaServerOptions): Promise<CaServer> {
  const server = new Server(CA_SERVER_LIMITS);
  const services = addCaService(server, options);
  const credentials = new RotatingServerCredentials({
    ca: options.ca,
    identity: controlPlaneIdentity(options.ca.trustDomain),
    hosts: serverHosts(options.listen, options.hosts),
    clock: options.clock,
    wheel: options.wheel,
    onFailure: (cause) => options.onRefusal?.('own server', `its certificate is not renewed: ${messageOf(cause)}`),
  });
  try {
    const port = await bind(server, options.listen, credentials);
    const address = `${hostOf(options.listen)}:${port}`;
    const end = (): Promise<void> => {
      services.close();
      return close(server, credentials, options.wheel);
    };
    return { address, counters: services.counters, close: end };
  } catch (cause) {
    credentials.stop();
    throw cause;
  }
}

/** What clients may call a server that listens there: its host, this machine's name and loopback. */
export function serverHosts(listen: string, more: readonly string[] = []): string[] {
  const host = hostOf(listen).replace(/^\[|\]$/g, '');
  const hosts = [host, 'localhost', '127.0.0.1', '::1', hostname(), ...more].map((name) => name.toLowerCase());
  return [...new Set(hosts)].filter((name) => name !== '0.0.0.0' && name !== '::' && isHost(name));
}

type Call = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;
type Outcome =
  | { readonly response: IstioCertificateResponse }
  | { readonly code: status; readonly reason: string };

class CaService {
  readonly counters: CaCounters = { issued: 0, unauthenticated: 0, invalid: 0, limited: 0, failed: 0 };
  readonly #options: CaServiceOptions;
  readonly #rate: CallerRate;

  constructor(options: CaServiceOptions) {
    this.#options = options;
    this.#rate = new CallerRate(options.clock, options.rate);
  }

  async createCertificate(request: IstioCertificateRequest, metadata: Metadata, peer: string): Promise<Outcome> {
    try {
      return await this.#answer(request, metadata, peer);
    } catch (cause) {
      this.counters.failed++;
      this.#options.onRefusal?.(peer, `the authority failed: ${messageOf(cause)}`);
      throw cause;
    }
  }

  /** Why a caller is told nothing; undefined for one with a token. */
  async strangerFault(metadata: Metadata): Promise<string | undefined> {
    const token = bearerToken(metadata);
    if (token === undefined) return NO_TOKEN;
    const caller = await this.#options.authenticator.authenticate(token);
    if ('fault' in caller) return caller.fault;
    // One workload must not take the streams of all.
    const name = formatSpiffeId(caller.identity);
    return this.#rate.take(name) ? undefined : `${name} asks too often; wait and try again`;
  }

  async #answer(request: IstioCertificateRequest, metadata: Metadata, peer: string): Promise<Outcome> {
    const token = bearerToken(metadata);
    if (token === undefined) return this.#refuse('unauthenticated', peer, NO_TOKEN);
    const caller = await this.#options.authenticator.authenticate(token);
    if ('fault' in caller) return this.#refuse('unauthenticated', peer, caller.fault);
    const name = formatSpiffeId(caller.identity);
    const who = `${peer} (${name})`;
    if (!this.#rate.take(name)) return this.#refuse('limited', who, `${name} asks too often; wait and try again`);
    const ttlMs = Math.max(0, Math.min(request.validityDuration * 1000, Number.MAX_SAFE_INTEGER));
    const { ca } = this.#options;
    const result = ca.issue({ csr: request.csr, identity: caller.identity, ttlMs, caller: peer });
    if ('fault' in result) return this.#refuse('invalid', who, result.fault);
    this.counters.issued++;
    return { response: { certChain: [...result.issued.chain, ca.roots] } };
  }

  #refuse(why: keyof typeof REFUSAL_CODES, caller: string, reason: string): Outcome {
    this.counters[why]++;
    this.#options.onRefusal?.(caller, reason);
    return { code: REFUSAL_CODES[why], reason };
  }
}

const NO_TOKEN = 'send the workload token once, as "authorization: Bearer TOKEN"';

const REFUSAL_CODES = {
  unauthenticated: status.UNAUTHENTICATED,
  invalid: status.INVALID_ARGUMENT,
  limited: status.RESOURCE_EXHAUSTED,
} as const;

/** The token of the only authorization value; several are ambiguous and so none. */
function bearerToken(metadata: Metadata): string | undefined {
  const values = metadata.get('authorization');
  const [value] = values;
  if (values.length !== 1 || typeof value !== 'string' || !/^bearer /i.test(value)) return undefined;
  return value.slice('bearer '.length).trim();
}

function bind(server: Server, listen: string, credentials: RotatingServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(listen, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(new ConfigError('', bindFault(error), listen));
    });
  });
}

function bindFault(error: Error): string {
  if (error.message.includes('EADDRINUSE')) return 'cannot listen here: another process has this port';
  if (error.message.includes('EACCES')) return 'cannot listen here: ports under 1024 need rights';
  if (error.message.includes('EADDRNOTAVAIL')) return 'cannot listen here: this machine does not have the address';
  return `cannot listen here: ${error.message}`;
}

/** Peers that hold a connection without finishing a call or a handshake are cut off after a while. */
function close(server: Server, credentials: RotatingServerCredentials, wheel: TimerWheel): Promise<void> {
  credentials.stop();
  const patience = new Timer(wheel, { onTimer: () => server.forceShutdown() });
  patience.arm(CLOSE_PATIENCE_MS);
  return new Promise((resolve) => {
    server.tryShutdown(() => {
      patience.cancel();
      resolve();
    });
  });
}

function hostOf(listen: string): string {
  return listen.slice(0, listen.lastIndexOf(':'));
}

function isHost(name: string): boolean {
  return isIP(name) !== 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name);
}
