// A text of Kubernetes YAML with sidecars in its pods; what is no pod stays as it is, byte for byte.
import { isNode, parseAllDocuments, stringify } from 'yaml';
import type { Document } from 'yaml';
import { parseYaml, type YamlDocument } from '../../proxy/config/yaml-file.ts';
import { injectPod, type Injection, type PodOrigin } from './inject-pod.ts';
import type { FaultPath, InjectionFault } from './fault-list.ts';
import type { InjectionSettings } from './injection-settings.ts';
import { isRecord, type Values } from './pod.ts';

export interface InjectedManifest {
  readonly text: string;
  /** `file:line: Deployment default/web spec.template...: reason`; with errors there is no text. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  /** Why pods were left alone. */
  readonly notes: readonly string[];
  readonly injected: number;
}

/** Where each kind has the pod that it makes. */
const TEMPLATES: ReadonlyMap<string, readonly string[]> = new Map([
  ['Pod', []],
  ...['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job', 'ReplicationController', 'DeploymentConfig']
    .map((kind): [string, string[]] => [kind, ['spec', 'template']]),
  ['CronJob', ['spec', 'jobTemplate', 'spec', 'template']],
]);

/** `file` is the name that errors show; `namespace` is that of objects that name none. */
export function injectManifest(
  text: string, file: string, settings: InjectionSettings, namespace = 'default',
): InjectedManifest {
  const { documents, errors } = parseYaml(text, file);
  if (errors.length > 0) return nothing(errors.map((error) => withoutColumn(error.message)));
  const manifest = new Manifest(settings, namespace);
  let result = '';
  const read = documents.values();
  let at = 0;
  for (const source of parseAllDocuments(text, { logLevel: 'silent', uniqueKeys: false }) as Document[]) {
    const end = source.range?.[2] ?? text.length;
    const raw = text.slice(at, end);
    // Documents without content are left out by the reader.
    const document = source.toJSON() === null ? undefined : read.next().value;
    result += document === undefined ? raw : manifest.document(document, raw, source, at);
    at = end;
  }
  if (manifest.errors.length > 0) return { ...nothing(manifest.errors), warnings: manifest.warnings };
  const { warnings, notes, injected } = manifest;
  return { text: result + text.slice(at), errors: [], warnings, notes, injected };
}

function nothing(errors: readonly string[]): InjectedManifest {
  return { text: '', errors, warnings: [], notes: [], injected: 0 };
}

class Manifest {
  readonly errors: string[] = [];
  readonly warnings: string[] = [];
  readonly notes: string[] = [];
  injected = 0;
  readonly #settings: InjectionSettings;
  readonly #namespace: string;

  constructor(settings: InjectionSettings, namespace: string) {
    this.#settings = settings;
    this.#namespace = namespace;
  }

  /** The text of a document, which begins at `documentStart`; written anew only where a pod in it has changed. */
  document({ value, locate }: YamlDocument, raw: string, { contents }: Document, documentStart: number): string {
    const place = (path: FaultPath): string => withoutColumn(locate(path) ?? '');
    const changed = this.#object(value, [], place);
    if (changed === undefined) return raw;
    // Comments before the document and its marker stay.
    const start = isNode(contents) ? (contents.range?.[0] ?? 0) : 0;
    const head = raw.slice(0, Math.max(0, start - documentStart));
    const isJson = raw.slice(head.length).trimStart().startsWith('{');
    const yaml = { lineWidth: 0, aliasDuplicateObjects: false };
    return head + (isJson ? `${JSON.stringify(changed, null, 2)}\n` : stringify(changed, yaml));
  }

  #object(value: unknown, path: FaultPath, place: (path: FaultPath) => string): unknown {
    if (!isRecord(value)) return undefined;
    const { kind } = value;
    if (kind === 'List' && Array.isArray(value['items'])) return this.#list(value, path, place);
    const template = typeof kind === 'string' ? TEMPLATES.get(kind) : undefined;
    if (typeof kind !== 'string' || template === undefined) return undefined;
    const pod = template.reduce((at: unknown, name) => (isRecord(at) ? at[name] : undefined), value);
    const title = titleOf(value, kind);
    if (pod === undefined) return undefined;
    const origin = originOf(value, pod, kind, this.#namespace);
    const result = injectPod(pod, origin, this.#settings);
    return this.#taken(result, value, { title, template, path, place });
  }

  #list(value: Values, path: FaultPath, place: (path: FaultPath) => string): unknown {
    const items = value['items'] as unknown[];
    const changed = items.map((item, i) => this.#object(item, [...path, 'items', i], place));
    if (changed.every((item) => item === undefined)) return undefined;
    return { ...value, items: items.map((item, i) => changed[i] ?? item) };
  }

  #taken(result: Injection, value: Values, where: Where): unknown {
    const { title, template, path, place } = where;
    const line = ({ path: below, reason }: InjectionFault): string => {
      const full = [...template, ...below];
      return `${place([...path, ...full])}: ${title}${full.length === 0 ? '' : ` ${full.join('.')}`}: ${reason}`;
    };
    if (result.kind === 'left') {
      this.notes.push(`${place(path)}: ${title}: ${result.reason}`);
      return undefined;
    }
    if (result.kind === 'refused') {
      this.errors.push(...result.errors.map(line));
      return undefined;
    }
    this.warnings.push(...result.warnings.map(line));
    this.injected++;
    return replaced(value, template, result.pod);
  }
}

interface Where {
  readonly title: string;
  readonly template: readonly string[];
  readonly path: FaultPath;
  readonly place: (path: FaultPath) => string;
}

function originOf(value: Values, pod: unknown, kind: string, fallback: string): PodOrigin {
  const [outer, inner] = [value['metadata'], isRecord(pod) ? pod['metadata'] : undefined];
  const named = [inner, outer].find((meta) => isRecord(meta) && typeof meta['namespace'] === 'string');
  const namespace = isRecord(named) ? String(named['namespace']) : fallback;
  const name = isRecord(outer) && typeof outer['name'] === 'string' ? outer['name'] : '';
  return { namespace, ...(kind !== 'Pod' && { maker: { kind, name } }) };
}

function titleOf(value: Values, kind: string): string {
  const meta = isRecord(value['metadata']) ? value['metadata'] : {};
  const { namespace = 'default', name = meta['generateName'] ?? '?' } = meta;
  return `${kind} ${String(namespace)}/${String(name)}`.slice(0, 200);
}

/** A copy of `value` with `leaf` in that place. */
function replaced(value: Values, path: readonly string[], leaf: unknown): unknown {
  const [name, ...rest] = path;
  return name === undefined ? leaf : { ...value, [name]: replaced(value[name] as Values, rest, leaf) };
}

/** `file:line:column` to `file:line`. */
function withoutColumn(where: string): string {
  return where.replace(/^(.*?:[0-9]+):[0-9]+/, '$1');
}
