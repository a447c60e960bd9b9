// Injection's settings from files: a MeshConfig as Istio's tools write it, and Helm values.
import { ConfigError } from '../../proxy/base/error.ts';
import { decode } from '../../proxy/config/decode.ts';
import type { Schema } from '../../proxy/config/schema.ts';
import { readYamlFile } from '../../proxy/config/yaml-file.ts';
import { InjectionMesh, InjectionValues, settingsOf, type InjectionSettings } from './injection-settings.ts';
import { isRecord } from './pod.ts';

export interface SettingsFiles {
  readonly mesh?: string | undefined;
  readonly values?: string | undefined;
}

export interface ReadSettings {
  readonly settings: InjectionSettings;
  /** Fields that change nothing. */
  readonly warnings: readonly string[];
}

/** Rejects with a ConfigError of all that is wrong, a line each. */
export async function readInjectionSettings({ mesh, values }: SettingsFiles): Promise<ReadSettings> {
  const warnings: string[] = [];
  const meshValue = mesh === undefined ? undefined : await readOne(mesh, InjectionMesh, warnings, bare);
  const helmValue = values === undefined ? undefined : await readOne(values, InjectionValues, warnings);
  return { settings: settingsOf(meshValue, helmValue), warnings };
}

async function readOne<T>(
  file: string, schema: Schema<T>, warnings: string[], unwrap = (value: unknown): unknown => value,
): Promise<T> {
  const { documents, errors } = await readYamlFile(file);
  if (errors.length > 0) throw new ConfigError('', errors.map(({ message }) => message).join('\n'));
  const [document] = documents;
  const decoded = decode(schema, unwrap(document?.value ?? {}), '', document?.locate);
  warnings.push(...decoded.warnings.map(String));
  if (decoded.value !== undefined) return decoded.value;
  throw new ConfigError('', decoded.errors.map(({ message }) => message).join('\n'));
}

/** A MeshConfig as our own object has its fields in spec. */
function bare(value: unknown): unknown {
  return isRecord(value) && value['kind'] === 'MeshConfig' ? value['spec'] ?? {} : value;
}
