// Incremental xDS: requests name what changes, responses bring what changed, each resource with a version of its own.
import { discoveryCodec } from '../config/discovery.ts';
import type { DeltaDiscoveryRequest, DeltaResource, DiscoveryNode, RpcStatus } from '../config/discovery.ts';
import { VIRTUAL_HOST_TYPE } from '../config/type-url.ts';
import type { Wire } from '../config/wire.ts';
import { resourceTypeOf } from './resource-type.ts';
import type { Subscription } from './subscription.ts';
import type { IncomingResource, IncomingResponse, Variant } from './variant.ts';

export class DeltaVariant implements Variant {
  readonly #encode: (request: DeltaDiscoveryRequest) => Buffer;
  readonly #responses: ReturnType<typeof discoveryCodec<'DeltaDiscoveryResponse'>>;

  constructor(wire: Wire) {
    this.#encode = discoveryCodec(wire, 'DeltaDiscoveryRequest').encode;
    this.#responses = discoveryCodec(wire, 'DeltaDiscoveryResponse');
  }

  read(bytes: Buffer): IncomingResponse | undefined {
    const response = this.#responses.decode(bytes);
    const { typeUrl, resources = [], removedResources = [], nonce = '', systemVersionInfo = '' } = response;
    const type = resourceTypeOf(typeUrl);
    if (type === undefined) return undefined;
    return {
      type,
      nonce,
      version: systemVersionInfo,
      resources: type === VIRTUAL_HOST_TYPE ? resources.flatMap(byAlias) : resources.map(incoming),
      removed: type === VIRTUAL_HOST_TYPE ? [...removedResources, ...resources.flatMap(absentNames)] : removedResources,
      complete: false,
    };
  }

  /** A wildcard is said by naming nothing, which servers of every age understand. */
  first({ type, names, held }: Subscription, node: DiscoveryNode | undefined): Buffer {
    const initialResourceVersions = Object.create(null) as Record<string, string>;
    for (const [name, version] of held) initialResourceVersions[name] = version;
    const request = { typeUrl: type, resourceNamesSubscribe: [...names], initialResourceVersions };
    return this.#encode(node === undefined ? request : { node, ...request });
  }

  change({ type }: Subscription, added: readonly string[], removed: readonly string[]): Buffer {
    return this.#encode({ typeUrl: type, resourceNamesSubscribe: added, resourceNamesUnsubscribe: removed });
  }

  answer({ type }: Subscription, { nonce }: IncomingResponse, error: RpcStatus | undefined): Buffer {
    const request = { typeUrl: type, responseNonce: nonce };
    return this.#encode(error === undefined ? request : { ...request, errorDetail: error });
  }
}

function incoming({ name = '', version = '', resource }: DeltaResource): IncomingResource {
  return { name, version, typeUrl: resource?.['@type'] ?? '', value: resource?.value ?? Buffer.alloc(0) };
}

/** A virtual host is known by the names by which it was asked for. */
function byAlias(sent: DeltaResource): IncomingResource[] {
  if (sent.resource === undefined) return [];
  const { name = '', aliases = [] } = sent;
  return [...new Set([name, ...aliases])].map((each) => ({ ...incoming(sent), name: each }));
}

/** One that holds nothing says that there is none. */
function absentNames({ name = '', aliases = [], resource }: DeltaResource): string[] {
  return resource === undefined ? [name, ...aliases] : [];
}
