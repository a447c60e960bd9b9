// Chooses the filter chain of a new connection: at each step the most specific match,
// without going back (Envoy FilterChainMatch).
import type { Cidr } from '../base/cidr.ts';
import { compileCidr } from '../base/cidr.ts';
import type { FilterChainMatch } from '../config/listener.ts';
import type { ConnectionFacts } from './connection-facts.ts';

/** How well one criterion fits: NO_MATCH, 0 when the chain does not name it, higher is more specific. */
type Criterion = (facts: ConnectionFacts) => number;

const NO_MATCH = -1;
const EXACT = 10_000;

/** Criteria that first bytes decide: server name, transport protocol, application protocols. */
const FIRST_BYTES_STEPS = { first: 2, last: 4 } as const;

/** A chain's criteria in Envoy's order of evaluation. */
export class ChainMatcher<T> {
  readonly chain: T;
  readonly criteria: readonly Criterion[];

  constructor(chain: T, match: FilterChainMatch | undefined) {
    this.chain = chain;
    this.criteria = compileCriteria(match ?? {});
  }
}

/** The chain for a connection; undefined when none matches (the default chain, or close, is the caller's decision). */
export function matchChain<T>(chains: readonly ChainMatcher<T>[], facts: ConnectionFacts): T | undefined {
  let left: readonly ChainMatcher<T>[] = chains;
  const steps = left[0]?.criteria.length ?? 0;
  for (let step = 0; step < steps && left.length > 0; step++) left = bestAt(step, left, facts);
  return left[0]?.chain;
}

/** Whether one of the chains that first bytes may still choose is so. */
export function mayBecome<T>(
  chains: readonly ChainMatcher<T>[], facts: ConnectionFacts, isSo: (chain: T) => boolean,
): boolean {
  let left: readonly ChainMatcher<T>[] = chains;
  for (let step = 0; step < FIRST_BYTES_STEPS.first; step++) left = bestAt(step, left, facts);
  return left.some(({ chain, criteria }) => isSo(chain)
    && criteria.every((criterion, step) => step <= FIRST_BYTES_STEPS.last || criterion(facts) !== NO_MATCH));
}

function bestAt<T>(step: number, left: readonly ChainMatcher<T>[], facts: ConnectionFacts): readonly ChainMatcher<T>[] {
  const scores = left.map((matcher) => matcher.criteria[step]!(facts));
  const best = Math.max(...scores);
  return best === NO_MATCH ? [] : left.filter((_, i) => scores[i] === best);
}

/** Whether the criteria need a look at the connection's first bytes. */
export function needsInspection(match: FilterChainMatch | undefined): boolean {
  if (match === undefined) return false;
  return (match.serverNames ?? []).length > 0 || (match.applicationProtocols ?? []).length > 0
    || (match.transportProtocol ?? '') !== '';
}

function compileCriteria(match: FilterChainMatch): Criterion[] {
  return [
    (facts) => {
      if (match.destinationPort === undefined) return 0;
      return match.destinationPort === facts.destinationPort ? EXACT : NO_MATCH;
    },
    cidrCriterion(match.prefixRanges, (facts) => facts.destinationIp),
    serverNameCriterion(match.serverNames ?? []),
    (facts) => listCriterion(match.transportProtocol ? [match.transportProtocol] : [], [facts.transportProtocol]),
    (facts) => listCriterion(match.applicationProtocols ?? [], facts.alpn),
    cidrCriterion(match.directSourcePrefixRanges, (facts) => facts.directIp),
    sourceTypeCriterion(match.sourceType),
    cidrCriterion(match.sourcePrefixRanges, (facts) => facts.sourceIp),
    (facts) => (match.sourcePorts === undefined || match.sourcePorts.length === 0 ? 0
      : match.sourcePorts.includes(facts.sourcePort) ? EXACT : NO_MATCH),
  ];
}

function listCriterion(wanted: readonly string[], present: readonly string[]): number {
  if (wanted.length === 0) return 0;
  // What a client names first is what it would rather speak.
  const first = present.findIndex((value) => wanted.includes(value));
  return first === -1 ? NO_MATCH : EXACT - Math.min(first, EXACT - 1);
}

/** Longer prefixes are more specific. */
function cidrCriterion(ranges: FilterChainMatch['prefixRanges'], ipOf: (facts: ConnectionFacts) => string): Criterion {
  if (ranges === undefined || ranges.length === 0) return () => 0;
  const cidrs: Cidr[] = ranges.map((range, i) => compileCidr(range, `filterChainMatch.prefixRanges[${i}]`));
  return (facts) => {
    let best = NO_MATCH;
    for (const cidr of cidrs) if (cidr.contains(ipOf(facts))) best = Math.max(best, 1 + cidr.prefixLength);
    return best;
  };
}

/** Exact names before `*.suffix`, longer suffixes before shorter ones. */
function serverNameCriterion(names: readonly string[]): Criterion {
  if (names.length === 0) return () => 0;
  const exact = new Set(names.filter((name) => !name.startsWith('*.')));
  const suffixes = names.filter((name) => name.startsWith('*.')).map((name) => name.slice(1)).toSorted(
    (a, b) => b.length - a.length,
  );
  return ({ serverName }) => {
    if (serverName === undefined) return NO_MATCH;
    if (exact.has(serverName)) return EXACT;
    const suffix = suffixes.find((end) => serverName.endsWith(end) && serverName.length > end.length);
    return suffix === undefined ? NO_MATCH : suffix.length;
  };
}

function sourceTypeCriterion(type: FilterChainMatch['sourceType']): Criterion {
  if (type === undefined || type === 'ANY') return () => 0;
  return (facts) => {
    const local = facts.sourceIp === facts.destinationIp || facts.sourceIp === '::1'
      || facts.sourceIp.startsWith('127.');
    return local === (type === 'SAME_IP_OR_LOOPBACK') ? EXACT : NO_MATCH;
  };
}
