// TLS that a DestinationRule asks for: how servers outside of the mesh are verified, and what is shown to them.
import type { UpstreamTransportSocket } from '../../proxy/config/cluster.ts';
import type {
  CertificateValidationContext, CommonTlsContext, Secret, UpstreamTlsContext,
} from '../../proxy/config/tls.ts';
import { UPSTREAM_TLS_TYPE } from '../../proxy/config/type-url.ts';
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { ClientTls, TrafficPolicy } from '../model/traffic-policy.ts';
import { appliesTo, isSelective, type DestinationPolicy } from './destination-policy.ts';
import { addCredentials, rootsName, secretName } from './gateway-secret.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import type { ProxyNode } from './proxy-node.ts';
import { ROOT_SECRET } from './resource-name.ts';
import { ads, sds } from './secret-source.ts';
import { nameMatch, TLS_SOCKET } from './tls-context.ts';

/** Where Debian, and what is made from it, has the system's roots: Envoy must be told a file. */
export const SYSTEM_ROOTS_FILE = '/etc/ssl/certs/ca-certificates.crt';

/**
 * SIMPLE and MUTUAL. `host` names the server unless the rule does; undefined where each request names it. As in Istio
 * the system's roots verify it where the rule has none.
 */
export function clientTls(
  tls: ClientTls, host: string | undefined, scope: Scope, policies: DestinationPolicy,
): UpstreamTransportSocket {
  const sni = tls.sni ?? host;
  const named = tls.subjectAltNames ?? (host === undefined ? [] : [host]);
  const verifiedNames = { ...(named.length > 0 && { matchTypedSubjectAltNames: named.map(nameMatch) }) };
  const mayHaveSecret = scope.isGateway === true || policies.rules.some(isSelective);
  const context: UpstreamTlsContext = {
    commonTlsContext: tls.credentialName === undefined
      ? { ...ownCertificate(tls), ...serverValidation(tls, scope, verifiedNames) }
      : secretContext(tls, tls.credentialName, verifiedNames, mayHaveSecret),
    ...(sni !== undefined && { sni }),
    maxSessionKeys: 0,
  };
  return { name: TLS_SOCKET, typedConfig: { '@type': UPSTREAM_TLS_TYPE, ...context } };
}

function ownCertificate({ clientCertificate, privateKey }: ClientTls): Pick<CommonTlsContext, 'tlsCertificates'> {
  if (clientCertificate === undefined || privateKey === undefined) return {};
  return {
    tlsCertificates: [{ certificateChain: { filename: clientCertificate }, privateKey: { filename: privateKey } }],
  };
}

function serverValidation(
  { caCertificates, caCrl, insecureSkipVerify }: ClientTls, { isWeft }: Scope, names: CertificateValidationContext,
): Pick<CommonTlsContext, 'validationContext'> {
  if (insecureSkipVerify === true) return {};
  const roots = caCertificates === undefined && isWeft ? { systemRootCerts: {} }
    : { trustedCa: { filename: caCertificates ?? SYSTEM_ROOTS_FILE } };
  return { validationContext: { ...roots, ...(caCrl !== undefined && { crl: { filename: caCrl } }), ...names } };
}

/**
 * A Secret is for gateways, and for sidecars that a rule selects: others are not given it. Those verify the server by
 * the mesh's roots, which it is not of, so that nothing is sent to it in clear or unseen.
 */
function secretContext(
  tls: ClientTls, credential: string, names: CertificateValidationContext, mayHaveSecret: boolean,
): CommonTlsContext {
  const roots = mayHaveSecret ? ads(rootsName(credential)) : sds(ROOT_SECRET);
  return {
    ...(tls.mode === 'MUTUAL' && mayHaveSecret && {
      tlsCertificateSdsSecretConfigs: [ads(secretName(credential))],
    }),
    ...((tls.insecureSkipVerify !== true || !mayHaveSecret) && {
      combinedValidationContext: { defaultValidationContext: names, validationContextSdsSecretConfig: roots },
    }),
  };
}

/** The Secrets of its namespace that rules for this proxy name. */
export function clientSecrets(view: MeshView, node: ProxyNode): Secret[] {
  const made = new Map<string, Secret>();
  for (const { rule, tls } of view.inventory.derived(rulesWithSecrets)) {
    if (!appliesTo(rule, node) || (!node.isGateway && !isSelective(rule))) continue;
    const { credentialName = '', mode } = tls;
    addCredentials(made, view, node.namespace, mode === 'MUTUAL' ? [credentialName] : [], credentialName);
  }
  return [...made.values()];
}

interface RuleTls {
  readonly rule: MeshObject<'DestinationRule'>;
  readonly tls: ClientTls;
}

function rulesWithSecrets(inventory: Inventory): RuleTls[] {
  return inventory.list('DestinationRule').flatMap((rule) => {
    const { trafficPolicy, subsets = [] } = rule.body.spec;
    const levels = [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy)].flatMap(levelsOf);
    return levels.flatMap(({ tls }) => (tls?.credentialName === undefined ? [] : [{ rule, tls }]));
  });
}

function levelsOf(policy: TrafficPolicy | undefined): Pick<TrafficPolicy, 'tls'>[] {
  return policy === undefined ? [] : [policy, ...policy.portLevelSettings ?? []];
}
