// Two proxies that speak mutual TLS with certificates of a real authority: the client's and the server's sidecar.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CertificateAuthority } from '../../certs/ca.ts';
import type { IssuanceRecord } from '../../certs/ca.ts';
import { LiveStore } from '../../certs/live-store.ts';
import { startCaServer } from '../../certs/server.ts';
import type { CaServer } from '../../certs/server.ts';
import { parseSpiffeId } from '../../certs/spiffe.ts';
import { TokenAuthority, writeTokenFile } from '../../certs/token.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { temporaryFolder } from './openssl.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.';
const OWN = { api_config_source: { api_type: 'GRPC', grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }] } };

/** An authority in this process, over its folder, with leaves of `ttlMs`. */
export class TestAuthority {
  readonly dir: string;
  readonly store: LiveStore;
  readonly ca: CertificateAuthority;
  readonly issued: IssuanceRecord[] = [];
  readonly refusals: string[] = [];
  readonly #wheel = new TimerWheel(systemClock);
  #server: CaServer | undefined = undefined;
  #address = '127.0.0.1:0';

  constructor(t: TestContext, ttlMs: number) {
    this.dir = join(temporaryFolder(t), 'ca');
    const onFailure = (reason: string): void => void this.refusals.push(reason);
    this.store = new LiveStore({ dir: this.dir, wheel: this.#wheel, onFailure });
    const audit = (record: IssuanceRecord): void => void this.issued.push(record);
    this.ca = new CertificateAuthority({ store: this.store.current, clock: systemClock, ttlMsMax: ttlMs, audit });
    this.store.subscribe((store) => this.ca.use(store));
    t.after(async () => {
      this.store.close();
      await this.stop();
    });
  }

  get address(): string {
    return this.#address;
  }

  get tokens(): TokenAuthority {
    const { tokenKey: key, trustDomain } = this.store.current;
    return new TokenAuthority({ key, trustDomain, clock: systemClock });
  }

  /** On the same port again after a stop. */
  async start(): Promise<void> {
    const { ca } = this;
    this.#server = await startCaServer({
      ca, authenticator: this.tokens, clock: systemClock, wheel: this.#wheel, listen: this.#address,
      onRefusal: (caller, reason) => this.refusals.push(`${caller} ${reason}`),
    });
    this.#address = this.#server.address;
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  /** node.metadata of a workload's proxy. */
  async metadata(spiffeId: string, more: object = {}): Promise<object> {
    const token = join(this.dir, `${spiffeId.replaceAll(/\W/g, '-')}.token`);
    writeTokenFile(token, await this.tokens.mint(parseSpiffeId(spiffeId)!));
    const rootFile = join(this.dir, 'first-root.pem');
    // What a sidecar was given when it started, however the roots change after that.
    writeFileSync(rootFile, this.ca.roots);
    return { WEFT_CA: { address: this.#address, token_file: token, root_file: rootFile, ...more } };
  }
}

/** Secrets `default` and `ROOTCA` of the agent, or of the SDS server that the cluster sds-grpc is. */
export function sdsTls(kind: 'UpstreamTlsContext' | 'DownstreamTlsContext', peer?: string): object {
  const matcher = { match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: peer } }] };
  return {
    name: 'tls',
    typed_config: {
      '@type': TLS + kind,
      ...(kind === 'DownstreamTlsContext' && { require_client_certificate: true }),
      common_tls_context: {
        tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: OWN }],
        combined_validation_context: {
          default_validation_context: peer === undefined ? {} : matcher,
          validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: OWN },
        },
      },
    },
  };
}

/** A gRPC cluster on a unix socket, such as one that answers SDS. */
export function pipeCluster(name: string, path: string): object {
  return {
    name,
    connect_timeout: '2s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }],
    },
  };
}

/** An HTTP listener of any free port that sends all to `cluster`. */
export function listenerTo(cluster: string, transport?: object): object {
  return {
    name: 'in',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{
      ...(transport !== undefined && { transport_socket: transport }),
      filters: [{
        name: 'http',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.'
            + 'HttpConnectionManager',
          stat_prefix: 'in',
          route_config: {
            virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] }],
          },
          http_filters: [{
            name: 'router',
            typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
          }],
        },
      }],
    }],
  };
}

/** A cluster of one endpoint; connections end after `requests` requests, so that handshakes go on. */
export function clusterOf(name: string, port: number, transport?: object, requests = 10): object {
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  return {
    name,
    connect_timeout: '2s',
    ...(transport !== undefined && { transport_socket: transport }),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        common_http_protocol_options: { max_requests_per_connection: requests },
        explicit_http_config: { http_protocol_options: {} },
      },
    },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
}
