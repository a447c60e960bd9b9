// TLS contexts and secrets (envoy.extensions.transport_sockets.tls.v3).
import { ConfigSource } from './config-source.ts';
import { DataSource } from './data-source.ts';
import { StringMatcher } from './matcher.ts';
import { bool, duration, enumeration, string, uint32 } from './scalar.ts';
import { any, atMostOne, list, message, optional, required, secret, type Static } from './schema.ts';

const TLS = 'envoy.extensions.transport_sockets.tls.v3';

const TlsProtocol = enumeration(['TLS_AUTO', 'TLSv1_2', 'TLSv1_3'], {
  refused: { TLSv1_0: 'it is broken', TLSv1_1: 'it is broken' },
  numbers: { TLS_AUTO: 0, TLSv1_0: 1, TLSv1_1: 2, TLSv1_2: 3, TLSv1_3: 4 },
});

export const TlsParameters = message(`${TLS}.TlsParameters`, {
  tlsMinimumProtocolVersion: optional(TlsProtocol, 'Default TLSv1_2.'),
  tlsMaximumProtocolVersion: optional(TlsProtocol, 'Default TLSv1_3.'),
  cipherSuites: optional(list(string()), 'OpenSSL names, for TLS 1.2; [A|B] makes a group of equals. Default Node\'s.'),
  ecdhCurves: optional(list(string()), 'Curves in order of preference, such as X25519; default Node\'s.'),
  signatureAlgorithms: optional(list(string()), 'Signature algorithms in order of preference; default Node\'s.'),
}, {
  refused: { 'choose versions, ciphers and curves instead': ['compliance_policies'] },
});
export interface TlsParameters extends Static<typeof TlsParameters> {}

export const TlsCertificate = message(`${TLS}.TlsCertificate`, {
  certificateChain: required(DataSource, 'PEM, leaf first.'),
  privateKey: secret(required(DataSource, 'PEM. Files should be readable by the proxy only.')),
  password: secret(optional(DataSource, 'For an encrypted key.')),
}, {
  refused: {
    'use PEM': ['pkcs12'],
    'files are read once; use SDS for what changes': ['watched_directory'],
    'keys stay in the process': ['private_key_provider'],
    'no OCSP response is stapled': ['ocsp_staple'],
    'parameters belong to the context': ['tls_params'],
  },
  warned: { 'clients take them from the certificate': ['signed_certificate_timestamp'] },
});
export interface TlsCertificate extends Static<typeof TlsCertificate> {}

export const SubjectAltNameMatcher = message(`${TLS}.SubjectAltNameMatcher`, {
  sanType: required(enumeration(['EMAIL', 'DNS', 'URI', 'IP_ADDRESS'], {
    refused: { OTHER_NAME: 'it is not read', SAN_TYPE_UNSPECIFIED: 'choose a type' },
    numbers: { EMAIL: 1, DNS: 2, URI: 3, IP_ADDRESS: 4, OTHER_NAME: 5 },
  }), 'Which names are looked at.'),
  matcher: required(StringMatcher, 'What one of them must be. A DNS name in the certificate may be a wildcard for '
    + 'exact.'),
}, {
  refused: { 'it belongs to OTHER_NAME': ['oid'] },
});
export interface SubjectAltNameMatcher extends Static<typeof SubjectAltNameMatcher> {}

const SpiffeTrustDomain = message(`${TLS}.SPIFFECertValidatorConfig.TrustDomain`, {
  name: required(string({ minLength: 1 }), 'Trust domain, such as cluster.local.'),
  trustBundle: required(DataSource, 'PEM roots for ids of this trust domain, and for no others.'),
}, {
  refused: { 'every peer is held to the rules of an SVID': ['workload_trust_domain'] },
});

export const SpiffeValidator = message(`${TLS}.SPIFFECertValidatorConfig`, {
  trustDomains: required(list(SpiffeTrustDomain, { min: 1 }), 'Trust domains whose workloads are believed.'),
}, {
  refused: { 'say it with trust_domains': ['trust_bundles'] },
});
export interface SpiffeValidator extends Static<typeof SpiffeValidator> {}

const CustomValidator = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: required(string({ minLength: 1 }), 'Free name, usually envoy.tls.cert_validator.spiffe.'),
  typedConfig: required(any('certificate validator', [SpiffeValidator]), 'Which one, and its roots.'),
});

const SystemRootCerts = message(`${TLS}.CertificateValidationContext.SystemRootCerts`, {});

export const CertificateValidationContext = message(`${TLS}.CertificateValidationContext`, {
  trustedCa: optional(DataSource, 'PEM roots. Without them and without pins no certificate is asked for or verified.'),
  systemRootCerts: optional(SystemRootCerts, "The system's roots, where there is no trusted_ca; read once. OpenSSL "
    + 'finds them, at SSL_CERT_FILE and SSL_CERT_DIR where these are set.'),
  verifyCertificateSpki: optional(list(string({ minLength: 44, maxBytes: 44 })), 'The leaf\'s public key has one of '
    + 'these '
    + 'SHA-256 hashes, in base64.'),
  verifyCertificateHash: optional(list(string({ minLength: 64, maxBytes: 95 })), 'The leaf has one of these SHA-256 '
    + 'hashes, '
    + 'in hexadecimal, with or without colons.'),
  matchTypedSubjectAltNames: optional(list(SubjectAltNameMatcher), 'The leaf has a name that matches one of these. '
    + 'Without '
    + 'it anybody with a certificate of the roots is believed.'),
  trustChainVerification: optional(enumeration(['VERIFY_TRUST_CHAIN'], {
    refused: { ACCEPT_UNTRUSTED: 'certificates are always verified' },
    numbers: { VERIFY_TRUST_CHAIN: 0, ACCEPT_UNTRUSTED: 1 },
  }), 'Default VERIFY_TRUST_CHAIN.'),
  customValidatorConfig: optional(CustomValidator, 'SPIFFE: a bundle of roots for each trust domain, in place of '
    + 'trusted_ca.'),
  crl: optional(DataSource, 'PEM revocation lists, one of each authority in the chain.'),
}, {
  legacy: { matchSubjectAltNames: optional(list(StringMatcher), 'match_typed_subject_alt_names of every type') },
  fold: (value, { matchSubjectAltNames = [] }) => {
    if (matchSubjectAltNames.length === 0) return undefined;
    value.matchTypedSubjectAltNames = matchSubjectAltNames.flatMap((matcher) =>
      (['DNS', 'URI', 'EMAIL', 'IP_ADDRESS'] as const).map((sanType) => ({ sanType, matcher })));
    return undefined;
  },
  refused: {
    'say it with trusted_ca': ['ca_certificate_provider_instance'],
    'files are read once; use SDS for what changes': ['watched_directory'],
    'certificates are always verified in full': ['allow_expired_certificate', 'only_verify_leaf_cert_crl'],
    'this is not verified': ['require_signed_certificate_timestamp', 'max_verify_depth'],
  },
  warned: { 'the names of the roots are sent to clients': ['suppress_client_ca_list'] },
});
export interface CertificateValidationContext extends Static<typeof CertificateValidationContext> {}

export const SdsSecretConfig = message(`${TLS}.SdsSecretConfig`, {
  name: required(string({ minLength: 1 }), 'Name of the secret; default and ROOTCA are this workload\'s own.'),
  sdsConfig: optional(ConfigSource, 'Where it comes from; absent: a static secret.'),
});
export interface SdsSecretConfig extends Static<typeof SdsSecretConfig> {}

export const CombinedValidationContext = message(
  `${TLS}.CommonTlsContext.CombinedCertificateValidationContext`, {
    defaultValidationContext: required(CertificateValidationContext, 'What is said here.'),
    validationContextSdsSecretConfig: required(SdsSecretConfig, 'What is fetched; its fields win, its lists are '
      + 'appended.'),
  }, {
    refused: { 'use SDS': ['validation_context_certificate_provider',
      'validation_context_certificate_provider_instance'] },
  },
);
export interface CombinedValidationContext extends Static<typeof CombinedValidationContext> {}

export const CommonTlsContext = message(`${TLS}.CommonTlsContext`, {
  tlsParams: optional(TlsParameters, 'Versions and algorithms.'),
  tlsCertificates: optional(list(TlsCertificate), 'Certificates of this side, such as one RSA and one ECDSA.'),
  tlsCertificateSdsSecretConfigs: optional(list(SdsSecretConfig), 'The same, fetched.'),
  validationContext: optional(CertificateValidationContext, 'How the peer is verified.'),
  validationContextSdsSecretConfig: optional(SdsSecretConfig, 'The same, fetched.'),
  combinedValidationContext: optional(CombinedValidationContext, 'Both.'),
  alpnProtocols: optional(list(string()), 'Protocols in order of preference, such as h2 and http/1.1.'),
}, {
  refused: {
    'use SDS': ['tls_certificate_provider_instance', 'tls_certificate_certificate_provider',
      'tls_certificate_certificate_provider_instance', 'validation_context_certificate_provider',
      'validation_context_certificate_provider_instance'],
    'this cannot be plugged in': ['custom_tls_certificate_selector', 'custom_handshaker'],
    'session keys are never written down': ['key_log'],
  },
  oneOf: [atMostOne('validation_context', 'validation_context_sds_secret_config', 'combined_validation_context',
    'validation_context_certificate_provider', 'validation_context_certificate_provider_instance')],
});
export interface CommonTlsContext extends Static<typeof CommonTlsContext> {}

export const DownstreamTlsContext = message(`${TLS}.DownstreamTlsContext`, {
  commonTlsContext: required(CommonTlsContext, 'What both sides have.'),
  requireClientCertificate: optional(bool(), 'Clients without a valid certificate are refused. Default false: unless '
    + 'names or hashes are asked for.'),
  requireSni: optional(bool(), 'Clients without SNI are refused. Default false.'),
  disableStatelessSessionResumption: optional(bool(), 'No session tickets. Default false.'),
  disableStatefulSessionResumption: optional(bool(), 'No session ids; weft resumes by tickets only. Default false.'),
  sessionTimeout: optional(duration(), 'How long a session may be resumed; default OpenSSL\'s.'),
  ocspStaplePolicy: optional(enumeration(['LENIENT_STAPLING'], {
    refused: { STRICT_STAPLING: 'no OCSP response is stapled', MUST_STAPLE: 'no OCSP response is stapled' },
    numbers: { LENIENT_STAPLING: 0, STRICT_STAPLING: 1, MUST_STAPLE: 2 },
  }), 'Default LENIENT_STAPLING.'),
}, {
  refused: { 'ticket keys are the process\'s own': ['session_ticket_keys', 'session_ticket_keys_sds_secret_config'] },
  warned: {
    'the first certificate serves names that none has': ['full_scan_certs_on_sni_mismatch'],
    'the server\'s order of ciphers holds': ['prefer_client_ciphers'],
  },
  oneOf: [atMostOne('session_ticket_keys', 'session_ticket_keys_sds_secret_config',
    'disable_stateless_session_resumption')],
});
export interface DownstreamTlsContext extends Static<typeof DownstreamTlsContext> {}

export const UpstreamTlsContext = message(`${TLS}.UpstreamTlsContext`, {
  commonTlsContext: required(CommonTlsContext, 'What both sides have.'),
  sni: optional(string({ maxBytes: 255 }), 'Server name that is sent; default none. It is not verified: see the '
    + 'names of the '
    + 'validation context.'),
  autoHostSni: optional(bool(), 'SNI is the endpoint\'s host name. Default false.'),
  autoSniSanValidation: optional(bool(), 'The certificate must name what SNI says. Default false.'),
  maxSessionKeys: optional(uint32(), 'Sessions kept for resumption; default 1, 0 turns it off.'),
}, {
  refused: { 'renegotiation is unsafe': ['allow_renegotiation'] },
  warned: { 'OpenSSL looks at the key usage by itself': ['enforce_rsa_key_usage'] },
});
export interface UpstreamTlsContext extends Static<typeof UpstreamTlsContext> {}

export const RawBuffer = message('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', {});
export interface RawBuffer extends Static<typeof RawBuffer> {}

export const GenericSecret = message(`${TLS}.GenericSecret`, {
  secret: secret(optional(DataSource, 'A password, a token, a key.')),
}, {
  refused: { 'name one secret for each': ['secrets'] },
});
export interface GenericSecret extends Static<typeof GenericSecret> {}

export const Secret = message(`${TLS}.Secret`, {
  name: required(string({ minLength: 1 }), 'Name by which contexts ask for it.'),
  tlsCertificate: optional(TlsCertificate, 'A certificate with its key.'),
  validationContext: optional(CertificateValidationContext, 'Roots, and what else is verified.'),
  genericSecret: optional(GenericSecret, 'What filters ask for.'),
}, {
  refused: { 'ticket keys are the process\'s own': ['session_ticket_keys'] },
  oneOf: [atMostOne('tls_certificate', 'session_ticket_keys', 'validation_context', 'generic_secret')],
});
export interface Secret extends Static<typeof Secret> {}
