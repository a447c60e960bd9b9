// What holds for the whole mesh and may be changed while it runs: Istio's MeshConfig (mesh.istio.io), as an object.
import { isTrustDomain } from '../../certs/spiffe.ts';
import { readCertificates } from '../../certs/chain.ts';
import { duration, enumeration, string } from '../../proxy/config/scalar.ts';
import { list, message, optional, Refusal, required, type Static } from '../../proxy/config/schema.ts';
import { ExtensionProvider } from './extension-provider.ts';
import { objectHead } from './object-meta.ts';

const CertificateData = message('istio.mesh.v1alpha1.MeshConfig.CertificateData', {
  pem: required(string({ minLength: 1 }), 'Roots, as text.'),
  trustDomains: optional(list(string({ minLength: 1 })), 'Trust domains that they vouch for; absent: the own one and '
    + 'its aliases.'),
}, {
  refused: {
    'roots are given as pem': ['spiffe_bundle_url'],
    'this authority signs': ['cert_signers'],
  },
  check: ({ pem, trustDomains = [] }) => {
    const roots = readCertificates(pem);
    if (roots === undefined || roots.length === 0) {
      return new Refusal('is not a PEM bundle of 1 to 100 certificates', ['pem']);
    }
    return nameFault(trustDomains, 'trustDomains');
  },
});

const OutboundTrafficPolicy = message('istio.mesh.v1alpha1.MeshConfig.OutboundTrafficPolicy', {
  mode: optional(enumeration(['REGISTRY_ONLY', 'ALLOW_ANY'], {
    refused: { ALLOW_ANY_DYNAMIC_DNS: 'hosts are not learned from requests' },
    numbers: { REGISTRY_ONLY: 0, ALLOW_ANY: 1, ALLOW_ANY_DYNAMIC_DNS: 2 },
  }), 'REGISTRY_ONLY (default of this message): they are refused. ALLOW_ANY (the mesh\'s default): connections that '
    + 'were redirected go on to where they wanted.'),
});

export const MeshConfigSpec = message('istio.mesh.v1alpha1.MeshConfig', {
  trustDomainAliases: optional(list(string({ minLength: 1 })), 'Other names of the trust domain: their workloads are '
    + 'let in, and principals written with one name are those of all.'),
  extensionProviders: optional(list(ExtensionProvider), 'Services that policies and telemetry name.'),
  caCertificates: optional(list(CertificateData), 'Roots beside those of the authority, by trust domain.'),
  protocolDetectionTimeout: optional(duration(), 'How long first bytes are waited for on ports whose '
    + 'protocol nobody says; 0s for ever. Default 0.1s for Envoy; weft asks the server meanwhile, and has 60s.'),
  outboundTrafficPolicy: optional(OutboundTrafficPolicy, 'What becomes of hosts that the mesh does not know, where no '
    + 'Sidecar says.'),
}, {
  check: ({ trustDomainAliases = [] }) => nameFault(trustDomainAliases, 'trustDomainAliases'),
});
export interface MeshConfigSpec extends Static<typeof MeshConfigSpec> {}

export const MeshConfig = message('istio.MeshConfig', {
  ...objectHead,
  spec: optional(MeshConfigSpec, 'Settings; those of the oldest object in the root namespace hold.'),
});
export interface MeshConfig extends Static<typeof MeshConfig> {}

function nameFault(names: readonly string[], field: string): Refusal | undefined {
  const wrong = names.findIndex((name) => !isTrustDomain(name));
  return wrong === -1 ? undefined : new Refusal('is not a trust domain, such as cluster.local', [field, wrong]);
}
