// Who resolves the names of a cluster, and how often (envoy.extensions.network.dns_resolver).
import { isIP } from 'node:net';
import { Address } from './address.ts';
import { duration, string, uint32, uint64 } from './scalar.ts';
import { any, list, message, optional, Refusal, required, type Static } from './schema.ts';

const CARES = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';
export const CaresDnsResolverConfig = message(CARES, {
  resolvers: optional(list(Address), 'Servers, by IP address and port; default the system\'s resolver, which knows '
    + '/etc/hosts and search domains.'),
  queryTimeoutSeconds: optional(uint64({ minimum: 1 }), 'Of the first try; default 5.'),
  queryTries: optional(uint32({ minimum: 1 }), 'Default 4.'),
}, {
  refused: { 'named servers are the only ones': ['use_resolvers_as_fallback'] },
  warned: {
    'names are asked as they stand, by UDP, and by TCP where an answer is cut': ['dns_resolver_options'],
    'addresses are not left out by family': ['filter_unroutable_families'],
    'one socket is as good as many': ['udp_max_queries', 'max_udp_channel_duration', 'reinit_channel_on_timeout'],
    'servers are asked in their order': ['rotate_nameservers'],
    'answers may have the size of one packet': ['edns0_max_payload_size'],
  },
  check: ({ resolvers = [] }) => {
    const bad = resolvers.findIndex(({ socketAddress }) => isIP(socketAddress?.address ?? '') === 0);
    return bad === -1 ? undefined : new Refusal('must be the IP address of a DNS server', ['resolvers', bad]);
  },
});
export interface CaresDnsResolverConfig extends Static<typeof CaresDnsResolverConfig> {}

const GETADDRINFO = 'envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig';
export const GetAddrInfoDnsResolverConfig = message(GETADDRINFO, {}, {
  warned: { 'the system\'s resolver has its own': ['num_retries', 'num_resolver_threads'] },
});

export const DnsResolverConfig = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: required(string({ minLength: 1 }), 'Free name, usually envoy.network.dns_resolver.cares.'),
  typedConfig: required(any('DNS resolver', [CaresDnsResolverConfig, GetAddrInfoDnsResolverConfig]),
    'Servers of its own, or the system.'),
});
export interface DnsResolverConfig extends Static<typeof DnsResolverConfig> {}

export const RefreshRate = message('envoy.config.cluster.v3.Cluster.RefreshRate', {
  baseInterval: required(duration({ above: 0.001 }), 'After the first failure; it doubles with each.'),
  maxInterval: optional(duration({ above: 0.001 }), 'Default ten times base_interval.'),
});
export interface RefreshRate extends Static<typeof RefreshRate> {}
