// Which requests are logged: access log filters, compiled to one test each (envoy.config.accesslog.v3.AccessLogFilter).
import type { Random } from '../base/random.ts';
import { compileStringMatch } from '../base/string-match.ts';
import type { AccessLogFilter, ComparisonFilter, GrpcStatusFilter, LogTypeFilter } from '../config/access-log.ts';
import type { HeaderMatcher } from '../config/header-matcher.ts';
import type { FractionalPercent } from '../config/percent.ts';
import { requestField } from './format-header-operator.ts';
import { GRPC_STATUS, grpcStatusOfHttp, grpcStatusOfText, grpcStatusText } from './grpc-status.ts';
import type { ResponseFlag } from './response-flag.ts';
import { flagBit } from './response-flag.ts';
import type { RequestView, StreamInfo } from './stream-info.ts';

/** Whether a finished request is logged. */
export type LogTest = (info: StreamInfo) => boolean;

/** What a logger writes about. */
export type LogType = 'DownstreamEnd' | 'TcpConnectionEnd';

export interface LogFilterDeps {
  readonly random: Random;
  readonly type: LogType;
}

const ALWAYS: LogTest = () => true;

const DENOMINATORS = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 } as const;

/** Compiles a filter; undefined logs everything. Throws ConfigError below `path`. */
export function compileLogFilter(filter: AccessLogFilter | undefined, deps: LogFilterDeps, path: string): LogTest {
  if (filter === undefined) return ALWAYS;
  const { statusCodeFilter, durationFilter, runtimeFilter, headerFilter, responseFlagFilter } = filter;
  if (statusCodeFilter !== undefined) {
    const compare = compileComparison(statusCodeFilter.comparison);
    return (info) => compare(info.status);
  }
  if (durationFilter !== undefined) {
    const compare = compileComparison(durationFilter.comparison);
    return (info) => info.endMs >= 0 && compare(Math.floor(info.endMs - info.startMs));
  }
  if (runtimeFilter !== undefined) return compileFraction(runtimeFilter.percentSampled, deps.random);
  if (headerFilter !== undefined) {
    const match = compileHeader(headerFilter.header, `${path}.headerFilter.header`);
    return (info) => match(info.request);
  }
  if (responseFlagFilter !== undefined) return compileFlags(responseFlagFilter.flags);
  if (filter.grpcStatusFilter !== undefined) return compileGrpcStatus(filter.grpcStatusFilter);
  if (filter.logTypeFilter !== undefined) return compileLogType(filter.logTypeFilter, deps.type);
  if (filter.traceableFilter !== undefined) return (info) => info.sampled && !info.healthCheck;
  if (filter.andFilter !== undefined || filter.orFilter !== undefined) return compileBoth(filter, deps, path);
  return (info) => !info.healthCheck;
}

function compileBoth({ andFilter, orFilter }: AccessLogFilter, deps: LogFilterDeps, path: string): LogTest {
  const [filters, name] = andFilter === undefined ? [orFilter!.filters, 'orFilter'] : [andFilter.filters, 'andFilter'];
  const tests = filters.map((one, i) => compileLogFilter(one, deps, `${path}.${name}.filters[${i}]`));
  const stopsAt = andFilter === undefined;
  return (info) => {
    for (const test of tests) if (test(info) === stopsAt) return stopsAt;
    return !stopsAt;
  };
}

function compileComparison({ op = 'EQ', value }: ComparisonFilter): (found: number) => boolean {
  const limit = value.defaultValue ?? 0;
  switch (op) {
    case 'EQ':
      return (found) => found === limit;
    case 'GE':
      return (found) => found >= limit;
    case 'LE':
      return (found) => found <= limit;
    case 'NE':
      return (found) => found !== limit;
  }
}

function compileFraction(percent: FractionalPercent | undefined, random: Random): LogTest {
  const share = (percent?.numerator ?? 0) / DENOMINATORS[percent?.denominator ?? 'HUNDRED'];
  return () => random.float() < share;
}

/** None named means any flag at all. */
function compileFlags(flags: readonly string[] | undefined): LogTest {
  if (flags === undefined || flags.length === 0) return (info) => info.flags !== 0;
  const mask = flags.reduce((bits, flag) => bits | flagBit(flag as ResponseFlag), 0);
  return (info) => (info.flags & mask) !== 0;
}

const UNKNOWN = 2;
/** The one name in which the filter's words differ from gRPC's. */
const CANCELED = 1;

/** Also of what is no call of gRPC, as in Envoy; a status that is no known number is none of those named. */
function compileGrpcStatus({ statuses = [], exclude = false }: GrpcStatusFilter): LogTest {
  const numbers = new Set(statuses.map((name) => {
    return name === 'CANCELED' ? CANCELED : GRPC_STATUS.findIndex(([, known]) => known === name);
  }));
  return (info) => {
    const text = grpcStatusText(info);
    const http = info.status === 0 ? UNKNOWN : grpcStatusOfHttp(info.status);
    return numbers.has(text === undefined ? http : grpcStatusOfText(text)) !== exclude;
  };
}

function compileLogType({ types = [], exclude = false }: LogTypeFilter, type: LogType): LogTest {
  const logged = types.includes(type) !== exclude;
  return () => logged;
}

/** The rules of a route's header matcher, on the request as it was sent on. */
function compileHeader(matcher: HeaderMatcher, path: string): (request: RequestView | undefined) => boolean {
  const name = matcher.name.toLowerCase();
  const invert = matcher.invertMatch === true;
  const { test, wantsPresence } = compileValue(matcher, path);
  const missingIsEmpty = matcher.treatMissingHeaderAsEmpty === true;
  return (request) => {
    const value = readHeader(request, name);
    if (value !== undefined || missingIsEmpty) return test(value ?? '') !== invert;
    return wantsPresence !== undefined && wantsPresence === invert;
  };
}

function readHeader(request: RequestView | undefined, name: string): string | undefined {
  return name.startsWith(':') || name === 'host' ? requestField(request, name) : request?.headers.joined(name);
}

interface ValueTest {
  readonly test: (value: string) => boolean;
  readonly wantsPresence: boolean | undefined;
}

function compileValue({ stringMatch, rangeMatch, presentMatch = true }: HeaderMatcher, path: string): ValueTest {
  if (stringMatch !== undefined) {
    const match = compileStringMatch(stringMatch, `${path}.stringMatch`);
    return { test: (value) => match.matches(value), wantsPresence: undefined };
  }
  if (rangeMatch !== undefined) {
    const { start = 0, end = 0 } = rangeMatch;
    const test = (value: string): boolean => isInteger(value) && Number(value) >= start && Number(value) < end;
    return { test, wantsPresence: undefined };
  }
  return { test: () => presentMatch, wantsPresence: presentMatch };
}

function isInteger(text: string): boolean {
  const first = text[0] === '-' ? 1 : 0;
  if (text.length === first || text.length > 20) return false;
  for (let i = first; i < text.length; i++) if (text.charCodeAt(i) < 0x30 || text.charCodeAt(i) > 0x39) return false;
  return true;
}
