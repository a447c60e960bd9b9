// Istio's peer metadata filter: sidecars tell each other by headers which workload they stand beside, and take away
// what they are told, so that no application sees it.
import type { PeerMetadata } from '../config/istio-peers.ts';
import type { Headers } from '../http/headers.ts';
import type { ResponseHead } from '../http/message.ts';
import type { NodeFacts } from '../telemetry/workload.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import { peerFacts, peerMetadataText } from './peer-metadata-text.ts';

const ID = 'x-envoy-peer-metadata-id';
const FACTS = 'x-envoy-peer-metadata';
/** Where Istio sends what it does not know. */
const UNKNOWN_PEERS = 'PassthroughCluster';

/** What a request told of its sender: who tells nothing is told nothing. */
interface Told {
  readonly id: boolean;
  readonly facts: boolean;
}

export class PeerMetadataFilter implements HttpFilter {
  readonly name: string;
  index = -1;
  readonly #id: string;
  readonly #facts: string;
  readonly #takesRequests: boolean;
  readonly #takesResponses: boolean;
  readonly #tellsServers: boolean;
  readonly #tellsClients: boolean;
  readonly #skipsUnknown: boolean;

  constructor(name: string, config: PeerMetadata, { id, metadata }: NodeFacts) {
    this.name = name;
    this.#id = id;
    this.#facts = peerMetadataText(peerFacts(metadata, config.additionalLabels));
    const { upstreamPropagation: toServers = [], downstreamPropagation: toClients = [] } = config;
    this.#takesRequests = byHeaders(config.downstreamDiscovery);
    this.#takesResponses = byHeaders(config.upstreamDiscovery);
    this.#tellsServers = byHeaders(toServers);
    this.#tellsClients = byHeaders(toClients);
    this.#skipsUnknown = toServers.some(({ istioHeaders }) => istioHeaders?.skipExternalClusters === true);
  }

  onRequestHead(stream: FilterStream): Verdict {
    const { headers } = stream.request;
    if (this.#takesRequests) {
      if (this.#tellsClients) stream.setState(this.index, { id: headers.has(ID), facts: headers.has(FACTS) });
      take(headers);
    }
    if (this.#tellsServers && !(this.#skipsUnknown && stream.cluster === UNKNOWN_PEERS)) {
      headers.set(ID, this.#id);
      headers.set(FACTS, this.#facts);
    }
    return 'continue';
  }

  onResponseHead(stream: FilterStream, { headers }: ResponseHead): void {
    if (this.#takesResponses) take(headers);
    const told = stream.getState(this.index) as Told | undefined;
    if (told?.id === true) headers.set(ID, this.#id);
    if (told?.facts === true) headers.set(FACTS, this.#facts);
  }
}

function byHeaders(methods: readonly { readonly istioHeaders?: object }[] = []): boolean {
  return methods.some(({ istioHeaders }) => istioHeaders !== undefined);
}

function take(headers: Headers): void {
  headers.remove(ID);
  headers.remove(FACTS);
}
