// Rules of VirtualService.tcp and .tls: connections by port, caller and server name (networking.istio.io).
import { string, uint32 } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { Destination } from './destination.ts';
import { hostPattern } from './scalar.ts';

const connection = {
  port: optional(uint32({ minimum: 1, maximum: 65_535 }), 'Port that was called.'),
  sourceLabels: optional(map(string()), 'Only for proxies with these labels.'),
  sourceNamespace: optional(string(), 'Only for proxies of this namespace.'),
  gateways: optional(list(string({ minLength: 1 })), "In place of the VirtualService's gateways."),
};

const NOT_BY_ADDRESS = {
  'connections come by name, without an address to compare': ['destination_subnets', 'source_subnet'],
};

export const TcpMatch = message('istio.networking.v1.L4MatchAttributes', connection, { refused: NOT_BY_ADDRESS });
export interface TcpMatch extends Static<typeof TcpMatch> {}

export const TlsMatch = message('istio.networking.v1.TLSMatchAttributes', {
  sniHosts: required(list(hostPattern(), { min: 1 }), 'Server names, which the hosts of the VirtualService cover.'),
  ...connection,
}, { refused: NOT_BY_ADDRESS });
export interface TlsMatch extends Static<typeof TlsMatch> {}

export const WeightedDestination = message('istio.networking.v1.RouteDestination', {
  destination: required(Destination, 'Where to.'),
  weight: optional(uint32({ maximum: 1_000_000 }), 'Share of the sum of weights; 0 is none. Alone it does not count.'),
});
export interface WeightedDestination extends Static<typeof WeightedDestination> {}

const route = required(list(WeightedDestination, { min: 1 }), 'Destinations by weight.');

interface Split {
  readonly route: readonly WeightedDestination[];
}

export function weightless({ route: destinations }: Split): Refusal | undefined {
  const total = destinations.reduce((sum, { weight = 0 }) => sum + weight, 0);
  if (destinations.length < 2 || total > 0) return undefined;
  return new Refusal('weights must add up to more than 0', ['route']);
}

export const TcpRule = message('istio.networking.v1.TCPRoute', {
  match: optional(list(TcpMatch), 'Any of these; everything when absent.'),
  route,
}, { check: weightless });
export interface TcpRule extends Static<typeof TcpRule> {}

export const TlsRule = message('istio.networking.v1.TLSRoute', {
  match: required(list(TlsMatch, { min: 1 }), 'Any of these.'),
  route,
}, { check: weightless });
export interface TlsRule extends Static<typeof TlsRule> {}
