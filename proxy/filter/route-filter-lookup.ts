// What a request's route holds for one filter: typed_per_filter_config of the most specific level.
import type { FilterStream } from './filter.ts';

/** Of the weighted cluster that was drawn, where it has its own; else of the route, as its levels make it. */
export function routeFilterConfig(stream: FilterStream, name: string): unknown {
  const { route } = stream;
  if (route === undefined) return undefined;
  const drawn = route.action.kind === 'forward' && route.action.choiceConfiguresFilters;
  const own = drawn ? stream.clusterChoice?.perFilterConfig : undefined;
  return (own ?? route.perFilterConfig).get(name);
}
