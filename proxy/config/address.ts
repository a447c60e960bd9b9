// Addresses (envoy.config.core.v3: address.proto, socket_option.proto).
import { isIP } from 'node:net';
import { bool, enumeration, string, uint32 } from './scalar.ts';
import { exactlyOne, message, optional, Refusal, required, type Static } from './schema.ts';

export const SocketAddress = message('envoy.config.core.v3.SocketAddress', {
  protocol: optional(enumeration(['TCP'], { refused: { UDP: 'weft carries TCP only' } }), 'Default TCP.'),
  address: required(string({ minLength: 1 }), 'IP address; in clusters of type STRICT_DNS or LOGICAL_DNS a host name.'),
  portValue: required(uint32({ maximum: 65_535 }), 'Port; 0 lets the system choose where something listens.'),
  ipv4Compat: optional(bool(), 'An IPv6 listener takes IPv4 connections too. Default false.', 'ipv4_compat'),
}, {
  refused: {
    'ports are given by number': ['named_port'],
    'host names are resolved by the cluster type alone': ['resolver_name'],
    'sockets are opened in the network namespace of the process': ['network_namespace_filepath'],
  },
  oneOf: [exactlyOne('port_value', 'named_port')],
});
export interface SocketAddress extends Static<typeof SocketAddress> {}

export const Pipe = message('envoy.config.core.v3.Pipe', {
  path: required(string({ minLength: 1 }), 'File path of a unix domain socket.'),
}, {
  refused: { 'the mode of the socket file follows the umask': ['mode'] },
});
export interface Pipe extends Static<typeof Pipe> {}

export const Address = message('envoy.config.core.v3.Address', {
  socketAddress: optional(SocketAddress, 'TCP address.'),
  pipe: optional(Pipe, 'Unix domain socket.'),
}, {
  refused: { 'weft has no internal listeners': ['envoy_internal_address'] },
  oneOf: [exactlyOne('socket_address', 'pipe', 'envoy_internal_address')],
});
export interface Address extends Static<typeof Address> {}

export const CidrRange = message('envoy.config.core.v3.CidrRange', {
  addressPrefix: required(string({ minLength: 1 }), 'IPv4 or IPv6 address.'),
  prefixLen: optional(uint32({ maximum: 128 }), 'Leading bits that count; default 0, which matches every address.'),
}, {
  check: ({ addressPrefix, prefixLen = 0 }) => {
    const family = isIP(addressPrefix);
    if (family === 0) return new Refusal(`'${addressPrefix}' is not an IP address`, ['addressPrefix']);
    return family === 4 && prefixLen > 32 ? new Refusal('must be at most 32 for IPv4', ['prefixLen']) : undefined;
  },
});
export interface CidrRange extends Static<typeof CidrRange> {}

export const TcpKeepalive = message('envoy.config.core.v3.TcpKeepalive', {
  keepaliveTime: optional(uint32(), 'Idle seconds before the first probe; default the system\'s.'),
}, {
  warned: { 'Node cannot set it; the system\'s value holds': ['keepalive_probes', 'keepalive_interval'] },
});
export interface TcpKeepalive extends Static<typeof TcpKeepalive> {}

export const BindConfig = message('envoy.config.core.v3.BindConfig', {
  sourceAddress: optional(SocketAddress, 'Local address of outgoing connections; its port must be 0.'),
}, {
  refused: {
    'raw socket options cannot be set': ['freebind', 'socket_options'],
    'there is one source address per cluster':
      ['extra_source_addresses', 'additional_source_addresses', 'local_address_selector'],
    'sockets are opened in the network namespace of the process': ['validate_network_namespaces'],
  },
  check: ({ sourceAddress }) => (sourceAddress === undefined || sourceAddress.portValue === 0
    ? undefined : new Refusal('must be 0: one port cannot serve many connections', ['sourceAddress', 'portValue'])),
});
export interface BindConfig extends Static<typeof BindConfig> {}
