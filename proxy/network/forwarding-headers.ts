// What the connection manager does to every request and response head: forwarding headers, request id, server, date.
import type { CidrSet } from '../base/cidr.ts';
import { parseIp } from '../base/cidr.ts';
import type { Clock } from '../base/clock.ts';
import { ProxyError } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import { LIMITS } from '../config/limits.ts';
import type { Headers } from '../http/headers.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { isGrpc } from '../telemetry/grpc-status.ts';
import type { ConnectionInfo, StreamInfo } from '../telemetry/stream-info.ts';
import { ClientCertHeader } from './client-cert-header.ts';
import type { ClientCertDetails } from './client-cert-header.ts';
import type { PathNormalization } from './path-normalization.ts';
import { hasEscapedSlashes, mayNeedNormalization, normalizePath } from './path-normalization.ts';

/** How `x-forwarded-client-cert` is treated (HCM forward_client_cert_details). Default sanitize. */
export type ClientCertForwarding =
  'sanitize' | 'forward-only' | 'append-forward' | 'sanitize-set' | 'always-forward-only';

/** Envoy's HttpConnectionManager fields that change heads. */
export interface ForwardingOptions {
  readonly useRemoteAddress: boolean;
  /** Appended to x-forwarded-for in place of a loopback address, as Envoy does. */
  readonly localIp: string;
  readonly xffTrustedHops: number;
  readonly skipXffAppend: boolean;
  /** Addresses whose requests count as internal; undefined: none (Envoy's default). */
  readonly internalAddresses: CidrSet | undefined;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly clientCert: ClientCertForwarding;
  readonly clientCertDetails: ClientCertDetails;
  readonly serverName: string;
  readonly serverHeader: 'overwrite' | 'append-if-absent' | 'pass-through';
  readonly via: string;
  readonly normalization: PathNormalization;
  /** Port taken off the authority before routing: never, when it is the listener's own, always. */
  readonly stripPort: 'none' | 'matching' | 'any';
  readonly stripTrailingHostDot: boolean;
}

/** Headers that only an internal request may bring (S47); from anybody else they are taken off. */
const INTERNAL_HEADERS: ReadonlySet<string> = new Set([
  'x-envoy-internal', 'x-envoy-retry-on', 'x-envoy-retry-grpc-on', 'x-envoy-max-retries',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-timeout-ms', 'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-expected-rq-timeout-ms', 'x-envoy-hedge-on-per-try-timeout', 'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names', 'x-envoy-force-trace', 'x-envoy-ip-tags', 'x-envoy-original-url',
]);

/** At an edge these go as well. */
const EDGE_HEADERS: ReadonlySet<string> = new Set([
  'x-envoy-decorator-operation', 'x-envoy-downstream-service-cluster', 'x-envoy-downstream-service-node',
  'x-envoy-original-host', 'x-envoy-original-path',
]);

/** Applied by every stream of one connection manager. */
export class Forwarding {
  readonly #options: ForwardingOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #clientCertHeader: ClientCertHeader;
  #dateSecond = -1;
  #date = '';

  constructor(options: ForwardingOptions, clock: Clock, random: Random) {
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#clientCertHeader = new ClientCertHeader(options.clientCertDetails);
  }

  /** An error refuses the request. */
  prepareRequest(request: RequestHead, info: StreamInfo): ProxyError | undefined {
    const { connection } = info;
    const before = request.headers.joined('x-forwarded-for');
    if (this.#circles(request.headers, before, connection)) return new ProxyError('loop', 'downstream', 'request_loop');
    const scheme = connection.tls === undefined ? 'http' : 'https';
    info.forwardedIp = this.#clientIp(request.headers);
    this.#forwardedFor(request.headers, before, info, scheme);
    request.scheme = this.#scheme(request, scheme);
    this.#clientCert(request.headers, connection);
    this.#requestId(request.headers, info);
    if (this.#options.via !== '') appendVia(request.headers, this.#options.via);
    return this.normalize(request, connection.localPort) ?? misdirection(request, connection);
  }

  /** Authority and path as routes and policies read them. */
  normalize(request: RequestHead, localPort: number): ProxyError | undefined {
    this.#authority(request, localPort);
    return this.#path(request);
  }

  prepareResponse(response: ResponseHead, info: StreamInfo): void {
    const { headers } = response;
    const { serverHeader, serverName, via, alwaysSetRequestIdInResponse } = this.#options;
    if (serverHeader === 'overwrite') headers.set('server', serverName);
    else if (serverHeader === 'append-if-absent' && !headers.has('server')) headers.append('server', serverName);
    if (!headers.has('date')) headers.append('date', this.#dateText());
    if (via !== '') headers.append('via', via);
    if (alwaysSetRequestIdInResponse && info.requestId !== '') headers.set('x-request-id', info.requestId);
  }

  /** Behind an edge the client's, as HTTP/2 says it or the proxies in front: the connection's may be the mesh's own. */
  #scheme({ protocol, scheme, headers }: RequestHead, own: string): string {
    if (protocol === 'HTTP/2') return this.#options.useRemoteAddress ? own : scheme;
    // At an edge without hops that are trusted it is this proxy's own word by now.
    const forwarded = headers.get('x-forwarded-proto');
    return forwarded === 'http' || forwarded === 'https' ? forwarded : own;
  }

  /** This proxy is the last hop of the request, and was so often before. */
  #circles(headers: Headers, forwardedFor: string | undefined, connection: ConnectionInfo): boolean {
    const { useRemoteAddress, skipXffAppend, via } = this.#options;
    if (via !== '' && repeatsAtEnd(headers.joined('via'), via)) return true;
    return useRemoteAddress && !skipXffAppend && repeatsAtEnd(forwardedFor, this.#hop(connection));
  }

  #hop({ remoteIp }: ConnectionInfo): string {
    return isLoopback(remoteIp) ? this.#options.localIp : remoteIp;
  }

  #forwardedFor(
    headers: Headers, before: string | undefined, { connection, forwardedIp }: StreamInfo, scheme: string,
  ): void {
    const { useRemoteAddress, xffTrustedHops, skipXffAppend } = this.#options;
    const internal = this.#isInternal(before, forwardedIp, connection);
    if (!internal) dropInternal(headers, useRemoteAddress);
    if (useRemoteAddress) {
      if (!internal) {
        headers.set('x-envoy-external-address', trustedAddress(before, connection.remoteIp, xffTrustedHops));
      }
      if (!skipXffAppend) {
        const hop = this.#hop(connection);
        headers.set('x-forwarded-for', before === undefined ? hop : `${before},${hop}`);
      }
      if (xffTrustedHops === 0) headers.set('x-forwarded-proto', scheme);
    }
    if (internal) headers.set('x-envoy-internal', 'true');
    if (!headers.has('x-forwarded-proto')) headers.append('x-forwarded-proto', scheme);
  }

  /** The address that the nearest proxy which is believed saw, in the header as it came; '' is the connection's own. */
  #clientIp(headers: Headers): string {
    const { useRemoteAddress, xffTrustedHops } = this.#options;
    const skip = useRemoteAddress ? xffTrustedHops - 1 : xffTrustedHops;
    const forwardedFor = skip < 0 ? undefined : headers.joined('x-forwarded-for');
    return forwardedFor === undefined ? '' : addressFromEnd(forwardedFor, skip);
  }

  /** The client's address is the only one known, by whom it may be told, and it is one of internal_address_config. */
  #isInternal(forwardedFor: string | undefined, forwardedIp: string, { remoteIp }: ConnectionInfo): boolean {
    const { internalAddresses, useRemoteAddress } = this.#options;
    if (internalAddresses === undefined) return false;
    if (useRemoteAddress) return forwardedFor === undefined && internalAddresses.contains(remoteIp);
    return forwardedFor?.includes(',') === false && forwardedIp !== '' && internalAddresses.contains(forwardedIp);
  }

  #clientCert(headers: Headers, { tls }: ConnectionInfo): void {
    const mode = this.#options.clientCert;
    if (mode === 'always-forward-only') return;
    const verified = tls?.peerCertificateHash !== undefined;
    if (mode === 'sanitize' || mode === 'sanitize-set' || !verified) headers.remove('x-forwarded-client-cert');
    if (!verified || mode === 'sanitize' || mode === 'forward-only') return;
    const element = this.#clientCertHeader.elementOf(tls);
    const before = headers.joined('x-forwarded-client-cert');
    headers.set('x-forwarded-client-cert', before === undefined ? element : `${before},${element}`);
  }

  #requestId(headers: Headers, info: StreamInfo): void {
    const { generateRequestId, preserveExternalRequestId, useRemoteAddress } = this.#options;
    let id = headers.get('x-request-id');
    if (generateRequestId && (id === undefined || (useRemoteAddress && !preserveExternalRequestId))) {
      id = this.#random.uuid();
      headers.set('x-request-id', id);
    }
    info.requestId = id ?? '';
  }

  #authority(request: RequestHead, localPort: number): void {
    const { stripPort, stripTrailingHostDot } = this.#options;
    if (stripTrailingHostDot) request.authority = withoutDot(request.authority);
    if (stripPort === 'none' || request.method === 'CONNECT') return;
    const { authority } = request;
    const colon = authority.lastIndexOf(':');
    if (colon <= authority.lastIndexOf(']')) return;
    const port = authority.slice(colon + 1);
    if (stripPort === 'any' ? port !== '' : Number(port) === localPort) request.authority = authority.slice(0, colon);
  }

  #path(request: RequestHead): ProxyError | undefined {
    const rules = this.#options.normalization;
    if (!rules.dotSegments && !rules.mergeSlashes && rules.escapedSlashes === 'keep') return undefined;
    if (!mayNeedNormalization(request.path)) return undefined;
    const path = normalizePath(request.path, rules);
    if (path === undefined) return new ProxyError('bad-request', 'downstream', 'path_normalization_failed');
    const redirects = rules.escapedSlashes === 'unescape-and-redirect' && hasEscapedSlashes(request.path);
    // Clients of gRPC follow no redirects.
    if (redirects && isGrpc(request)) return new ProxyError('bad-request', 'downstream', 'path_normalization_failed');
    request.path = path;
    return redirects ? new ProxyError('path-redirect', 'downstream', 'path_normalization_failed') : undefined;
  }

  /** IMF-fixdate of this second (RFC 9110 section 5.6.7), made once a second. */
  #dateText(): string {
    const second = Math.floor(this.#clock.wallMs() / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#date = new Date(second * 1000).toUTCString();
    }
    return this.#date;
  }
}

/** A request for another tenant's host than its connection was verified for (S54); a tunnel's authority is no host. */
function misdirection({ method, authority }: RequestHead, { servedHosts }: ConnectionInfo): ProxyError | undefined {
  if (servedHosts === undefined || method === 'CONNECT' || authority === '' || servedHosts.serves(authority)) return;
  return new ProxyError('misdirected', 'downstream', 'misdirected_request');
}

/** Of a name: what its dot ends may be followed by a port. */
function withoutDot(authority: string): string {
  const dot = authority.lastIndexOf('.');
  if (dot === -1 || (dot < authority.length - 1 && authority[dot + 1] !== ':')) return authority;
  return authority.slice(0, dot) + authority.slice(dot + 1);
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1';
}

/** One walk over the names; nearly always there is nothing to drop. */
function dropInternal(headers: Headers, edge: boolean): void {
  for (let i = headers.count - 1; i >= 0; i--) {
    const name = headers.nameAt(i);
    if (!name.startsWith('x-envoy-')) continue;
    if (INTERNAL_HEADERS.has(name) || (edge && EDGE_HEADERS.has(name))) {
      headers.remove(name);
      i = Math.min(i, headers.count);
    }
  }
}

/** The address before the last `skip` ones of a list; '' where there is none, or something else. */
function addressFromEnd(list: string, skip: number): string {
  let end = list.length;
  for (let i = 0; i < skip; i++) {
    end = list.lastIndexOf(',', end - 1);
    if (end <= 0) return '';
  }
  const address = list.slice(list.lastIndexOf(',', end - 1) + 1, end).trim();
  return parseIp(address) === undefined ? '' : address;
}

/** A list that ends in `own`, more often than a request passes one proxy. */
function repeatsAtEnd(list: string | undefined, own: string): boolean {
  const { ownHopsMax } = LIMITS;
  if (list === undefined || list.length < ownHopsMax * own.length) return false;
  let end = list.length;
  for (let hops = 0; hops < ownHopsMax; hops++) {
    const comma = list.lastIndexOf(',', end - 1);
    if (list.slice(comma + 1, end).trim() !== own) return false;
    end = comma;
    if (comma <= 0) return hops === ownHopsMax - 1;
  }
  return true;
}

function appendVia(headers: Headers, via: string): void {
  const before = headers.joined('via');
  headers.set('via', before === undefined ? via : `${before}, ${via}`);
}

/** The client as the nearest trusted hop saw it. */
function trustedAddress(forwardedFor: string | undefined, remoteIp: string, trustedHops: number): string {
  if (trustedHops === 0 || forwardedFor === undefined) return remoteIp;
  const hops = forwardedFor.split(',');
  return (hops[hops.length - trustedHops] ?? hops[0] ?? remoteIp).trim();
}
