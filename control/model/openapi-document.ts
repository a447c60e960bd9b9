// From an OpenAPI 3 document to the table that proxies hold requests against; what is beyond simple types is left out.
import { messageOf } from '../../proxy/base/error.ts';
import { compileRegex } from '../../proxy/base/regex.ts';
import type { OpenApiOperation, OpenApiParameter, OpenApiPath, OpenApiValue } from '../../proxy/config/openapi.ts';
import { OPENAPI_PARAMETERS_MAX, OPENAPI_PATHS_MAX } from '../../proxy/config/openapi.ts';
import { Refusal } from '../../proxy/config/schema.ts';
import { parseYaml } from '../../proxy/config/yaml-file.ts';

export interface OpenApiTable {
  /** Of the first server's URL, without a / at its end. */
  readonly basePath: string;
  readonly paths: OpenApiPath[];
}

type Json = Readonly<Record<string, unknown>>;
type Path = readonly (string | number)[];

export const DOCUMENT_LENGTH_MAX = 1 << 20;
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const;
const REFERENCES_MAX = 16;
/** As OpenAPI has it: these are said elsewhere in a document. */
const OTHER_HEADERS = new Set(['accept', 'content-type', 'authorization']);

class DocumentFault extends Error {
  readonly at: Path;

  constructor(reason: string, at: Path) {
    super(reason);
    this.at = at;
  }
}

/** `input` is the document, or its YAML or JSON text. */
export function readOpenApi(input: unknown): OpenApiTable | Refusal {
  try {
    return tableOf(documentOf(input));
  } catch (cause) {
    const at = cause instanceof DocumentFault ? cause.at.join('.') : '';
    return new Refusal(at === '' ? messageOf(cause) : `${at} ${messageOf(cause)}`);
  }
}

function documentOf(input: unknown): Json {
  if (typeof input !== 'string') return object(input, []);
  if (input.length > DOCUMENT_LENGTH_MAX) {
    throw new DocumentFault(`is longer than ${DOCUMENT_LENGTH_MAX} characters`, []);
  }
  const { documents, errors } = parseYaml(input, 'document');
  if (errors.length > 0) throw new DocumentFault(errors[0]!.message, []);
  return object(documents[0]?.value, []);
}

function tableOf(document: Json): OpenApiTable {
  const version = document['openapi'];
  if (typeof version !== 'string' || !version.startsWith('3.')) {
    throw new DocumentFault("must be an OpenAPI 3 document: 'openapi: 3.…'", ['openapi']);
  }
  const reader = new Reader(document);
  const paths = Object.entries(object(document['paths'] ?? {}, ['paths'])).filter(([name]) => name.startsWith('/'));
  if (paths.length > OPENAPI_PATHS_MAX) throw new DocumentFault(`has more than ${OPENAPI_PATHS_MAX} paths`, ['paths']);
  const basePath = basePathOf(document['servers']);
  return {
    basePath,
    paths: paths.map(([template, item]) => reader.path(basePath, template, item))
      .filter(({ operations }) => operations.length > 0),
  };
}

function basePathOf(servers: unknown): string {
  const url = Array.isArray(servers) ? (servers[0] as Json | undefined)?.['url'] : undefined;
  if (typeof url !== 'string') return '';
  const parsed = URL.parse(url, 'http://host/');
  if (parsed === null || /[{}]/.test(url)) {
    throw new DocumentFault('must be a URL without variables', ['servers', 0, 'url']);
  }
  return parsed.pathname.replace(/\/+$/, '');
}

class Reader {
  readonly #document: Json;

  constructor(document: Json) {
    this.#document = document;
  }

  path(basePath: string, template: string, input: unknown): OpenApiPath {
    const at = ['paths', template];
    const partial = template.split('/').find((segment) => /[{}]/.test(segment) && !/^\{[^{}]+\}$/.test(segment));
    if (partial !== undefined) {
      throw new DocumentFault(`'${partial}' is a template in part, which is not supported`, at);
    }
    const item = this.#follow(input, at);
    const shared = this.#parameters(item['parameters'], [...at, 'parameters']);
    const operations = METHODS.filter((method) => item[method] !== undefined).map((method) => (
      this.#operation(method, item[method], shared, [...at, method])));
    return { template: `${basePath}${template}`, operations };
  }

  #operation(method: string, input: unknown, shared: readonly OpenApiParameter[], at: Path): OpenApiOperation {
    const item = object(input, at);
    const own = this.#parameters(item['parameters'], [...at, 'parameters']);
    const isOwn = ({ name, place }: OpenApiParameter): boolean =>
      own.some((each) => each.name === name && each.place === place);
    const parameters = [...shared.filter((each) => !isOwn(each)), ...own];
    if (parameters.length > OPENAPI_PARAMETERS_MAX) {
      throw new DocumentFault(`has more than ${OPENAPI_PARAMETERS_MAX} parameters`, at);
    }
    const body = item['requestBody'] === undefined ? undefined
      : this.#follow(item['requestBody'], [...at, 'requestBody']);
    const types = Object.keys(object(body?.['content'] ?? {}, [...at, 'requestBody', 'content']));
    return {
      method: method.toUpperCase(), ...(parameters.length > 0 && { parameters }),
      ...(body?.['required'] === true && { needsBody: true }), ...(types.length > 0 && { contentTypes: types }),
    };
  }

  #parameters(input: unknown, at: Path): OpenApiParameter[] {
    if (input === undefined) return [];
    if (!Array.isArray(input)) throw new DocumentFault('must be a list', at);
    return input.flatMap((each, i) => this.#parameter(this.#follow(each, [...at, i]), [...at, i]) ?? []);
  }

  #parameter(item: Json, at: Path): OpenApiParameter | undefined {
    const { name, in: place, required = false, schema, style, explode } = item;
    if (typeof name !== 'string' || name === '') throw new DocumentFault('needs a name', at);
    const known = PLACES.get(String(place));
    if (known === undefined) throw new DocumentFault("'in' must be query, header, path or cookie", at);
    if (known === 'HEADER' && OTHER_HEADERS.has(name.toLowerCase())) return undefined;
    const base = { name, place: known, ...(required === true && { isRequired: true }) };
    const type = schema === undefined ? {} : this.#follow(schema, [...at, 'schema']);
    if (type['type'] === 'object' || style === 'deepObject') {
      // Its fields have names of their own, by its style: that it is there cannot be seen.
      return undefined;
    }
    if (type['type'] !== 'array') return { ...base, ...valueField(valueOf(type, [...at, 'schema'])) };
    const items = type['items'] === undefined ? {} : this.#follow(type['items'], [...at, 'schema', 'items']);
    const isRepeated = known === 'QUERY' && explode !== false;
    const list = isRepeated ? 'REPEATED' : 'COMMAS';
    return { ...base, list, ...valueField(valueOf(items, [...at, 'schema', 'items'])) };
  }

  /** What a $ref of the same document stands for. */
  #follow(input: unknown, at: Path): Json {
    let item = object(input, at);
    for (let steps = 0; typeof item['$ref'] === 'string'; steps++) {
      if (steps === REFERENCES_MAX) throw new DocumentFault('refers in circles', [...at, '$ref']);
      item = object(this.#resolve(item['$ref'], [...at, '$ref']), [...at, '$ref']);
    }
    return item;
  }

  #resolve(reference: string, at: Path): unknown {
    if (!reference.startsWith('#/')) throw new DocumentFault('must refer to the same document: #/…', at);
    let value: unknown = this.#document;
    for (const part of reference.slice(2).split('/')) {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
      value = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
        ? (value as Json)[name] : undefined;
    }
    if (value === undefined) throw new DocumentFault(`refers to what is not there: ${reference.slice(0, 100)}`, at);
    return value;
  }
}

const PLACES: ReadonlyMap<string, OpenApiParameter['place']> = new Map([
  ['query', 'QUERY'], ['header', 'HEADER'], ['path', 'PATH'], ['cookie', 'COOKIE'],
]);
const TYPES: ReadonlyMap<string, NonNullable<OpenApiValue['type']>> = new Map([
  ['string', 'STRING'], ['integer', 'INTEGER'], ['number', 'NUMBER'], ['boolean', 'BOOLEAN'],
]);

function valueField(value: OpenApiValue): { value?: OpenApiValue } {
  return Object.keys(value).length === 0 ? {} : { value };
}

/** Combinations of schemas (oneOf and the like) and several types are not looked into. */
function valueOf(schema: Json, at: Path): OpenApiValue {
  const type = typeof schema['type'] === 'string' ? TYPES.get(schema['type']) : undefined;
  const { pattern } = schema;
  if (typeof pattern === 'string') {
    try {
      compileRegex(`(?s:.*)(?:${pattern})(?s:.*)`, 'pattern');
    } catch (cause) {
      const reason = `is no pattern that can be matched in linear time: ${messageOf(cause)}`;
      throw new DocumentFault(reason, [...at, 'pattern']);
    }
  }
  const values = Array.isArray(schema['enum']) ? schema['enum'].map(String) : [];
  return {
    ...(type !== undefined && { type }), ...(values.length > 0 && { values }),
    ...(typeof pattern === 'string' && { pattern }), ...numberOf(schema, 'minimum'), ...numberOf(schema, 'maximum'),
    ...numberOf(schema, 'minLength'), ...numberOf(schema, 'maxLength'),
  };
}

function numberOf<K extends 'minimum' | 'maximum' | 'minLength' | 'maxLength'>(
  schema: Json, key: K,
): { readonly [P in K]?: number } {
  const value = schema[key];
  return (typeof value === 'number' ? { [key]: value } : {}) as { readonly [P in K]?: number };
}

function object(value: unknown, at: Path): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DocumentFault('must be an object', at);
  }
  return value as Json;
}
