// Which workload this proxy stands beside, and which one an endpoint is, in Istio's words.

/** node.id, node.cluster and node.metadata of the bootstrap. */
export interface NodeFacts {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Names as Istio's labels show them; `unknown` where nothing says them. */
export interface Workload {
  readonly name: string;
  readonly namespace: string;
  readonly app: string;
  readonly version: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly cluster: string;
}

export const UNKNOWN = 'unknown';

export const UNKNOWN_WORKLOAD: Workload = {
  name: UNKNOWN, namespace: UNKNOWN, app: UNKNOWN, version: UNKNOWN,
  canonicalService: UNKNOWN, canonicalRevision: UNKNOWN, cluster: UNKNOWN,
};

const CANONICAL_NAME = 'service.istio.io/canonical-name';
const CANONICAL_REVISION = 'service.istio.io/canonical-revision';

/** The proxy's own workload, from Istio's node metadata (WORKLOAD_NAME, NAMESPACE, CLUSTER_ID, LABELS). */
export function localWorkload({ metadata }: NodeFacts): Workload {
  const labels = new Map(Object.entries(isObject(metadata['LABELS']) ? metadata['LABELS'] : {}));
  const name = text(metadata['WORKLOAD_NAME']);
  const app = text(labels.get('app'));
  const version = text(labels.get('version'));
  return {
    name: name ?? UNKNOWN,
    namespace: text(metadata['NAMESPACE']) ?? UNKNOWN,
    app: app ?? UNKNOWN,
    version: version ?? UNKNOWN,
    canonicalService: text(labels.get(CANONICAL_NAME)) ?? app ?? name ?? UNKNOWN,
    canonicalRevision: text(labels.get(CANONICAL_REVISION)) ?? version ?? 'latest',
    cluster: text(metadata['CLUSTER_ID']) ?? UNKNOWN,
  };
}

/** `name;namespace;canonical-name;canonical-revision;cluster`, which endpoints carry as `istio.workload`. */
export function endpointWorkload(encoded: string | undefined): Workload {
  if (encoded === undefined) return UNKNOWN_WORKLOAD;
  const [name, namespace, service, revision, cluster] = encoded.split(';', 5);
  return {
    name: text(name) ?? UNKNOWN,
    namespace: text(namespace) ?? UNKNOWN,
    app: text(service) ?? UNKNOWN,
    version: text(revision) ?? UNKNOWN,
    canonicalService: text(service) ?? UNKNOWN,
    canonicalRevision: text(revision) ?? UNKNOWN,
    cluster: text(cluster) ?? UNKNOWN,
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
