// What a real Envoy did in each scenario over time, kept so that weft can be held against it where there is no Envoy.
import { readFileSync, writeFileSync } from 'node:fs';
import { FIGURE_DIFFERENCES } from '../interop/differences.ts';
import { BALANCE_SCENARIOS } from './over-time-balance.ts';
import { BREAKER_SCENARIOS } from './over-time-breakers.ts';
import { CHECK_SCENARIOS } from './over-time-checks.ts';
import { OUTLIER_SCENARIOS } from './over-time-outliers.ts';
import type { Outcome, Scenario } from './over-time.ts';

const FILE = new URL('over-time.json', import.meta.url);

export const SCENARIOS: readonly Scenario[] = [
  ...OUTLIER_SCENARIOS, ...BREAKER_SCENARIOS, ...CHECK_SCENARIOS, ...BALANCE_SCENARIOS,
];

type Recording = Readonly<Record<string, readonly Outcome[]>>;

/** A scenario's outcomes by Envoy; undefined where it was never recorded. */
export function recorded(): Recording {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Recording;
}

/** One line a step, in the order of the scenarios. */
export function record(outcomes: ReadonlyMap<string, readonly Outcome[]>): void {
  const kept = { ...recorded(), ...Object.fromEntries(outcomes) };
  const lines = SCENARIOS.filter(({ name }) => kept[name] !== undefined).map(({ name }) => {
    const steps = kept[name]!.map((step) => `    ${JSON.stringify(step)}`).join(',\n');
    return `  ${JSON.stringify(name)}: [\n${steps}\n  ]`;
  });
  writeFileSync(FILE, `{\n${lines.join(',\n')}\n}\n`);
}

/** Without the figures that differ on purpose. */
export function comparable({ name }: Scenario, outcomes: readonly Outcome[]): Outcome[] {
  const left = new Set(FIGURE_DIFFERENCES.filter(({ scenario }) => scenario === name).map(({ figure }) => figure));
  return outcomes.map(({ figures, ...outcome }) => ({
    ...outcome, figures: Object.fromEntries(Object.entries(figures).filter(([figure]) => !left.has(figure))),
  }));
}
