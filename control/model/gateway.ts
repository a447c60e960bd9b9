// Gateway: what a proxy at the edge listens for (networking.istio.io).
import { bool, enumeration, string, uint32 } from '../../proxy/config/scalar.ts';
import {
  list, map, message, optional, Refusal, required, type Schema, type Static,
} from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { cipherSuite, matching, objectName } from './scalar.ts';

const TLS_VERSIONS = enumeration(['TLS_AUTO', 'TLSV1_2', 'TLSV1_3'], {
  refused: { TLSV1_0: 'it is broken; TLSV1_2 is the least', TLSV1_1: 'it is broken; TLSV1_2 is the least' },
});

export const GatewayTls = message('istio.networking.v1.ServerTLSSettings', {
  httpsRedirect: optional(bool(), 'Answer plain HTTP with 301 to https. Default false.'),
  mode: optional(enumeration(
    ['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL'],
  ), 'Who is verified; PASSTHROUGH when absent, as in Istio.'),
  serverCertificate: optional(string({ minLength: 1 }), 'File of the certificate chain, at the gateway.'),
  privateKey: optional(string({ minLength: 1 }), 'File of its key, at the gateway.'),
  caCertificates: optional(string({ minLength: 1 }), 'File of the roots for client certificates, at the gateway.'),
  caCrl: optional(string({ minLength: 1 }), 'File of the revocation lists, at the gateway.'),
  subjectAltNames: optional(list(string({ minLength: 1 })), 'Names of which a client certificate carries one.'),
  verifyCertificateSpki: optional(list(matching(/^[A-Za-z0-9+/]{43}=$/, 'a SHA-256 hash in base64')),
    'Hashes of public keys, of which a client certificate has one.'),
  verifyCertificateHash: optional(list(matching(/^([0-9A-Fa-f]{64}|([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})$/,
    'a SHA-256 hash in hexadecimal')), 'Hashes, of which a client certificate has one.'),
  cipherSuites: optional(list(cipherSuite()), "OpenSSL's names, for TLS 1.2; the runtime's when absent."),
  credentialName: optional(objectName(), "Secret of the gateway's namespace, in place of the files."),
  credentialNames: optional(list(objectName(), { min: 1, max: 2 }), 'Two of them: one RSA and one ECDSA.'),
  caCertCredentialName: optional(objectName(), 'Secret of the roots for client certificates; <credentialName>-cacert, '
    + 'or the Secret itself, when absent.'),
  minProtocolVersion: optional(TLS_VERSIONS, 'Least version; TLSV1_2 when absent.'),
  maxProtocolVersion: optional(TLS_VERSIONS, 'Greatest version; TLSV1_3 when absent.'),
}, {
  refused: {
    'name Secrets by credential_names': ['tls_certificates'],
    'Istio does not implement it at gateways': ['insecure_skip_verify'],
  },
});
export interface GatewayTls extends Static<typeof GatewayTls> {}

const PROTOCOLS = ['HTTP', 'HTTPS', 'HTTP2', 'GRPC', 'GRPC-WEB', 'TCP', 'TLS', 'MONGO'] as const;

/** What Gateways and Sidecars may say of a port. */
export function portProtocols(): Schema<(typeof PROTOCOLS)[number]> {
  return enumeration(PROTOCOLS);
}

export const GatewayPort = message('istio.networking.v1.Port', {
  number: required(uint32({ minimum: 1, maximum: 65_535 }), 'Port.'),
  name: required(string({ minLength: 1 }), 'Name.'),
  protocol: required(portProtocols(),
    'What is spoken. HTTPS and TLS need tls; TCP and MONGO are carried as bytes; the rest is plaintext, HTTP/1.1 or '
    + 'HTTP/2 as the client likes.'),
}, {
  refused: { 'it has no meaning on a gateway; the proxy says where it listens': ['target_port'] },
});
export interface GatewayPort extends Static<typeof GatewayPort> {}

export const GatewayServer = message('istio.networking.v1.Server', {
  port: required(GatewayPort, 'Port.'),
  hosts: required(list(gatewayHost(), { min: 1 }), 'Hosts, `[namespace/]name`, that VirtualServices may claim here.'),
  tls: optional(GatewayTls, 'TLS.'),
  name: optional(string(), 'Name.'),
}, {
  refused: {
    "the proxy's own metadata says where it listens": ['bind'],
    'Istio does not implement it': ['default_endpoint'],
  },
  check: ({ port: { protocol }, tls }) => (isTlsProtocol(protocol) ? badTls(protocol, tls) : badPlain(protocol, tls)),
});
export interface GatewayServer extends Static<typeof GatewayServer> {}

function gatewayHost(): ReturnType<typeof matching> {
  return matching(/^((\*|\.|[a-z0-9][-a-z0-9]*)\/)?(\*|(\*\.)?[a-z0-9][-a-z0-9.]*)$/, "'[namespace/]host', lower case");
}

export function isTlsProtocol(protocol: string): boolean {
  return protocol === 'HTTPS' || protocol === 'TLS';
}

const CLIENT_CHECKS = [
  'caCertificates', 'caCertCredentialName', 'caCrl', 'subjectAltNames', 'verifyCertificateSpki',
  'verifyCertificateHash',
] as const;

/** What a port whose protocol has TLS lacks. */
export function badTls(protocol: string, tls: GatewayTls | undefined): Refusal | undefined {
  if (tls === undefined) return new Refusal(`needs tls: the protocol is ${protocol}`);
  const { mode = 'PASSTHROUGH' } = tls;
  const verifies = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
  if (!verifies && mode !== 'SIMPLE') {
    const set = Object.keys(tls).find((key) => key !== 'mode' && !key.endsWith('ProtocolVersion'));
    return set === undefined ? undefined : new Refusal(`has no meaning: mode is ${mode}`, ['tls', set]);
  }
  const isFiled = tls.credentialName === undefined && tls.credentialNames === undefined;
  for (const key of ['serverCertificate', 'privateKey'] as const) {
    if (isFiled && tls[key] === undefined) {
      return new Refusal(`needs ${key}: mode is ${mode} (or a credentialName)`, ['tls']);
    }
    if (!isFiled && tls[key] !== undefined) return new Refusal('must not be set beside credentialName', ['tls', key]);
  }
  if (verifies) {
    const hasRoots = tls.caCertificates !== undefined || tls.caCertCredentialName !== undefined || !isFiled;
    return hasRoots ? undefined : new Refusal(`needs caCertificates: mode is ${mode}`, ['tls']);
  }
  const unused = CLIENT_CHECKS.find((key) => tls[key] !== undefined);
  return unused === undefined ? undefined : new Refusal('is for MUTUAL: mode is SIMPLE', ['tls', unused]);
}

function badPlain(protocol: string, tls: GatewayTls | undefined): Refusal | undefined {
  const isHttp = protocol !== 'TCP' && protocol !== 'MONGO';
  const other = Object.keys(tls ?? {}).find((key) => key !== 'httpsRedirect' || !isHttp);
  if (other === undefined) return undefined;
  return new Refusal(isHttp ? 'only httpsRedirect has a meaning for HTTP' : `has no meaning for ${protocol}`,
    ['tls', other]);
}

export const GatewaySpec = message('istio.networking.v1.Gateway', {
  selector: optional(map(string()), 'Labels of the proxies, in any namespace; every gateway when absent.'),
  servers: required(list(GatewayServer, { min: 1 }), 'Servers.'),
});
export interface GatewaySpec extends Static<typeof GatewaySpec> {}

export const Gateway = message('istio.Gateway', {
  ...objectHead,
  spec: required(GatewaySpec, 'Servers.'),
});
export interface Gateway extends Static<typeof Gateway> {}
