// The paths of an API, compiled: a tree of their segments, in which a literal one goes before a template's.
import { ConfigError } from '../base/error.ts';
import type { OpenApiOperation, OpenApiParameter, OpenApiPath } from '../config/openapi.ts';
import { ValueCheck } from './openapi-value.ts';

export interface Parameter extends Pick<OpenApiParameter, 'name' | 'place'> {
  readonly isRequired: boolean;
  readonly list: NonNullable<OpenApiParameter['list']>;
  readonly check: ValueCheck | undefined;
}

export interface Operation {
  readonly parameters: readonly Parameter[];
  readonly needsBody: boolean;
  /** In lower case. */
  readonly contentTypes: readonly string[] | undefined;
}

export interface Endpoint {
  readonly template: string;
  readonly methods: ReadonlyMap<string, Operation>;
  /** Names of the template's segments by their places. */
  readonly names: readonly (readonly [name: string, segment: number])[];
  /** For 405. */
  readonly allow: string;
}

interface Node {
  readonly literal: Map<string, Node>;
  template: Node | undefined;
  endpoint: Endpoint | undefined;
}

const SEGMENTS_MAX = 64;

export class PathTable {
  readonly #root: Node = emptyNode();

  /** Throws ConfigError below `path`. */
  constructor(paths: readonly OpenApiPath[], path: string) {
    for (const [i, each] of paths.entries()) this.#add(each, `${path}[${i}]`);
  }

  /** `segments` as they stand in the path, without what is before the first /. */
  find(segments: readonly string[]): Endpoint | undefined {
    return segments.length > SEGMENTS_MAX ? undefined : find(this.#root, segments, 0);
  }

  #add(config: OpenApiPath, path: string): void {
    const segments = segmentsOf(config.template);
    if (!config.template.startsWith('/')) throw new ConfigError(`${path}.template`, 'must begin with /');
    if (segments.length > SEGMENTS_MAX) {
      throw new ConfigError(`${path}.template`, `has more than ${SEGMENTS_MAX} segments`);
    }
    let node = this.#root;
    for (const segment of segments) node = child(node, segment, `${path}.template`);
    if (node.endpoint !== undefined) {
      throw new ConfigError(`${path}.template`, `cannot be told from ${node.endpoint.template}`);
    }
    node.endpoint = compile(config, segments, path);
  }
}

function emptyNode(): Node {
  return { literal: new Map(), template: undefined, endpoint: undefined };
}

export function segmentsOf(path: string): string[] {
  return path.slice(1).split('/');
}

function child(node: Node, segment: string, path: string): Node {
  if (isTemplate(segment)) return node.template ??= emptyNode();
  if (/[{}]/.test(segment)) {
    throw new ConfigError(path, `'${segment}' is a template in part: only whole segments may be`);
  }
  let next = node.literal.get(segment);
  if (next === undefined) node.literal.set(segment, next = emptyNode());
  return next;
}

function isTemplate(segment: string): boolean {
  return /^\{[^{}]+\}$/.test(segment);
}

/** Visits no node twice for a request: there is one way to each. */
function find(node: Node, segments: readonly string[], at: number): Endpoint | undefined {
  if (at === segments.length) return node.endpoint;
  const segment = segments[at]!;
  const literal = node.literal.get(segment);
  const found = literal && find(literal, segments, at + 1);
  if (found !== undefined || node.template === undefined || segment === '') return found;
  return find(node.template, segments, at + 1);
}

function compile({ template, operations }: OpenApiPath, segments: readonly string[], path: string): Endpoint {
  const methods = new Map(operations.map((operation, i) => (
    [operation.method, compileOperation(operation, `${path}.operations[${i}]`)] as const)));
  const get = methods.get('GET');
  if (get !== undefined && !methods.has('HEAD')) methods.set('HEAD', get);
  return {
    template, methods, allow: [...methods.keys()].toSorted().join(', '),
    names: segments.flatMap((segment, i) => (isTemplate(segment) ? [[segment.slice(1, -1), i] as const] : [])),
  };
}

function compileOperation(
  { parameters = [], needsBody = false, contentTypes }: OpenApiOperation, path: string,
): Operation {
  return {
    needsBody, contentTypes: contentTypes?.map((type) => type.toLowerCase()),
    parameters: parameters.map(({ name, place, isRequired = false, list = 'ONE', value }, i) => ({
      name: place === 'HEADER' ? name.toLowerCase() : name, place, isRequired: isRequired || place === 'PATH', list,
      check: value === undefined ? undefined : new ValueCheck(value, `${path}.parameters[${i}].value`),
    })),
  };
}
