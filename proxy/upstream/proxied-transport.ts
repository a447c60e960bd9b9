// A transport socket that tells the server for whom it connects, by the PROXY protocol, before all else.
import { proxyHeader } from '../base/proxy-protocol.ts';
import type { ProxyTlv } from '../base/proxy-protocol.ts';
import type { UpstreamProxyProtocol } from '../config/cluster.ts';
import type { PassThroughTlvs } from '../config/proxy-protocol.ts';
import type { ConnectionInfo } from '../telemetry/stream-info.ts';
import type { ClientBinding, ClientTlsContext, ServerNames } from '../tls/client-context.ts';

/** What holds of a connection to a server. */
export interface SecuredTransport {
  readonly ready: boolean;
  /** Nothing is encrypted, as configured. */
  readonly isPlain: boolean;
  readonly binding: ClientBinding | undefined;
  missingSecrets(): string[];
  namesFor(hostname: string | undefined, authority: string | undefined): ServerNames;
  countExpired(): void;
  /** Bytes that come first; `downstream` undefined: the connection is the proxy's own. */
  headerFor?(downstream: ConnectionInfo | undefined): Buffer;
}

const NO_NAMES: ServerNames = { sni: undefined, required: undefined };

export class ProxiedTransport implements SecuredTransport {
  readonly #inner: ClientTlsContext | undefined;
  readonly #config: UpstreamProxyProtocol['config'];

  constructor(inner: ClientTlsContext | undefined, { config }: UpstreamProxyProtocol) {
    this.#inner = inner;
    this.#config = config;
  }

  get ready(): boolean {
    return this.#inner?.ready ?? true;
  }

  get isPlain(): boolean {
    return this.#inner === undefined;
  }

  get binding(): ClientBinding | undefined {
    return this.#inner?.binding;
  }

  missingSecrets(): string[] {
    return this.#inner?.missingSecrets() ?? [];
  }

  namesFor(hostname: string | undefined, authority: string | undefined): ServerNames {
    return this.#inner?.namesFor(hostname, authority) ?? NO_NAMES;
  }

  countExpired(): void {
    this.#inner?.countExpired();
  }

  headerFor(downstream: ConnectionInfo | undefined): Buffer {
    const { version = 'V1', passThroughTlvs } = this.#config ?? {};
    if (downstream === undefined) return proxyHeader(version, undefined);
    const { remoteIp, remotePort, localIp, localPort, proxyTlvs = [] } = downstream;
    const addresses = {
      sourceIp: remoteIp, sourcePort: remotePort, destinationIp: localIp, destinationPort: localPort,
    };
    return proxyHeader(version, addresses, passed(proxyTlvs, passThroughTlvs));
  }
}

function passed(tlvs: readonly ProxyTlv[], config: PassThroughTlvs | undefined): readonly ProxyTlv[] {
  if (config === undefined) return [];
  return config.matchType === 'INCLUDE' ? tlvs.filter(({ type }) => config.tlvType?.includes(type) === true) : tlvs;
}
