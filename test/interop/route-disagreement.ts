// Compares what became of one request at both proxies, intended differences aside.
import type { RawRequest } from '../harness/raw-client.ts';
import type { RouteDifference } from './route-differences.ts';
import { ROUTE_DIFFERENCES } from './route-differences.ts';
import type { Outcome } from './route-outcome.ts';

/** The lines that only one of the two has. */
function onlyIn(lines: Outcome, others: Outcome): Outcome {
  return lines.filter((line) => !others.includes(line));
}

/** What is left, as `- Envoy's` and `+ weft's`, when the rows have excused what they excuse; undefined: nothing. */
export function disagreement(
  request: RawRequest, theirs: Outcome, ours: Outcome, rows: readonly RouteDifference[] = ROUTE_DIFFERENCES,
): string | undefined {
  if (onlyIn(theirs, ours).length + onlyIn(ours, theirs).length === 0) return undefined;
  const concerned = rows.filter(({ concerns }) => concerns?.(request, theirs) ?? true);
  const alike = (line: string): string => concerned.reduce((text, row) => row.alike?.(text) ?? text, line);
  const [wanted, found] = [theirs.map(alike), ours.map(alike)];
  const left = [
    ...onlyIn(wanted,
      found).filter((line) => !concerned.some(({ envoy }) => envoy?.test(line))).map((line) => `  - ${line}`),
    ...onlyIn(found,
      wanted).filter((line) => !concerned.some(({ weft }) => weft?.test(line))).map((line) => `  + ${line}`),
  ];
  return left.length === 0 ? undefined : left.join('\n');
}
