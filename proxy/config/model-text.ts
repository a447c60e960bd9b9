// Resources in force as text for a file, and back through the same checks as if they had just come.
import { decode } from './decode.ts';
import { RESOURCES } from './any-registry.ts';
import type { ResourceType } from './any-registry.ts';
import { encodeSnake, REDACTED } from './encode.ts';
import { ConfigError, messageOf } from '../base/error.ts';
import type { Schema } from './schema.ts';

/** One resource with the management server's version. */
export interface ModelResource {
  readonly type: ResourceType;
  readonly name: string;
  readonly version: string;
  readonly resource: unknown;
}

export interface ModelText {
  readonly text: string;
  /** Names of those that were left out, because they hold keys or passwords. */
  readonly withheld: readonly string[];
}

export function modelText(resources: readonly ModelResource[]): ModelText {
  const withheld = resources.filter(holdsSecrets);
  const names = new Set(withheld);
  const text = JSON.stringify(resources.filter((resource) => !names.has(resource)));
  return { text, withheld: withheld.map(({ name }) => name) };
}

/** Throws a ConfigError: what is refused in part is refused as a whole, since parts of it need each other. */
export function modelOf(text: string): readonly ModelResource[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError('', messageOf(cause));
  }
  if (!Array.isArray(list)) throw new ConfigError('', 'is no list of resources');
  return list.map(resourceOf);
}

function resourceOf(entry: unknown, index: number): ModelResource {
  const { type, name, version, resource } = (entry ?? {}) as Partial<Record<keyof ModelResource, unknown>>;
  if (typeof type !== 'string' || !Object.hasOwn(RESOURCES, type) || typeof name !== 'string') {
    throw new ConfigError(`[${index}]`, 'is no resource of a type that this version knows');
  }
  const known = type as ResourceType;
  const { value, errors } = decode(RESOURCES[known] as Schema<unknown>, resource, `${name}: `);
  if (value === undefined) throw new ConfigError('', errors.map(({ message }) => message).join('; '));
  return { type: known, name, version: typeof version === 'string' ? version : '', resource: value };
}

function holdsSecrets({ type, resource }: ModelResource): boolean {
  return JSON.stringify(encodeSnake(RESOURCES[type] as Schema<unknown>, resource)).includes(`"${REDACTED}"`);
}
