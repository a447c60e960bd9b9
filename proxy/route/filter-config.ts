// typed_per_filter_config: compiled once with its level, inherited from table to virtual host to route.

/** A typed_per_filter_config value: `@type` says which message it is. */
export interface FilterConfigFields {
  readonly '@type': string;
}

/**
 * Compiles one filter's configuration for a level; given by who knows the filters (filter/registry.ts). `outer` is what
 * the enclosing level holds for the same filter; `owner` names the table among all. Throws ConfigError below `path`.
 */
export type FilterConfigCompiler =
  (filterName: string, config: FilterConfigFields, path: string, outer: unknown, owner?: string) => unknown;

/** Compiled configurations by filter name. */
export type FilterConfigs = ReadonlyMap<string, unknown>;

export const NO_FILTER_CONFIGS: FilterConfigs = new Map();

/** A level's configurations over its enclosing level's; the same map when the level has none of its own. */
export function compileFilterConfigs(
  own: Readonly<Record<string, FilterConfigFields>> | undefined,
  outer: FilterConfigs,
  compile: FilterConfigCompiler,
  path: string,
): FilterConfigs {
  const entries = Object.entries(own ?? {});
  if (entries.length === 0) return outer;
  const merged = new Map(outer);
  for (const [name, config] of entries) {
    merged.set(name, compile(name, config, `${path}[${JSON.stringify(name)}]`, outer.get(name)));
  }
  return merged;
}
