// Which transport socket (TLS context, or plaintext) an endpoint is connected through.
import { createHash } from 'node:crypto';
import { ConfigError } from '../base/error.ts';
import type { Cluster as ClusterConfig, UpstreamProxyProtocol, UpstreamTransportSocket } from '../config/cluster.ts';
import { UPSTREAM_PROXY_PROTOCOL_TYPE, UPSTREAM_TLS_TYPE } from '../config/type-url.ts';
import { ClientTlsContext } from '../tls/client-context.ts';
import type { ClientTlsDeps } from '../tls/client-context.ts';
import { ProxiedTransport } from './proxied-transport.ts';
import type { SecuredTransport } from './proxied-transport.ts';

/** TLS or PROXY protocol of an endpoint's connections, or both; undefined is plaintext. */
export type TransportSocket = SecuredTransport | undefined;

interface Match {
  readonly labels: readonly (readonly [string, unknown])[];
  readonly socket: TransportSocket;
}

/** The transport sockets of one cluster: `transport_socket_matches` in their order, then `transport_socket`. */
export class TransportSockets {
  /** The configuration that it was made from, to keep it where nothing changed. */
  readonly key: string;
  readonly #contexts: ClientTlsContext[] = [];
  readonly #matches: readonly Match[];
  readonly #fallback: TransportSocket;

  /**
   * Throws a ConfigError with the field's path. `depsOf` is called if there is TLS, `onReady` when secrets have arrived
   * for one of the contexts.
   */
  constructor(config: ClusterConfig, depsOf: () => ClientTlsDeps, onReady: () => void) {
    let made: ClientTlsDeps | undefined;
    const deps = (): ClientTlsDeps => (made ??= depsOf());
    this.key = transportKey(config);
    try {
      this.#fallback = this.#make(config.transportSocket, 'transportSocket', deps, onReady);
      this.#matches = (config.transportSocketMatches ?? []).map(({ match = {}, transportSocket }, i) => {
        const path = `transportSocketMatches[${i}].transportSocket`;
        return { labels: Object.entries(match), socket: this.#make(transportSocket, path, deps, onReady) };
      });
    } catch (cause) {
      // Those that were made before must not go on following secrets.
      this.close();
      throw cause;
    }
  }

  /** The socket for an endpoint with this `envoy.transport_socket_match` metadata. */
  for(metadata: Readonly<Record<string, unknown>> | undefined): TransportSocket {
    for (const { labels, socket } of this.#matches) {
      if (labels.every(([key, value]) => hasLabel(metadata, key, value))) return socket;
    }
    return this.#fallback;
  }

  /** Names of secrets that are not there yet. */
  missingSecrets(): string[] {
    return [...new Set(this.#contexts.flatMap((context) => (context.ready ? [] : context.missingSecrets())))];
  }

  close(): void {
    for (const context of this.#contexts) context.close();
  }

  #make(
    config: UpstreamTransportSocket | undefined, path: string, deps: () => ClientTlsDeps, onReady: () => void,
  ): TransportSocket {
    if (config?.typedConfig['@type'] !== UPSTREAM_PROXY_PROTOCOL_TYPE) {
      return this.#secured(config, path, deps, onReady);
    }
    const outer = config.typedConfig as UpstreamProxyProtocol;
    const inner = this.#secured(outer.transportSocket, `${path}.typedConfig.transportSocket`, deps, onReady);
    return new ProxiedTransport(inner, outer);
  }

  #secured(
    config: UpstreamTransportSocket | undefined, path: string, deps: () => ClientTlsDeps, onReady: () => void,
  ): ClientTlsContext | undefined {
    if (config?.typedConfig['@type'] !== UPSTREAM_TLS_TYPE) return undefined;
    try {
      const context = new ClientTlsContext(config.typedConfig, deps(), onReady);
      this.#contexts.push(context);
      return context;
    } catch (cause) {
      if (cause instanceof ConfigError) throw new ConfigError(`${path}.typedConfig.${cause.path}`, cause.reason);
      throw cause;
    }
  }
}

export function transportKey({ transportSocket, transportSocketMatches }: ClusterConfig): string {
  // A digest, because the text may hold private keys.
  return createHash('sha256').update(JSON.stringify([transportSocket, transportSocketMatches])).digest('base64');
}

function hasLabel(metadata: Readonly<Record<string, unknown>> | undefined, key: string, value: unknown): boolean {
  if (metadata === undefined || !Object.hasOwn(metadata, key)) return false;
  return JSON.stringify(metadata[key]) === JSON.stringify(value);
}
