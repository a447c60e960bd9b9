// ReferenceGrant and BackendTLSPolicy: who may name what elsewhere, and how backends are verified.
import { enumeration, string } from '../../../proxy/config/scalar.ts';
import { list, map, message, optional, Refusal, required, type Static } from '../../../proxy/config/schema.ts';
import { objectHead } from '../object-meta.ts';
import { label, objectName } from '../scalar.ts';
import { groupName, hostname, kindWord, LocalObjectRef, preciseHostname } from './reference.ts';

export const ReferenceGrant = message('k8s.gateway.v1.ReferenceGrant', {
  ...objectHead,
  spec: required(message('k8s.gateway.v1.ReferenceGrantSpec', {
    from: required(list(message('k8s.gateway.v1.ReferenceGrantFrom', {
      group: required(groupName(), 'Group of who names.'),
      kind: required(kindWord(), 'Kind of who names.'),
      namespace: required(label(), 'Namespace of who names.'),
    }), { min: 1, max: 16 }), 'Who may.'),
    to: required(list(message('k8s.gateway.v1.ReferenceGrantTo', {
      group: required(groupName(), 'Group of what is named; empty for the core.'),
      kind: required(kindWord(), 'Kind of what is named.'),
      name: optional(string({ minLength: 1, maxBytes: 253 }), 'Name; all when absent.'),
    }), { min: 1, max: 16 }), 'What in this namespace.'),
  }), 'The grant.'),
});
export interface ReferenceGrant extends Static<typeof ReferenceGrant> {}

const SubjectAltName = message('k8s.gateway.v1.SubjectAltName', {
  type: required(enumeration(['Hostname', 'URI']), 'Which of the two.'),
  hostname: optional(hostname(), 'For Hostname.'),
  uri: optional(string({ minLength: 1, maxBytes: 253 }), 'For URI.'),
}, {
  check: ({ type, hostname: host, uri }) => {
    const [own, other] = type === 'Hostname' ? [host, uri] : [uri, host];
    return own !== undefined && other === undefined ? undefined
      : new Refusal(`needs ${type === 'Hostname' ? 'hostname' : 'uri'} alone: type is ${type}`);
  },
});

export const BackendTlsValidation = message('k8s.gateway.v1.BackendTLSPolicyValidation', {
  hostname: required(preciseHostname(), 'SNI, and without subjectAltNames the name that the certificate carries.'),
  caCertificateRefs: optional(list(LocalObjectRef, { max: 8 }), 'ConfigMaps (or Secrets) with ca.crt.'),
  wellKnownCACertificates: optional(string({ minLength: 1, maxBytes: 253 }), "System: the proxy's own roots.",
    'well_known_CA_certificates'),
  subjectAltNames: optional(list(SubjectAltName, { max: 5 }), 'Names of which the certificate carries one.'),
}, {
  check: ({ caCertificateRefs = [], wellKnownCACertificates }) => {
    if (caCertificateRefs.length > 0 === (wellKnownCACertificates === undefined)) return undefined;
    return new Refusal('needs either caCertificateRefs or wellKnownCACertificates');
  },
});
export interface BackendTlsValidation extends Static<typeof BackendTlsValidation> {}

export const BackendTlsPolicy = message('k8s.gateway.v1.BackendTLSPolicy', {
  ...objectHead,
  spec: required(message('k8s.gateway.v1.BackendTLSPolicySpec', {
    targetRefs: required(list(message('k8s.gateway.v1.LocalPolicyTargetReferenceWithSectionName', {
      group: required(groupName(), 'Empty: Services are in the core.'),
      kind: required(kindWord(), 'Service.'),
      name: required(string({ minLength: 1, maxBytes: 253 }), 'Name.'),
      sectionName: optional(objectName(), 'Port, by its name; all when absent.'),
    }), { min: 1, max: 16 }), 'Services of its namespace.'),
    validation: required(BackendTlsValidation, 'How the backend is verified.'),
    options: optional(map(string()), 'Words of other implementations; each is warned about.'),
  }), 'The policy.'),
});
export interface BackendTlsPolicy extends Static<typeof BackendTlsPolicy> {}
