// State-of-the-world xDS: every request lists all names, every response has one version. Used where api_type is GRPC.
import type { ResourceType } from '../config/any-registry.ts';
import { discoveryCodec } from '../config/discovery.ts';
import type { DiscoveryNode, DiscoveryRequest, RpcStatus } from '../config/discovery.ts';
import type { Wire } from '../config/wire.ts';
import { resourceTypeOf } from './resource-type.ts';
import type { Subscription } from './subscription.ts';
import type { IncomingResponse, Variant } from './variant.ts';

export class SotwVariant implements Variant {
  readonly #encode: (request: DiscoveryRequest) => Buffer;
  readonly #responses: ReturnType<typeof discoveryCodec<'DiscoveryResponse'>>;
  /** Of the last response of each type that was answered: until then a request must not look like its answer. */
  readonly #nonces = new Map<ResourceType, string>();

  constructor(wire: Wire) {
    this.#encode = discoveryCodec(wire, 'DiscoveryRequest').encode;
    this.#responses = discoveryCodec(wire, 'DiscoveryResponse');
  }

  read(bytes: Buffer, isWildcard: (type: ResourceType) => boolean): IncomingResponse | undefined {
    const { typeUrl, versionInfo = '', resources = [], nonce = '' } = this.#responses.decode(bytes);
    const type = resourceTypeOf(typeUrl);
    if (type === undefined) return undefined;
    return {
      type,
      nonce,
      version: versionInfo,
      resources: resources.map((resource) => (
        { name: undefined, version: versionInfo, typeUrl: resource['@type'], value: resource.value }
      )),
      removed: [],
      complete: isWildcard(type),
    };
  }

  first(subscription: Subscription, node: DiscoveryNode | undefined): Buffer {
    const request = this.#request(subscription);
    return this.#encode(node === undefined ? request : { node, ...request });
  }

  change(subscription: Subscription): Buffer {
    return this.#encode(this.#request(subscription));
  }

  /** A NACK repeats the version that is still in force. */
  answer(subscription: Subscription, { nonce, version }: IncomingResponse, error: RpcStatus | undefined): Buffer {
    this.#nonces.set(subscription.type, nonce);
    if (error !== undefined) return this.#encode({ ...this.#request(subscription), errorDetail: error });
    subscription.acceptedVersion = version;
    return this.#encode(this.#request(subscription));
  }

  #request({ type, names, acceptedVersion }: Subscription): DiscoveryRequest {
    return {
      typeUrl: type,
      resourceNames: [...names],
      versionInfo: acceptedVersion,
      responseNonce: this.#nonces.get(type) ?? '',
    };
  }
}
