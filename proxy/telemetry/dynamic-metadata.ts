// Dynamic metadata: what filters learned of a request (claims of a token, words of ext_authz), for those after them.

/** JSON of one namespace. Its keys may be anybody's: read them by Object.hasOwn. */
export type MetadataStruct = Readonly<Record<string, unknown>>;

/** Who carries it: a request's record. */
export interface MetadataHolder {
  dynamicMetadata: DynamicMetadata | undefined;
}

/** Values by namespace, which is a filter's name or what its configuration says. Made with the first value. */
export class DynamicMetadata {
  readonly #namespaces = new Map<string, MetadataStruct>();

  /** Values under new names are added, values under old names replaced, as in Envoy. */
  merge(namespace: string, values: MetadataStruct): void {
    const before = this.#namespaces.get(namespace);
    this.#namespaces.set(namespace, before === undefined ? values : { ...before, ...values });
  }

  /** Everything in a namespace; undefined for none. */
  get(namespace: string): MetadataStruct | undefined {
    return this.#namespaces.get(namespace);
  }

  namespaces(): Iterable<readonly [string, MetadataStruct]> {
    return this.#namespaces;
  }
}

/** Adds to what is known of a request. */
export function addMetadata(holder: MetadataHolder, namespace: string, values: MetadataStruct): void {
  holder.dynamicMetadata ??= new DynamicMetadata();
  holder.dynamicMetadata.merge(namespace, values);
}

/** The value at the end of `path`, the namespace itself for an empty one; undefined where there is none. */
export function metadataAt({ dynamicMetadata }: Readonly<MetadataHolder>, namespace: string, path: readonly string[],
): unknown {
  let value: unknown = dynamicMetadata?.get(namespace);
  for (let i = 0; i < path.length; i++) {
    if (!isStruct(value) || !Object.hasOwn(value, path[i]!)) return undefined;
    value = value[path[i]!];
  }
  return value;
}

export function isStruct(value: unknown): value is MetadataStruct {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
