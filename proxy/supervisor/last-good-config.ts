// Where a proxy keeps what its control plane said last: node.metadata.WEFT_LAST_GOOD, which Envoy ignores.
import { ConfigError } from '../base/error.ts';
import { durationMs } from '../config/duration.ts';
import { nearestName } from '../config/nearest-name.ts';

export interface LastGoodConfig {
  /** Made when missing, for this user alone; of this proxy alone. */
  readonly folder: string;
  /** What is older is not served. */
  readonly maxAgeMs: number;
  /** How long the control plane may take to answer before it is served. */
  readonly waitMs: number;
}

const PATH = 'node.metadata.WEFT_LAST_GOOD';
const FIELDS = ['folder', 'max_age', 'wait'];
const MAX_AGE_MS = 24 * 3_600_000;
const WAIT_MS = 2000;

/** Throws a ConfigError with the field. */
export function lastGoodConfigOf(metadata: Readonly<Record<string, unknown>>): LastGoodConfig {
  const value = metadata['WEFT_LAST_GOOD'];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(PATH, `expected an object with ${FIELDS.join(', ')}`);
  }
  const fields = value as Readonly<Record<string, unknown>>;
  const other = Object.keys(fields).find((name) => !FIELDS.includes(name));
  if (other !== undefined) throw new ConfigError(`${PATH}.${other}`, `unknown field${nearestName(other, FIELDS)}`);
  const { folder } = fields;
  if (typeof folder !== 'string' || folder === '') throw new ConfigError(`${PATH}.folder`, 'expected a folder');
  return { folder, maxAgeMs: duration(fields, 'max_age', MAX_AGE_MS), waitMs: duration(fields, 'wait', WAIT_MS) };
}

function duration(fields: Readonly<Record<string, unknown>>, name: string, fallbackMs: number): number {
  const value = fields[name];
  if (value === undefined) return fallbackMs;
  const ms = typeof value === 'string' ? durationMs(value) : undefined;
  if (ms === undefined || ms > 2 ** 31) throw new ConfigError(`${PATH}.${name}`, 'expected a duration as "3600s"');
  return ms;
}
