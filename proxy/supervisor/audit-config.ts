// Where a proxy keeps its audit log: node.metadata.WEFT_AUDIT of the bootstrap, which Envoy ignores.
import { ConfigError } from '../base/error.ts';
import { nearestName } from '../config/nearest-name.ts';

export interface AuditConfig {
  /** Made when missing, for this user alone; of this proxy alone. */
  readonly folder: string;
}

const PATH = 'node.metadata.WEFT_AUDIT';

/** Undefined when no log is asked for. Throws a ConfigError with the field. */
export function auditConfigOf(metadata: Readonly<Record<string, unknown>>): AuditConfig | undefined {
  const value = metadata['WEFT_AUDIT'];
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(PATH, 'expected an object with folder');
  }
  const { folder, ...others } = value as Record<string, unknown>;
  const [other] = Object.keys(others);
  if (other !== undefined) throw new ConfigError(`${PATH}.${other}`, `unknown field${nearestName(other, ['folder'])}`);
  if (typeof folder !== 'string' || folder === '') throw new ConfigError(`${PATH}.folder`, 'expected a folder');
  return { folder };
}
