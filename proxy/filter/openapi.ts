// The OpenAPI filter: requests that an API's description does not have are answered here, with what is wrong of them.
import type { OpenApi } from '../config/openapi.ts';
import type { RequestHead } from '../http/message.ts';
import { cookieValue } from '../route/cookie.ts';
import { statName } from '../telemetry/stat-name.ts';
import type { StatScope } from '../telemetry/stat-name.ts';
import type { Counter, Stats } from '../telemetry/stats.ts';
import type { FilterStream, HttpFilter, Verdict } from './filter.ts';
import { PathTable, segmentsOf } from './openapi-table.ts';
import type { Endpoint, Operation, Parameter } from './openapi-table.ts';

/** A client is told so much of what is wrong at once. */
const FAULTS_MAX = 5;
const QUERY_FIELDS_MAX = 256;
/** What may follow a prefix that ends with a segment. */
const ENDS: ReadonlySet<string | undefined> = new Set([undefined, '/', '?']);

interface Refused {
  readonly status: number;
  readonly detail: string;
  readonly faults: readonly string[];
  readonly allow?: string;
}

export class OpenApiFilter implements HttpFilter {
  readonly name: string;
  index = 0;
  readonly #config: OpenApi;
  readonly #table: PathTable;
  readonly #accepted: Counter;
  readonly #refused: Counter;
  readonly #dryRefused: Counter;

  /** Throws ConfigError below `path`. */
  constructor(name: string, config: OpenApi, deps: { readonly stats: Stats; readonly scope: StatScope }, path: string) {
    this.name = name;
    this.#config = config;
    this.#table = new PathTable(config.paths, `${path}.paths`);
    const { statPrefix = '' } = config;
    const counter = (stat: string): Counter => deps.stats.counter(
      statName(deps.scope, `openapi.${statPrefix === '' ? '' : `${statPrefix}.`}${stat}`),
    );
    [this.#accepted, this.#refused, this.#dryRefused] = [counter('ok'), counter('denied'), counter('shadow_denied')];
  }

  onRequestHead(stream: FilterStream, endStream: boolean): Verdict {
    const { request } = stream;
    if (!this.#concerns(request)) return 'continue';
    const refused = judge(this.#table, request, endStream);
    if (refused === undefined) {
      this.#accepted.inc();
      return 'continue';
    }
    if (this.#config.dryRun === true) {
      this.#dryRefused.inc();
      return 'continue';
    }
    this.#refused.inc();
    const { status, detail, faults, allow } = refused;
    stream.sendLocalReply({
      status, detail, flags: 0, body: faults.map((fault) => `${this.#config.name}: ${fault}\n`).join(''),
      ...(allow !== undefined && { headers: [['allow', allow]] }),
    });
    return 'replied';
  }

  #concerns({ authority, path }: RequestHead): boolean {
    const { hosts, prefix = '' } = this.#config;
    if (!path.startsWith(prefix) || (prefix !== '' && !ENDS.has(path[prefix.length]))) return false;
    if (hosts === undefined) return true;
    const port = authority.lastIndexOf(':');
    const host = port > authority.lastIndexOf(']') ? authority.slice(0, port) : authority;
    for (const own of hosts) {
      if (own === host || own === '*' || (own.startsWith('*.') && host.endsWith(own.slice(1)))) return true;
    }
    return false;
  }
}

function judge(table: PathTable, request: RequestHead, endStream: boolean): Refused | undefined {
  const mark = request.path.indexOf('?');
  const segments = segmentsOf(mark === -1 ? request.path : request.path.slice(0, mark));
  const endpoint = table.find(segments);
  if (endpoint === undefined) return { status: 404, detail: 'openapi_no_path', faults: ['there is no such path'] };
  const operation = endpoint.methods.get(request.method);
  if (operation === undefined) {
    const fault = `${endpoint.template} has ${endpoint.allow}`;
    return { status: 405, detail: 'openapi_no_method', faults: [fault], allow: endpoint.allow };
  }
  const type = badType(operation, request, endStream);
  if (type !== undefined) return { status: 415, detail: 'openapi_media_type', faults: [type] };
  const faults: string[] = [];
  if (operation.needsBody && endStream) faults.push('a body is required');
  const query = operation.parameters.some(({ place }) => place === 'QUERY')
    ? queryOf(mark === -1 ? '' : request.path.slice(mark + 1)) : NO_QUERY;
  if (query === undefined) return { status: 400, detail: 'openapi_query', faults: ['the query cannot be read'] };
  for (const parameter of operation.parameters) {
    const fault = parameterFault(parameter, valuesOf(parameter, request, query, endpoint, segments));
    if (fault !== undefined) faults.push(`${parameter.place.toLowerCase()} parameter '${parameter.name}' ${fault}`);
    if (faults.length === FAULTS_MAX) break;
  }
  return faults.length === 0 ? undefined : { status: 400, detail: 'openapi_bad_request', faults };
}

function badType({ contentTypes }: Operation, { headers }: RequestHead, endStream: boolean): string | undefined {
  if (contentTypes === undefined || endStream) return undefined;
  const [type = ''] = (headers.get('content-type') ?? '').split(';');
  const given = type.trim().toLowerCase();
  const fits = contentTypes.some((own) => own === given || own === '*/*'
    || (own.endsWith('/*') && given.startsWith(own.slice(0, -1))));
  return fits ? undefined : `the body must be ${contentTypes.join(' or ')}`;
}

function parameterFault(
  { isRequired, list, check }: Parameter, values: readonly (string | undefined)[],
): string | undefined {
  if (values.length === 0) return isRequired ? 'is required' : undefined;
  if (list === 'ONE' && values.length > 1) return 'stands more than once';
  for (const value of values) {
    if (value === undefined) return 'cannot be read';
    const fault = check?.fault(value);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Each value, decoded; undefined for one that cannot be. */
function valuesOf(
  { name, place, list }: Parameter, request: RequestHead, query: Query, endpoint: Endpoint, segments: readonly string[],
): readonly (string | undefined)[] {
  const values = rawValues(name, place, request, query, endpoint, segments);
  return list === 'COMMAS' ? values.flatMap((value) => value?.split(',') ?? [value]) : values;
}

function rawValues(
  name: string, place: Parameter['place'], request: RequestHead, query: Query, { names }: Endpoint,
  segments: readonly string[],
): readonly (string | undefined)[] {
  switch (place) {
    case 'QUERY': return query.get(name) ?? [];
    case 'PATH': return names.filter(([own]) => own === name).map(([, at]) => decoded(segments[at]!));
    case 'HEADER': {
      const value = request.headers.joined(name);
      return value === undefined ? [] : [value];
    }
    case 'COOKIE': {
      const value = cookieValue(request, name);
      return value === '' ? [] : [value];
    }
  }
}

type Query = ReadonlyMap<string, readonly (string | undefined)[]>;
const NO_QUERY: Query = new Map();

/** Undefined where it has too many fields, or a name that cannot be decoded. */
function queryOf(text: string): Query | undefined {
  if (text === '') return NO_QUERY;
  const fields = text.split('&');
  if (fields.length > QUERY_FIELDS_MAX) return undefined;
  const query = new Map<string, (string | undefined)[]>();
  for (const field of fields) {
    const equals = field.indexOf('=');
    const name = decoded(equals === -1 ? field : field.slice(0, equals), true);
    if (name === undefined) return undefined;
    const value = decoded(equals === -1 ? '' : field.slice(equals + 1), true);
    const values = query.get(name);
    if (values === undefined) query.set(name, [value]);
    else values.push(value);
  }
  return query;
}

function decoded(text: string, isQuery = false): string | undefined {
  const spaced = isQuery && text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return undefined;
  }
}
