// Virtual hosts that are fetched when a request first asks for them (envoy.extensions.filters.http.on_demand.v3).
import { message, type Static } from './schema.ts';

export const OnDemand = message('envoy.extensions.filters.http.on_demand.v3.OnDemand', {}, {
  refused: { 'clusters are not fetched on demand; CDS brings them before the virtual host': ['odcds'] },
});
export interface OnDemand extends Static<typeof OnDemand> {}
