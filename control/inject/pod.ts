// A pod as its author wrote it: the fields that injection reads, and everything else as it is.
import { Refusal } from '../../proxy/config/schema.ts';

export type Values = Record<string, unknown>;

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort?: number;
  readonly protocol?: string;
}

export interface HttpGet {
  readonly path?: string;
  readonly port: number | string;
  readonly host?: string;
  readonly scheme?: string;
  readonly httpHeaders?: readonly { readonly name: string; readonly value?: string }[];
}

/** core/v1 Probe, or a handler of its Lifecycle. */
export interface Probe {
  readonly httpGet?: HttpGet;
  readonly tcpSocket?: { readonly port: number | string; readonly host?: string };
  readonly grpc?: { readonly port: number; readonly service?: string };
  readonly exec?: unknown;
  readonly timeoutSeconds?: number;
  readonly [more: string]: unknown;
}

export interface Lifecycle {
  readonly postStart?: Probe;
  readonly preStop?: Probe;
  readonly [more: string]: unknown;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly args?: readonly string[];
  readonly ports?: readonly ContainerPort[];
  readonly env?: readonly Values[];
  readonly volumeMounts?: readonly Values[];
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly lifecycle?: Lifecycle;
  readonly [more: string]: unknown;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Values[];
  readonly imagePullSecrets?: readonly Values[];
  readonly securityContext?: Values;
  readonly hostNetwork?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly os?: { readonly name?: string };
  readonly [more: string]: unknown;
}

export interface PodMeta {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly { readonly kind?: string; readonly name?: string; readonly controller?: boolean;
    readonly apiVersion?: string }[];
  readonly [more: string]: unknown;
}

/** A Pod, or the template of what makes pods. */
export interface PodTemplate {
  readonly metadata?: PodMeta;
  readonly spec: PodSpec;
  readonly [more: string]: unknown;
}

/** What a value must look like where injection reads it; what is absent or null is left so. */
type Shape = 'text' | 'texts' | 'count' | 'port' | 'yes-or-no' | 'object' | readonly [ShapeMap] | ShapeMap;
interface ShapeMap {
  readonly [field: string]: Shape;
}

const handler: ShapeMap = {
  httpGet: { path: 'text', port: 'port', host: 'text', scheme: 'text', httpHeaders: [{ name: 'text', value: 'text' }] },
  tcpSocket: { port: 'port', host: 'text' }, grpc: { port: 'count', service: 'text' }, timeoutSeconds: 'count',
};
const container: ShapeMap = {
  name: 'text', image: 'text', ports: [{ name: 'text', containerPort: 'count', protocol: 'text' }],
  env: [{ name: 'text' }], volumeMounts: [{ name: 'text', mountPath: 'text' }],
  readinessProbe: handler, livenessProbe: handler, startupProbe: handler,
  lifecycle: { postStart: handler, preStop: handler },
};
const POD: ShapeMap = {
  metadata: {
    name: 'text', generateName: 'text', namespace: 'text', labels: 'texts', annotations: 'texts',
    ownerReferences: [{ kind: 'text', name: 'text', apiVersion: 'text', controller: 'yes-or-no' }],
  },
  spec: {
    containers: [container], initContainers: [container], volumes: [{ name: 'text' }],
    imagePullSecrets: [{ name: 'text' }], securityContext: 'object', hostNetwork: 'yes-or-no', os: { name: 'text' },
    terminationGracePeriodSeconds: 'count',
  },
};
/** More is no pod of anybody's. */
const LIST_MAX = 1000;

/** The pod, when all that injection reads has the form that Kubernetes knows. */
export function readPod(value: unknown): PodTemplate | Refusal {
  const fault = shapeFault(value, POD);
  if (fault !== undefined) return fault;
  const { spec } = value as { spec?: Partial<PodSpec> };
  if (spec === undefined || spec === null) return new Refusal('a pod needs spec');
  if (!Array.isArray(spec.containers)) return new Refusal('a pod needs containers', ['spec']);
  return withoutNulls(value, POD) as PodTemplate;
}

/** A field that is read and null is one that is not there, as for Kubernetes. */
function withoutNulls(value: unknown, shape: Shape): unknown {
  if (isList(shape)) return (value as unknown[]).map((item) => withoutNulls(item, shape[0]));
  if (typeof shape === 'string') return value;
  const kept = Object.entries(value as Values).filter(([name, field]) => field !== null || !(name in shape));
  return Object.fromEntries(kept.map(([name, field]) => (
    [name, Object.hasOwn(shape, name) ? withoutNulls(field, shape[name] ?? 'text') : field])));
}

export function isRecord(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shapeFault(value: unknown, shape: Shape): Refusal | undefined {
  if (typeof shape === 'string') return leafFault(value, shape);
  if (!isList(shape)) return fieldsFault(value, shape);
  if (!Array.isArray(value) || value.length > LIST_MAX) return new Refusal(`must be a list of at most ${LIST_MAX}`);
  for (const [i, item] of value.entries()) {
    const fault = fieldsFault(item, shape[0]);
    if (fault !== undefined) return fault.under(i);
    if ('name' in shape[0] && (item as Values)['name'] === undefined && shape[0]['containerPort'] === undefined) {
      return new Refusal('needs a name', [i]);
    }
  }
  return undefined;
}

function isList(shape: Shape): shape is readonly [ShapeMap] {
  return Array.isArray(shape);
}

function fieldsFault(value: unknown, fields: ShapeMap): Refusal | undefined {
  if (!isRecord(value)) return new Refusal('must be an object');
  for (const [name, shape] of Object.entries(fields)) {
    const field = value[name];
    const fault = field === undefined || field === null ? undefined : shapeFault(field, shape);
    if (fault !== undefined) return fault.under(name);
  }
  return undefined;
}

function leafFault(value: unknown, shape: Exclude<Shape, object>): Refusal | undefined {
  if (shape === 'text') return typeof value === 'string' ? undefined : new Refusal('must be text');
  if (shape === 'yes-or-no') return typeof value === 'boolean' ? undefined : new Refusal('must be true or false');
  if (shape === 'object') return isRecord(value) ? undefined : new Refusal('must be an object');
  if (shape === 'texts') {
    const good = isRecord(value) && Object.values(value).every((item) => typeof item === 'string');
    return good ? undefined : new Refusal('must be texts by name; numbers and true must be quoted');
  }
  if (shape === 'port' && typeof value === 'string') return undefined;
  return Number.isInteger(value) ? undefined : new Refusal('must be a whole number');
}
