// State-of-the-world xDS: requests list all names, a response has one version; of clusters and listeners it lists all.
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse, DeltaResource, DiscoveryRequest, DiscoveryResponse,
  OpaqueAny } from '../../proxy/config/discovery.ts';
import { ENDPOINT_TYPE } from '../../proxy/config/type-url.ts';
import type { Wire } from '../../proxy/config/wire.ts';
import { LISTED } from './variant.ts';
import type { Variant } from './variant.ts';

const WILDCARD = '*';

/** One type on one stream. */
class TypeState {
  names: ReadonlySet<string>;
  /** Of the last response; '' before the first. */
  nonce = '';
  /** That response is not answered yet. */
  isUnanswered = false;
  /** The version that the proxy says it has, until the first response shows whether it does. */
  claim: string;
  /** Nonce of a response that it refused: no version equals one of before then. */
  refused = '';
  readonly held = new HeldResources();

  constructor(names: ReadonlySet<string>, claim: string) {
    this.names = names;
    this.claim = claim;
  }
}

/** What the proxy was told, with one version for all of it: equal for equal content, in whatever order it came. */
class HeldResources {
  readonly #byName = new Map<string, DeltaResource>();
  #high = 0;
  #low = 0;

  get version(): string {
    return [this.#byName.size ^ this.#high, this.#low].map(hexOf).join('');
  }

  get resources(): OpaqueAny[] {
    return [...this.#byName.values()].flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  set(name: string, resource: DeltaResource): void {
    this.delete(name);
    this.#byName.set(name, resource);
    this.#mix(resource);
  }

  delete(name: string): void {
    const resource = this.#byName.get(name);
    if (resource === undefined) return;
    this.#byName.delete(name);
    this.#mix(resource);
  }

  /** Forgets what is not among these. */
  keep(names: ReadonlySet<string>): void {
    for (const name of [...this.#byName.keys()]) if (!names.has(name)) this.delete(name);
  }

  /** A version is a hash of name and content in 16 hexadecimal digits; mixing it in twice takes it out. */
  #mix({ version = '' }: DeltaResource): void {
    this.#high ^= parseInt(version.slice(0, 8), 16);
    this.#low ^= parseInt(version.slice(8, 16), 16);
  }
}

export class SotwVariant implements Variant {
  readonly #wire: Wire;
  readonly #types = new Map<string, TypeState>();

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  isWhole(type: string): boolean {
    return LISTED.has(type);
  }

  read(request: DiscoveryRequest): DeltaDiscoveryRequest | undefined {
    const state = this.#types.get(request.typeUrl ?? '');
    if (state === undefined) return this.#first(request);
    // An answer to an older response: the one to the newer says everything again.
    if ((request.responseNonce ?? '') !== state.nonce) return undefined;
    return this.#next(state, request);
  }

  word(response: DeltaDiscoveryResponse): DiscoveryResponse | undefined {
    const { typeUrl = '', nonce = '', resources = [], removedResources = [] } = response;
    const state = this.#types.get(typeUrl);
    if (state === undefined) return undefined;
    const absent = removedResources.filter((name) => !state.held.has(name));
    for (const resource of resources) state.held.set(resource.name ?? '', resource);
    for (const name of removedResources) state.held.delete(name);
    const isWhole = this.isWhole(typeUrl);
    // That something named is no more cannot be said: what names it goes.
    if (!isWhole && resources.length + absent.length === 0) return undefined;
    const versionInfo = versionOf(state);
    const hasAll = versionInfo === state.claim;
    state.claim = '';
    if (hasAll) return undefined;
    state.nonce = nonce;
    state.isUnanswered = true;
    const changed = (): OpaqueAny[] => [
      ...resources.flatMap(({ resource }) => (resource === undefined ? [] : [resource])),
      ...(typeUrl === ENDPOINT_TYPE ? absent.map((name) => this.#noEndpoints(name)) : []),
    ];
    return { typeUrl, nonce, versionInfo, resources: isWhole ? state.held.resources : changed() };
  }

  #first({ node, typeUrl = '', resourceNames = [], versionInfo = '' }: DiscoveryRequest): DeltaDiscoveryRequest {
    const isAll = resourceNames.length === 0 && this.isWhole(typeUrl);
    this.#types.set(typeUrl, new TypeState(new Set(isAll ? [WILDCARD] : resourceNames), versionInfo));
    return { ...(node !== undefined && { node }), typeUrl, resourceNamesSubscribe: resourceNames };
  }

  #next(state: TypeState, request: DiscoveryRequest): DeltaDiscoveryRequest {
    const { typeUrl = '', resourceNames = [], responseNonce = '', errorDetail } = request;
    const isAnswer = state.isUnanswered;
    state.isUnanswered = false;
    if (isAnswer && errorDetail !== undefined) state.refused = responseNonce;
    else if (isAnswer && this.isWhole(typeUrl)) state.refused = '';
    const { subscribe, unsubscribe } = rename(state, resourceNames);
    // Asked once more for what was answered: whatever names it is warming again, and waits (Envoy's EDS).
    const isAgain = !isAnswer && subscribe.length + unsubscribe.length === 0 && !this.isWhole(typeUrl);
    return {
      typeUrl,
      resourceNamesSubscribe: isAgain ? resourceNames : subscribe,
      resourceNamesUnsubscribe: unsubscribe,
      ...(isAnswer && { responseNonce, ...(errorDetail !== undefined && { errorDetail }) }),
    };
  }

  /** A cluster that waits for endpoints of which there are none is told so, as by istiod. */
  #noEndpoints(clusterName: string): OpaqueAny {
    return { '@type': ENDPOINT_TYPE, value: this.#wire.encodeAny({ '@type': ENDPOINT_TYPE, clusterName }).value };
  }
}

/** Takes the new names. Those who once asked for all by naming nothing go on so until they name something. */
function rename(state: TypeState, names: readonly string[]): { subscribe: string[]; unsubscribe: string[] } {
  const isStillAll = names.length === 0 && state.names.size === 1 && state.names.has(WILDCARD);
  const next = isStillAll ? state.names : new Set(names);
  const subscribe = [...next.difference(state.names)];
  const unsubscribe = [...state.names.difference(next)];
  state.names = next;
  if (unsubscribe.length > 0 && !next.has(WILDCARD)) state.held.keep(next);
  return { subscribe, unsubscribe };
}

/** While something is refused it has not all that it was told, and may not say so when it comes back. */
function versionOf({ held, refused }: TypeState): string {
  return refused === '' ? held.version : `${held.version}.${refused}`;
}

function hexOf(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
