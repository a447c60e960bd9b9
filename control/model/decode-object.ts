// Documents of a file as objects: which kind, which version, and what its schema says; errors with file and line.
import type { ConfigError } from '../../proxy/base/error.ts';
import { decode } from '../../proxy/config/decode.ts';
import type { ConfigWarning, Locate } from '../../proxy/config/decode-report.ts';
import { nearestName } from '../../proxy/config/nearest-name.ts';
import type { YamlDocument } from '../../proxy/config/yaml-file.ts';
import { kindNamed, KINDS, knownKinds, REFUSED_KINDS, SKIPPED_KINDS, type KindName } from './kind.ts';
import { placeOf, titleOf, type Finding, type MeshObject, type Origin } from './mesh-object.ts';
import type { ObjectMeta } from './object-meta.ts';

/** What the documents of one file come to. With errors nothing of it may be used. */
export interface DecodedObjects {
  readonly objects: readonly MeshObject[];
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

export function decodeObjects(documents: readonly YamlDocument[], file: string): DecodedObjects {
  const found = { objects: [] as MeshObject[], errors: [] as Finding[], warnings: [] as Finding[] };
  for (const { value, locate } of documents) decodeOne(value, { file, locate, found, path: [] });
  const first = new Map<string, MeshObject>();
  for (const object of found.objects) {
    const twin = first.get(titleOf(object));
    if (twin === undefined) first.set(titleOf(object), object);
    else found.errors.push(duplicate(object, twin));
  }
  return found;
}

/** Two objects of one name: nobody can say which was meant. */
export function duplicate(object: MeshObject, twin: MeshObject): Finding {
  const reason = `is already defined in ${placeOf(twin.origin)}; change it there, or delete one of the two`;
  return { where: placeOf(object.origin), object: titleOf(object), path: '', reason };
}

const EXAMPLE_VERSION = '`apiVersion: networking.istio.io/v1`';

type Path = readonly (string | number)[];

interface Context {
  readonly file: string;
  readonly locate: Locate;
  /** Of this object in its document, which may be a List. */
  readonly path: Path;
  readonly found: { objects: MeshObject[]; errors: Finding[]; warnings: Finding[] };
}

function decodeOne(value: unknown, context: Context): void {
  const { found } = context;
  const fail = (path: Path, reason: string, object = ''): void => {
    found.errors.push({ where: place(context, path), object, path: path.join('.'), reason });
  };
  if (!isRecord(value)) return fail([], 'must be an object with apiVersion, kind and metadata');
  const { apiVersion, kind } = value;
  if (typeof kind !== 'string') return fail([], 'needs kind, as in `kind: VirtualService`');
  if (typeof apiVersion !== 'string') return fail([], `needs apiVersion, as in ${EXAMPLE_VERSION}`, kind);
  if (kind === 'List') return decodeList(value, context);
  if (SKIPPED_KINDS.has(kind)) {
    const reason = 'is left alone: the mesh has no use for it';
    found.warnings.push({ where: place(context, []), object: kind, path: '', reason });
    return undefined;
  }
  const refused = REFUSED_KINDS.get(kind);
  if (refused !== undefined) return fail(['kind'], `${kind} is not supported: ${refused}`, kind);
  const name = kindNamed(kind, apiVersion);
  if (name === undefined) {
    return fail(['kind'], `unknown kind '${kind.slice(0, 60)}'${nearestName(kind, knownKinds())}`);
  }
  const wrong = versionFault(name, apiVersion);
  return wrong === undefined ? decodeKind(name, value, context) : fail(['apiVersion'], wrong, kind);
}

/** What `kubectl get -o yaml` writes for several objects. */
function decodeList(value: Record<string, unknown>, context: Context): void {
  const items = Array.isArray(value['items']) ? value['items'] : [];
  for (const [index, item] of items.entries()) decodeOne(item, { ...context, path: [...context.path, 'items', index] });
}

function versionFault(kind: KindName, apiVersion: string): string | undefined {
  const { group, versions } = KINDS[kind];
  const known = versions.map((version) => (group === '' ? version : `${group}/${version}`));
  if (known.includes(apiVersion)) return undefined;
  return `'${apiVersion.slice(0, 60)}' is not a version of ${kind}; use ${known.join(' or ')}`;
}

function decodeKind(kind: KindName, value: Record<string, unknown>, context: Context): void {
  const { found, path } = context;
  const locate: Locate = (below) => context.locate([...path, ...below]);
  const result = decode(KINDS[kind].schema as (typeof KINDS)['Service']['schema'], value, '', locate);
  const metadata = isRecord(value['metadata']) ? value['metadata'] : {};
  const { namespace = 'default', name = '?' } = metadata;
  const title = `${kind} ${String(namespace)}/${String(name)}`.slice(0, 200);
  found.warnings.push(...result.warnings.map((warning) => finding(warning, title)));
  found.errors.push(...result.errors.map((error) => finding(error, title)));
  if (result.value === undefined) return;
  const meta: ObjectMeta = result.value.metadata;
  found.objects.push({
    kind,
    name: meta.name,
    namespace: KINDS[kind].clusterScoped === true ? '' : meta.namespace ?? 'default',
    labels: new Map(Object.entries(meta.labels ?? {})),
    annotations: new Map(Object.entries(meta.annotations ?? {})),
    createdMs: createdMs(meta),
    body: result.value,
    origin: originOf(locate([]), context.file),
    locate: (below) => originOf(locate(below), context.file),
  });
}

/** `kubectl` writes null where there is none. */
function createdMs({ creationTimestamp }: ObjectMeta): number | undefined {
  const ms = typeof creationTimestamp === 'string' ? Date.parse(creationTimestamp) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

function finding({ where, path, reason }: ConfigError | ConfigWarning, object: string): Finding {
  return { where: withoutColumn(where ?? ''), object, path, reason };
}

function place({ locate, path, file }: Context, below: Path): string {
  return withoutColumn(locate([...path, ...below]) ?? file);
}

/** `file:line:column` to `file:line`. */
function withoutColumn(where: string): string {
  return where.replace(/^(.*:[0-9]+):[0-9]+$/, '$1');
}

function originOf(where: string | undefined, file: string): Origin {
  const line = /:([0-9]+):[0-9]+$/.exec(where ?? '')?.[1];
  return { file, line: Number(line ?? 0) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
