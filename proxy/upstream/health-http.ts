// Health checks by an HTTP request: the answer's status says how the endpoint is.
import { compileStringMatch } from '../base/string-match.ts';
import type { HttpHealthCheck } from '../config/health-check.ts';
import type { Int64Range } from '../config/percent.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import { CHECK_AGENT } from './health-exchange.ts';
import type { HealthExchange, Verdict } from './health-exchange.ts';

const EXPECTED: readonly Int64Range[] = [{ start: 200, end: 201 }];

/** Throws a ConfigError below `path`. */
export function httpExchange(
  check: HttpHealthCheck, cluster: string, fields: readonly string[], path: string,
): HealthExchange {
  const { host = '', codecClientType = 'HTTP1', serviceNameMatcher, retriableStatuses = [] } = check;
  const method = check.method === undefined || check.method === 'METHOD_UNSPECIFIED' ? 'GET' : check.method;
  const expected = check.expectedStatuses?.length ? check.expectedStatuses : EXPECTED;
  const service = serviceNameMatcher && compileStringMatch(serviceNameMatcher, `${path}.serviceNameMatcher`);
  const judgeStatus = (status: number): Verdict => {
    if (within(expected, status)) return 'healthy';
    return within(retriableStatuses, status) ? 'retriable' : 'unhealthy';
  };
  return {
    protocol: codecClientType === 'HTTP2' ? 'http2' : 'http1',
    body: undefined,
    verifies: service !== undefined,
    request: (hostname) => new RequestHead(method, hostname ?? (host || cluster), check.path,
      new Headers([...CHECK_AGENT, ...fields])),
    judge: ({ head: { status, headers } }) => {
      const verdict = judgeStatus(status);
      if (verdict !== 'healthy') return verdict;
      const name = headers.get('x-envoy-upstream-healthchecked-cluster') ?? '';
      if (service !== undefined && !service.matches(name)) return 'unverified';
      return headers.has('x-envoy-degraded') ? 'degraded' : 'healthy';
    },
  };
}

function within(ranges: readonly Int64Range[], status: number): boolean {
  return ranges.some(({ start = 0, end = 0 }) => status >= start && status < end);
}
