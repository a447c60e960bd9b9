// Where weft decides otherwise than Envoy about a route on purpose: rows for the generated tables.
import type { RawRequest } from '../harness/raw-client.ts';
import type { RouteCase } from './route-case.ts';
import { ALL, caseOf } from './route-case.ts';
import type { Outcome } from './route-outcome.ts';


/** What differs, told by lines of outcomes (route-outcome.ts); the example must show it. */
export interface RouteDifference {
  /** Threat id, RFC section, or the design decision. */
  readonly id: string;
  readonly reason: string;
  /** What the row may excuse, by the request and Envoy's outcome; default all. */
  readonly concerns?: (request: RawRequest, theirs: Outcome) => boolean;
  /** Lines that only the one or the other has. */
  readonly envoy?: RegExp;
  readonly weft?: RegExp;
  /** What both lines become where only their wording differs. */
  readonly alike?: (line: string) => string;
  readonly example: RouteCase;
}

const hostHasUpperCase = ({ host = '' }: RawRequest): boolean => /[A-Z]/.test(host);

/** Host and path of a request as Envoy's log has them. */
function ownUrl(theirs: Outcome): string {
  const fields = theirs.find((line) => line.startsWith('log '))?.split(' | ') ?? [];
  return `${fields[7] ?? ''}${fields[6] ?? ''}`;
}

export const ROUTE_DIFFERENCES: readonly RouteDifference[] = [
  {
    id: 'S13', reason: 'the host is folded to lower case once, for routes, policy, logs and the upstream alike',
    concerns: hostHasUpperCase, alike: (line) => line.toLowerCase(),
    example: caseOf({ host: 'H.Test', path: '/' }, { match: ALL, directResponse: { status: 200 } }),
  },
  {
    id: 'S40, log',
      reason: 'a path that is refused stays as it came, is malformed (DPE), and meets no route\'s header changes',
    concerns: (_request, theirs) => theirs.some((line) => line.includes('| path_normalization_failed |')),
    envoy: /^(answer|log) /, weft: /^(answer|log) /,
    example: caseOf({ path: '/a%2fb' }, { match: ALL, directResponse: { status: 200 } },
      { manager: { pathWithEscapedSlashesAction: 'REJECT_REQUEST' } }),
  },
  {
    id: 'S40', reason: 'slashes are merged into one, which Envoy leaves two where the path is nothing else',
    concerns: ({ path }) => /^(\/z\/\.\.)?\/{2,}\.?(\?|$)/.test(path), envoy: /./, weft: /./,
    example: caseOf({ path: '//' }, { match: ALL, directResponse: { status: 200 } },
      { manager: { mergeSlashes: true } }),
  },
  {
    id: 'S13, host', reason: 'behind the colon of a host is a port and nothing else, or it is refused before routing',
    concerns: ({ host = '' }) => /:.*:|:\d+\./.test(host), envoy: /./, weft: /./,
    example: caseOf({ host: 'h.test:80:81', path: '/' }, { match: ALL, directResponse: { status: 200 } }),
  },
  {
    id: 'RFC 9110 section 4.2.1', reason: 'a host without a name is none: nothing can be routed by it',
    concerns: ({ host = 'h' }) => /^\.?(:|$)/.test(host), envoy: /./, weft: /./,
    example: caseOf({ host: ':80', path: '/' }, { match: ALL, directResponse: { status: 200 } }),
  },
  {
    id: 'RFC 9110 section 8.6, 204', reason: 'an answer without content has no content-length',
    concerns: (_request, theirs) => theirs.includes('status 204'), envoy: /^answer content-length: /,
    example: caseOf({ path: '/' }, { match: ALL, directResponse: { status: 204, body: { inlineString: 'text' } } }),
  },
  {
    id: 'S13, rewrite', reason: 'what a pattern or header makes of the path is a host only if it may stand in one',
    concerns: ({ path }) => path === '/@', envoy: /^(try|log)/, weft: /^(try|log)/,
    example: caseOf({ path: '/@' }, {
      match: ALL, route: { cluster: 'c1', hostRewritePathRegex: { pattern: { regex: '^/' }, substitution: '' } },
    }),
  },
  {
    id: 'unknown clusters',
    reason: 'a cluster that is not there is told all the same where a filter answered before it was looked for',
    concerns: (_request, theirs) => theirs.some((line) => /\| (cors_response|fault_filter_abort) \|/.test(line)),
    alike: (line) => line.replace(/((?:cors_response|fault_filter_abort) \| [^|]* \|) unknown \|/, '$1 - |')
      .replace(/^(answer .*)unknown/, '$1'),
    weft: /^answer [^:]*: $/, envoy: /^answer [^:]*: $/,
    example: caseOf({ path: '/' }, { match: ALL, route: { cluster: 'unknown' }, typedPerFilterConfig: { fault: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault',
      abort: { httpStatus: 503, percentage: { numerator: 100 } },
    } } }),
  },
  {
    id: 'RFC 9110 section 10.2.2', reason: 'a direct response leads nowhere: it has no location, least of all its own',
    concerns: (_request, theirs) => theirs.some((line) => line.startsWith('answer location: ')
      && line.endsWith(`://${ownUrl(theirs)}`)),
    envoy: /^answer location: /,
    example: caseOf({ path: '/' }, { match: ALL, directResponse: { status: 304 } }),
  },
];
