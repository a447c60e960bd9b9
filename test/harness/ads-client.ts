// A delta ADS client of a few lines, for tests of the control plane: it subscribes, keeps, accepts and refuses.
import { Client, credentials, type ChannelCredentials, type ClientDuplexStream } from '@grpc/grpc-js';
import {
  ADS_DELTA_PATH, discoveryCodec, type DeltaDiscoveryRequest, type DeltaDiscoveryResponse, type DiscoveryNode,
} from '../../proxy/config/discovery.ts';
import { Wire } from '../../proxy/config/wire.ts';

/** Names in one response. */
export interface Received {
  readonly type: string;
  readonly names: readonly string[];
  readonly removed: readonly string[];
}

export class AdsClient implements AsyncDisposable {
  /** Decoded resources by type URL and name. */
  readonly resources = new Map<string, Map<string, Record<string, unknown>>>();
  /** What each response held, in the order of their arrival. */
  readonly responses: Received[] = [];
  /** Says why a response is refused; undefined accepts it. */
  judge: (type: string) => string | undefined = () => undefined;
  ended: string | undefined = undefined;
  readonly #wire = new Wire();
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
  #node: DiscoveryNode | undefined;

  constructor(address: string, node: DiscoveryNode, channel: ChannelCredentials = credentials.createInsecure()) {
    this.#node = node;
    this.#client = new Client(address, channel);
    const requests = discoveryCodec(this.#wire, 'DeltaDiscoveryRequest');
    const responses = discoveryCodec(this.#wire, 'DeltaDiscoveryResponse');
    this.#stream = this.#client.makeBidiStreamRequest(ADS_DELTA_PATH, requests.encode, responses.decode);
    this.#stream.on('data', (response: DeltaDiscoveryResponse) => this.#take(response));
    this.#stream.on('error', (error) => {
      this.ended = error.message;
    });
  }

  /** Without names: all of the type. */
  subscribe(typeUrl: string, ...resourceNamesSubscribe: string[]): void {
    this.#send({ typeUrl, resourceNamesSubscribe });
  }

  get(type: string, name: string): Record<string, unknown> | undefined {
    return this.resources.get(type)?.get(name);
  }

  names(type: string): string[] {
    return [...this.resources.get(type)?.keys() ?? []].sort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stream.cancel();
    this.#client.close();
    return Promise.resolve();
  }

  #take(response: DeltaDiscoveryResponse): void {
    const { typeUrl = '', resources = [], removedResources = [], nonce = '' } = response;
    this.responses.push({ type: typeUrl, names: resources.map(({ name = '' }) => name), removed: removedResources });
    const reason = this.judge(typeUrl);
    if (reason === undefined) this.#keep(typeUrl, resources, removedResources);
    const refusal = reason === undefined ? {} : { errorDetail: { code: 3, message: reason } };
    this.#send({ typeUrl, responseNonce: nonce, ...refusal });
  }

  #keep(type: string, resources: NonNullable<DeltaDiscoveryResponse['resources']>, removed: readonly string[]): void {
    const kept = this.resources.get(type) ?? new Map<string, Record<string, unknown>>();
    this.resources.set(type, kept);
    for (const { name = '', resource } of resources) {
      if (resource === undefined) continue;
      const message = resource['@type'].slice(resource['@type'].lastIndexOf('/') + 1);
      kept.set(name, this.#wire.decode(message, resource.value));
    }
    for (const name of removed) kept.delete(name);
  }

  /** The node goes with the first request only. */
  #send(request: DeltaDiscoveryRequest): void {
    this.#stream.write(this.#node === undefined ? request : { node: this.#node, ...request });
    this.#node = undefined;
  }
}
