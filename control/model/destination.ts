// Where a route leads: a host, one of its subsets, one of its ports (networking.istio.io).
import { string, uint32 } from '../../proxy/config/scalar.ts';
import { message, optional, required, type Static } from '../../proxy/config/schema.ts';
import { hostPattern } from './scalar.ts';

export const PortSelector = message('istio.networking.v1.PortSelector', {
  number: required(uint32({ minimum: 1, maximum: 65_535 }), 'Port of the service.'),
});
export interface PortSelector extends Static<typeof PortSelector> {}

export const Destination = message('istio.networking.v1.Destination', {
  host: required(hostPattern(), "Service; a short name is of the rule's namespace."),
  subset: optional(string({ minLength: 1 }), 'Subset that a DestinationRule of the host declares.'),
  port: optional(PortSelector, 'Port; may be absent where the service has one, else it is the port that was called.'),
});
export interface Destination extends Static<typeof Destination> {}
