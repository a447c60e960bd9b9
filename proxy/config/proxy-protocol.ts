// The PROXY protocol at both ends: envoy.extensions.filters.listener.proxy_protocol.v3 reads it, and
// envoy.config.core.v3.ProxyProtocolConfig says how it is written.
import { bool, enumeration, string, uint32 } from './scalar.ts';
import { list, message, optional, required, type Static } from './schema.ts';

const FILTER = 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';
const VERSION = enumeration(['V1', 'V2']);

export const PassThroughTlvs = message('envoy.config.core.v3.ProxyProtocolPassThroughTLVs', {
  matchType: optional(enumeration(['INCLUDE_ALL', 'INCLUDE']), 'Default INCLUDE_ALL.'),
  tlvType: optional(list(uint32({ maximum: 255 })), 'For INCLUDE: the types.'),
});
export interface PassThroughTlvs extends Static<typeof PassThroughTlvs> {}

const KeyValuePair = message(`${FILTER}.KeyValuePair`, {
  metadataNamespace: optional(string(), 'Default envoy.filters.listener.proxy_protocol.'),
  key: required(string({ minLength: 1 }), 'Key in the namespace.'),
});

const Rule = message(`${FILTER}.Rule`, {
  tlvType: optional(uint32({ maximum: 255 }), 'Type of the TLV; default 0.'),
  onTlvPresent: optional(KeyValuePair, 'Where its value is kept in the connection\'s dynamic metadata.'),
});

export const ProxyProtocol = message(FILTER, {
  rules: optional(list(Rule), 'TLVs that become dynamic metadata.'),
  allowRequestsWithoutProxyProtocol: optional(bool(), 'Connections without a header are taken as they are. Default '
    + 'false. Danger: whoever can reach the listener may then leave it out.'),
  passThroughTlvs: optional(PassThroughTlvs, 'TLVs that upstreams may be told; default none.'),
  disallowedVersions: optional(list(VERSION), 'Headers of these are refused; default none.'),
  statPrefix: optional(string(), 'Stats are proxy_proto.<this>.*; default proxy_proto.*.'),
}, {
  refused: { 'TLVs become dynamic metadata': ['tlv_location'] },
});
export interface ProxyProtocol extends Static<typeof ProxyProtocol> {}

export const ProxyProtocolConfig = message('envoy.config.core.v3.ProxyProtocolConfig', {
  version: optional(VERSION, 'Default V1.'),
  passThroughTlvs: optional(PassThroughTlvs, 'TLVs that the client\'s header had; V2 only. Default none.'),
}, {
  refused: { 'TLVs of its own are not sent': ['added_tlvs'] },
});
export interface ProxyProtocolConfig extends Static<typeof ProxyProtocolConfig> {}
