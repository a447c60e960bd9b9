// What is kept of a Kubernetes object: what bears on the mesh, so that a large cluster fits and its noise is still.
import type { KubeDocument } from './kube-document.ts';

/** The largest annotation by far, and of no use here. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** Kinds whose status the mesh reads. */
const SERVICE_STATUS: ReadonlySet<string> = new Set(['Service', 'ServiceEntry']);
/** Of a Secret, the keys that are looked at. */
const SECRET_KEYS: ReadonlySet<string> = new Set(['tls.crt', 'tls.key', 'ca.crt', 'ca.crl', 'cert', 'key', 'cacert',
  'crl', 'client-secret', 'cookie-secret', 'credential']);
const NODE_LABELS = /^topology\.(kubernetes|istio)\.io\/|^failure-domain\.beta\.kubernetes\.io\//;

/** Undefined where nothing of the object is of use. */
export function trimObject(kind: string, object: KubeDocument): KubeDocument | undefined {
  const { status, ...rest } = object;
  const trimmed: KubeDocument = { ...rest, metadata: trimMeta(object['metadata']) };
  if (SERVICE_STATUS.has(kind) && status !== undefined) trimmed['status'] = trimStatus(kind, status);
  switch (kind) {
    case 'Pod': return { ...trimmed, spec: podSpec(object['spec']), status: podStatus(status) };
    case 'Node': return { ...pick(trimmed, 'apiVersion', 'kind'), metadata: nodeMeta(trimmed['metadata']) };
    case 'Namespace': return pick(trimmed, 'apiVersion', 'kind', 'metadata');
    case 'ServiceAccount': return pick(trimmed, 'apiVersion', 'kind', 'metadata');
    case 'Secret': return trimSecret(trimmed);
    case 'ConfigMap': return trimConfigMap(trimmed);
    case 'Service': return { ...trimmed, spec: serviceSpec(object['spec']) };
    case 'EndpointSlice': return {
      ...pick(trimmed, 'apiVersion', 'kind', 'metadata', 'addressType'),
      endpoints: listOf(object['endpoints']).map(trimEndpoint), ports: listOf(object['ports']).map(trimPort),
    };
    default: return trimmed;
  }
}

/** Versions change with every heartbeat: with them here, nothing would ever be as it was. */
function trimMeta(meta: unknown): KubeDocument {
  const kept = pick(recordOf(meta), 'name', 'namespace', 'labels', 'uid', 'generation', 'creationTimestamp',
    'deletionTimestamp');
  const { annotations, ownerReferences } = recordOf(meta);
  if (isRecord(annotations)) {
    const { [LAST_APPLIED]: _, ...others } = annotations;
    if (Object.keys(others).length > 0) kept['annotations'] = others;
  }
  if (Array.isArray(ownerReferences)) {
    kept['ownerReferences'] = ownerReferences.map((owner) => pick(recordOf(owner), 'apiVersion', 'kind', 'name'));
  }
  return kept;
}

function trimStatus(kind: string, status: unknown): KubeDocument {
  return kind === 'Service' ? pick(recordOf(status), 'loadBalancer') : pick(recordOf(status), 'addresses');
}

/** What a newer Kubernetes adds is its own matter. */
function serviceSpec(spec: unknown): KubeDocument {
  return {
    ...pick(recordOf(spec), 'selector', 'clusterIP', 'clusterIPs', 'publishNotReadyAddresses', 'type', 'externalName',
      'ipFamilies', 'sessionAffinity', 'trafficDistribution'),
    ports: listOf(recordOf(spec)['ports']).map(trimPort),
  };
}

function trimPort(port: unknown): KubeDocument {
  return pick(recordOf(port), 'name', 'port', 'targetPort', 'protocol', 'appProtocol', 'containerPort');
}

function podSpec(spec: unknown): KubeDocument {
  const { containers, initContainers } = recordOf(spec);
  // Those that are restarted always run beside the others, and serve ports as they do.
  const beside = listOf(initContainers).filter((one) => recordOf(one)['restartPolicy'] === 'Always');
  return {
    ...pick(recordOf(spec), 'serviceAccountName', 'nodeName', 'hostNetwork'),
    containers: [...listOf(containers), ...beside].map((one) => (
      { ...pick(recordOf(one), 'name'), ports: listOf(recordOf(one)['ports']).map(trimPort) })),
  };
}

function podStatus(status: unknown): KubeDocument {
  const conditions = listOf(recordOf(status)['conditions']).map(recordOf).filter(({ type }) => type === 'Ready');
  return {
    ...pick(recordOf(status), 'podIP', 'podIPs', 'phase'),
    conditions: conditions.map((condition) => pick(condition, 'type', 'status')),
  };
}

function nodeMeta(meta: unknown): KubeDocument {
  const { labels } = recordOf(meta);
  const kept = Object.entries(recordOf(labels)).filter(([name]) => NODE_LABELS.test(name));
  return { ...pick(recordOf(meta), 'name'), labels: Object.fromEntries(kept) };
}

function trimSecret(secret: KubeDocument): KubeDocument | undefined {
  const data = Object.entries(recordOf(secret['data'])).filter(([key]) => SECRET_KEYS.has(key));
  if (data.length === 0) return undefined;
  return { ...pick(secret, 'apiVersion', 'kind', 'metadata', 'type'), data: Object.fromEntries(data) };
}

/** Roots are all that is read of one. */
function trimConfigMap(configMap: KubeDocument): KubeDocument | undefined {
  const data = pick(recordOf(configMap['data']), 'ca.crt');
  return data['ca.crt'] === undefined ? undefined : { ...pick(configMap, 'apiVersion', 'kind', 'metadata'), data };
}

function trimEndpoint(endpoint: unknown): KubeDocument {
  const kept = pick(recordOf(endpoint), 'addresses', 'conditions', 'nodeName', 'zone');
  const { targetRef } = recordOf(endpoint);
  return targetRef === undefined ? kept
    : { ...kept, targetRef: pick(recordOf(targetRef), 'kind', 'name', 'namespace') };
}

function pick(from: KubeDocument, ...names: readonly string[]): KubeDocument {
  // Go writes null for a list or map that is empty.
  const present = names.filter((name) => from[name] !== undefined && from[name] !== null);
  return Object.fromEntries(present.map((name) => [name, from[name]]));
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function recordOf(value: unknown): KubeDocument {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is KubeDocument {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
