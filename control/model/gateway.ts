// Gateway: what a proxy at the edge listens for (networking.istio.io).
import { bool, enumeration, string, uint32 } from '../../proxy/config/scalar.ts';
import { list, map, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { matching } from './scalar.ts';

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
  minProtocolVersion: optional(TLS_VERSIONS, 'Least version; TLSV1_2 when absent.'),
  maxProtocolVersion: optional(TLS_VERSIONS, 'Greatest version; TLSV1_3 when absent.'),
}, {
  refused: {
    'certificates come from files of the gateway: serverCertificate and privateKey':
      ['credential_name', 'credential_names', 'ca_cert_credential_name', 'tls_certificates'],
    'client certificates are checked against caCertificates alone':
      ['subject_alt_names', 'verify_certificate_hash', 'verify_certificate_spki', 'ca_crl', 'insecure_skip_verify'],
    "the runtime's cipher suites hold": ['cipher_suites'],
  },
});
export interface GatewayTls extends Static<typeof GatewayTls> {}

export const GatewayPort = message('istio.networking.v1.Port', {
  number: required(uint32({ minimum: 1, maximum: 65_535 }), 'Port.'),
  name: required(string({ minLength: 1 }), 'Name.'),
  protocol: required(enumeration(['HTTP', 'HTTPS', 'HTTP2', 'GRPC', 'GRPC-WEB'], {
    refused: {
      TCP: 'gateways carry HTTP only so far',
      TLS: 'gateways carry HTTP only so far',
      MONGO: 'gateways carry HTTP only so far',
    },
  }), 'What is spoken: all but HTTPS is plaintext, HTTP/1.1 or HTTP/2 as the client likes.'),
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
  check: (server) => (server.port.protocol === 'HTTPS' ? badHttps(server.tls) : badHttp(server.tls)),
});
export interface GatewayServer extends Static<typeof GatewayServer> {}

function gatewayHost(): ReturnType<typeof matching> {
  return matching(/^((\*|\.|[a-z0-9][-a-z0-9]*)\/)?(\*|(\*\.)?[a-z0-9][-a-z0-9.]*)$/, "'[namespace/]host', lower case");
}

function badHttps(tls: GatewayTls | undefined): Refusal | undefined {
  if (tls?.mode !== 'SIMPLE' && tls?.mode !== 'MUTUAL') {
    return new Refusal('must be SIMPLE or MUTUAL for HTTPS; other modes are not supported yet', ['tls', 'mode']);
  }
  for (const key of ['serverCertificate', 'privateKey'] as const) {
    if (tls[key] === undefined) return new Refusal(`needs ${key}: mode is ${tls.mode}`, ['tls']);
  }
  const lacksRoots = tls.mode === 'MUTUAL' && tls.caCertificates === undefined;
  return lacksRoots ? new Refusal('needs caCertificates: mode is MUTUAL', ['tls']) : undefined;
}

function badHttp(tls: GatewayTls | undefined): Refusal | undefined {
  const other = Object.keys(tls ?? {}).find((key) => key !== 'httpsRedirect');
  return other === undefined ? undefined : new Refusal('only httpsRedirect has a meaning for HTTP', ['tls', other]);
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
