// One table from a filter's type to how it is compiled.
import { ConfigError } from '../base/error.ts';
import type { Random } from '../base/random.ts';
import type { HttpFilter as HttpFilterConfig } from '../config/http-connection-manager.ts';
import { ROUTER_TYPE } from '../config/type-url.ts';
import type { Stats } from '../telemetry/stats.ts';
import type { FilterConfigCompiler } from '../route/filter-config.ts';
import type { ClusterSet } from '../upstream/upstream.ts';
import type { HttpFilter } from './filter.ts';
import { RouterFilter } from './router.ts';

export interface HttpFilterDeps {
  readonly clusters: ClusterSet;
  readonly random: Random;
  readonly stats: Stats;
  readonly node: { readonly id: string; readonly cluster: string; readonly metadata: Readonly<Record<string, unknown>> };
}

export class HttpFilters {
  readonly #deps: HttpFilterDeps;
  readonly compileFilterConfig: FilterConfigCompiler = () => undefined;

  constructor(deps: HttpFilterDeps) {
    this.#deps = deps;
  }

  async compile(configs: readonly HttpFilterConfig[], _statPrefix: string, _direction: string | undefined): Promise<readonly HttpFilter[]> {
    return configs.map(({ name, typedConfig }, i) => {
      if (typedConfig['@type'] === ROUTER_TYPE) return new RouterFilter(name, this.#deps.clusters, { suppressEnvoyHeaders: false });
      throw new ConfigError(`httpFilters[${i}].typedConfig`, typedConfig['@type']);
    });
  }
}
