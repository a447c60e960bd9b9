// Operators that read header fields: %REQ(X?Y):Z%, %RESP(X)%, %TRAILER(X)%, %PATH(…)%, %QUERY_PARAM(X)%.
import { ConfigError } from '../base/error.ts';
import { percentDecoded } from '../base/percent-decoding.ts';
import { SINGLE_IN_REQUESTS, SINGLE_IN_RESPONSES } from '../base/single-field.ts';
import type { Operator, OperatorSpec } from './format-spec.ts';
import { grpcOperators } from './grpc-format-operator.ts';
import type { HeaderView, RequestView, ResponseView, StreamInfo } from './stream-info.ts';

/** Reads one field of a head, pseudo-headers and framing fields included; undefined when absent. */
type ReadField = (info: StreamInfo, name: string) => string | undefined;

/** The field of a request as Envoy's header map shows it, where method, path and framing are fields too. */
export function requestField(request: RequestView | undefined, name: string): string | undefined {
  if (request === undefined) return undefined;
  switch (name) {
    case ':method':
      return request.method;
    case ':path':
      return request.path === '' ? undefined : request.path;
    case ':scheme':
      return request.scheme;
    case ':authority':
    case 'host':
      return request.authority === '' ? undefined : request.authority;
    default:
      return framingField(request, name) ?? fieldValue(request.headers, name, SINGLE_IN_REQUESTS);
  }
}

/** As requestField, for a response. */
export function responseField(response: ResponseView | undefined, name: string): string | undefined {
  if (response === undefined) return undefined;
  if (name === ':status') return String(response.status);
  return framingField(response, name) ?? fieldValue(response.headers, name, SINGLE_IN_RESPONSES);
}

/** Of several fields of one name the first, or all where they are one list. */
function fieldValue(headers: HeaderView, name: string, single: ReadonlySet<string>): string | undefined {
  return single.has(name) ? headers.joined(name) : headers.get(name);
}

/** Framing fields are typed values of the head; a content-length of 0 is both "none" and "0" and reads as absent. */
function framingField(head: RequestView | ResponseView, name: string): string | undefined {
  if (name === 'content-length' && head.contentLength > 0) return String(head.contentLength);
  return name === 'upgrade' ? head.upgrade : undefined;
}

const readRequest: ReadField = (info, name) => requestField(info.request, name);
const readResponse: ReadField = (info, name) => responseField(info.response, name);
const readTrailer: ReadField = (info, name) => info.responseTrailers?.get(name);

/** `X` or `X?Y`: Y is read where X is absent. */
function fieldOperator(operator: string, read: ReadField): OperatorSpec {
  const compile = (args: string, path: string): Operator => {
    const [main = '', other, ...rest] = args.toLowerCase().split('?');
    if (main === '' || rest.length > 0) {
      const wanted = 'one header name and at most one alternative after "?"';
      throw new ConfigError(path, `%${operator}(${args})%: expected ${wanted}`);
    }
    if (other === undefined) return { read: (info) => read(info, main), origin: 'traffic' };
    return { read: (info) => read(info, main) ?? read(info, other), origin: 'traffic' };
  };
  return { args: 'required', cut: true, compile };
}

function withoutQuery(path: string | undefined): string | undefined {
  const query = path === undefined ? -1 : path.indexOf('?');
  return query === -1 ? path : path!.slice(0, query);
}

const readWithoutQuery: ReadField = (info, name) => withoutQuery(requestField(info.request, name));

/** %PATH(WQ|NQ:ORIG|PATH|ORIG_OR_PATH)%: with or without query, as received or as sent on. */
function pathOperator(args: string, path: string): Operator {
  const [query = '', which = ''] = args.split(':');
  if (!['', 'WQ', 'NQ'].includes(query) || !['', 'ORIG', 'PATH', 'ORIG_OR_PATH'].includes(which)) {
    throw new ConfigError(path, `%PATH(${args})%: expected WQ or NQ, then ORIG, PATH or ORIG_OR_PATH`);
  }
  const read = (info: StreamInfo): string | undefined => {
    const original = which === 'PATH' ? undefined : readRequest(info, 'x-envoy-original-path');
    return original ?? (which === 'ORIG' ? undefined : readRequest(info, ':path'));
  };
  return { read: query === 'NQ' ? (info) => withoutQuery(read(info)) : read, origin: 'traffic' };
}

/** The first parameter of this name, both without percent-encoding; undefined when absent. */
function queryParam(path: string | undefined, name: string): string | undefined {
  if (path === undefined) return undefined;
  let start = path.indexOf('?') + 1;
  if (start === 0) return undefined;
  while (start <= path.length) {
    const next = path.indexOf('&', start);
    const end = next === -1 ? path.length : next;
    const equals = path.indexOf('=', start);
    const nameEnd = equals === -1 || equals > end ? end : equals;
    if (percentDecoded(path.slice(start, nameEnd)) === name) {
      return percentDecoded(path.slice(Math.min(nameEnd + 1, end), end));
    }
    start = end + 1;
  }
  return undefined;
}

export const headerOperators: readonly [string, OperatorSpec][] = [
  ['REQ', fieldOperator('REQ', readRequest)],
  ['RESP', fieldOperator('RESP', readResponse)],
  ['TRAILER', fieldOperator('TRAILER', readTrailer)],
  ['REQ_WITHOUT_QUERY', fieldOperator('REQ_WITHOUT_QUERY', readWithoutQuery)],
  ['PATH', { args: 'optional', cut: true, compile: pathOperator }],
  ['QUERY_PARAM', {
    args: 'required',
    cut: true,
    compile: (name) => ({ read: (info) => queryParam(info.request?.path, name), origin: 'traffic' }),
  }],
  ...grpcOperators,
];
