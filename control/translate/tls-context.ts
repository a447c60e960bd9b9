// TLS contexts of the mesh: certificates and roots by SDS from the sidecar's own agent, no resumption (S53).
import type { DownstreamTransportSocket } from '../../proxy/config/listener.ts';
import type { UpstreamProxyProtocol, UpstreamTransportSocket } from '../../proxy/config/cluster.ts';
import type { ProxyProtocolConfig } from '../../proxy/config/proxy-protocol.ts';
import type {
  CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SubjectAltNameMatcher,
  UpstreamTlsContext,
} from '../../proxy/config/tls.ts';
import {
  DOWNSTREAM_TLS_TYPE, RAW_BUFFER_TYPE, UPSTREAM_PROXY_PROTOCOL_TYPE, UPSTREAM_TLS_TYPE,
} from '../../proxy/config/type-url.ts';
import type { GatewayTls } from '../model/gateway.ts';
import { certificateSecrets, rootsName, rootsSecret, secretName } from './gateway-secret.ts';
import type { MeshTrust } from './mesh-trust.ts';
import { WORKLOAD_SECRET } from './resource-name.ts';
import { ads, sds } from './secret-source.ts';

export const TLS_SOCKET = 'envoy.transport_sockets.tls';
export const RAW_SOCKET = 'envoy.transport_sockets.raw_buffer';
export const PLAINTEXT: WrappedSocket = { name: RAW_SOCKET, typedConfig: { '@type': RAW_BUFFER_TYPE } };

type WrappedSocket = UpstreamProxyProtocol['transportSocket'];

/** The server is told of the client before the handshake. */
export function behindHeader(
  socket: UpstreamTransportSocket | undefined, config: ProxyProtocolConfig,
): UpstreamTransportSocket {
  const transportSocket = socket === undefined ? PLAINTEXT : socket as WrappedSocket;
  return {
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    typedConfig: { '@type': UPSTREAM_PROXY_PROTOCOL_TYPE, config, transportSocket },
  };
}

/** What mesh clients offer and mesh servers take first: tells mesh TLS from an application's own. */
const MESH_ALPN = 'istio';

function uriMatch(matcher: SubjectAltNameMatcher['matcher']): SubjectAltNameMatcher {
  return { sanType: 'URI', matcher };
}

/** Any identity of these trust domains. */
function anyOf({ domains }: MeshTrust): SubjectAltNameMatcher[] {
  return domains.map((domain) => uriMatch({ prefix: `spiffe://${domain}/` }));
}

/** The client's side of mutual TLS. Without known `identities` any of the trust domain is taken, as by Istio. */
export function meshClientTls(
  identities: readonly string[], trust: MeshTrust, sni: string, http2: boolean,
): UpstreamTransportSocket {
  const context: UpstreamTlsContext = {
    commonTlsContext: {
      tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_2', tlsMaximumProtocolVersion: 'TLSv1_3' },
      tlsCertificateSdsSecretConfigs: [sds(WORKLOAD_SECRET)],
      combinedValidationContext: {
        defaultValidationContext: {
          matchTypedSubjectAltNames:
            identities.length === 0 ? anyOf(trust) : identities.map((exact) => uriMatch({ exact })),
        },
        validationContextSdsSecretConfig: trust.roots,
      },
      alpnProtocols: http2 ? [MESH_ALPN, 'h2'] : [MESH_ALPN],
    },
    sni,
    maxSessionKeys: 0,
  };
  return { name: TLS_SOCKET, typedConfig: { '@type': UPSTREAM_TLS_TYPE, ...context } };
}

/** The server's side: a client certificate of the trust domain is required. */
export function meshServerTls(trust: MeshTrust): DownstreamTransportSocket {
  const context: DownstreamTlsContext = {
    commonTlsContext: {
      tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_2', tlsMaximumProtocolVersion: 'TLSv1_3' },
      tlsCertificateSdsSecretConfigs: [sds(WORKLOAD_SECRET)],
      combinedValidationContext: {
        defaultValidationContext: { matchTypedSubjectAltNames: anyOf(trust) },
        validationContextSdsSecretConfig: trust.roots,
      },
      // A client that speaks HTTP/2 offers h2 beside the mesh's own name, and is told so; the others have that name.
      alpnProtocols: ['h2', MESH_ALPN, 'http/1.1'],
    },
    requireClientCertificate: true,
    disableStatelessSessionResumption: true,
    disableStatefulSessionResumption: true,
  };
  return { name: TLS_SOCKET, typedConfig: { '@type': DOWNSTREAM_TLS_TYPE, ...context } };
}

export function nameMatch(name: string): SubjectAltNameMatcher {
  return { sanType: name.includes('://') ? 'URI' : 'DNS', matcher: { exact: name } };
}

/** TLS of a gateway's server: of the mesh for ISTIO_MUTUAL, else from files of the gateway. */
export function gatewayTls(tls: GatewayTls, trust: MeshTrust, isHttp: boolean): DownstreamTransportSocket {
  if (tls.mode === 'ISTIO_MUTUAL') return meshServerTls(trust);
  const { cipherSuites } = tls;
  const context: DownstreamTlsContext = {
    commonTlsContext: {
      tlsParams: {
        tlsMinimumProtocolVersion: version(tls.minProtocolVersion, 'TLSv1_2'),
        tlsMaximumProtocolVersion: version(tls.maxProtocolVersion, 'TLSv1_3'),
        ...(cipherSuites !== undefined && { cipherSuites: [...cipherSuites] }),
      },
      ...serverCertificates(tls),
      ...clientValidation(tls),
      // What a client of bytes speaks is between it and the server.
      ...(isHttp && { alpnProtocols: ['h2', 'http/1.1'] }),
    },
    ...(tls.mode === 'MUTUAL' && { requireClientCertificate: true }),
    disableStatelessSessionResumption: true,
    disableStatefulSessionResumption: true,
  };
  return { name: TLS_SOCKET, typedConfig: { '@type': DOWNSTREAM_TLS_TYPE, ...context } };
}

function version(named: string | undefined, otherwise: 'TLSv1_2' | 'TLSv1_3'): 'TLSv1_2' | 'TLSv1_3' {
  return named === 'TLSV1_2' ? 'TLSv1_2' : named === 'TLSV1_3' ? 'TLSv1_3' : otherwise;
}

type Certificates = Pick<CommonTlsContext, 'tlsCertificates' | 'tlsCertificateSdsSecretConfigs'>;

function serverCertificates(tls: GatewayTls): Certificates {
  const secrets = certificateSecrets(tls);
  if (secrets.length > 0) return { tlsCertificateSdsSecretConfigs: secrets.map((name) => ads(secretName(name))) };
  const { serverCertificate = '', privateKey = '' } = tls;
  return {
    tlsCertificates: [{ certificateChain: { filename: serverCertificate }, privateKey: { filename: privateKey } }],
  };
}

type Validation = Pick<CommonTlsContext, 'validationContext' | 'combinedValidationContext'>;

/** OPTIONAL_MUTUAL verifies a certificate that is shown, and asks for none. */
function clientValidation(tls: GatewayTls): Validation {
  if (tls.mode !== 'MUTUAL' && tls.mode !== 'OPTIONAL_MUTUAL') return {};
  const context = validationContext(tls);
  const secret = rootsSecret(tls);
  if (secret === undefined) return { validationContext: context };
  return {
    combinedValidationContext: {
      defaultValidationContext: context, validationContextSdsSecretConfig: ads(rootsName(secret)),
    },
  };
}

function validationContext(tls: GatewayTls): CertificateValidationContext {
  const { caCertificates, caCrl, subjectAltNames, verifyCertificateSpki, verifyCertificateHash } = tls;
  return {
    ...(caCertificates !== undefined && { trustedCa: { filename: caCertificates } }),
    ...(caCrl !== undefined && { crl: { filename: caCrl } }),
    ...(subjectAltNames !== undefined && { matchTypedSubjectAltNames: subjectAltNames.map(nameMatch) }),
    ...(verifyCertificateSpki !== undefined && { verifyCertificateSpki: [...verifyCertificateSpki] }),
    ...(verifyCertificateHash !== undefined && { verifyCertificateHash: [...verifyCertificateHash] }),
  };
}
