// TLS towards backends that BackendTLSPolicies ask for, and the certificate that a Gateway shows them.
import type { UpstreamTransportSocket } from '../../../proxy/config/cluster.ts';
import type { CertificateValidationContext, Secret, UpstreamTlsContext } from '../../../proxy/config/tls.ts';
import { UPSTREAM_TLS_TYPE } from '../../../proxy/config/type-url.ts';
import { backendTlsFor, backendTlsPolicies, type BackendTls } from '../../gateway-api/backend-tls.ts';
import { keyPair, type KeyPair } from '../../gateway-api/certificate.ts';
import type { MeshService, ServicePort } from '../../registry/service.ts';
import { serviceHost } from '../../registry/hostname.ts';
import { SYSTEM_ROOTS_FILE } from '../client-tls.ts';
import type { MeshView, Scope } from '../mesh-view.ts';
import { ads } from '../secret-source.ts';
import { nameMatch, TLS_SOCKET } from '../tls-context.ts';
import { gatewaysAt } from './gateway-proxy.ts';

/** The policy for a port; undefined without one. */
export function backendPolicy(view: MeshView, service: MeshService, port: ServicePort): BackendTls | undefined {
  const { name, namespace, hostname } = service;
  const policies = view.inventory.derived(backendTlsPolicies);
  if (policies.byService.size === 0
    || hostname !== serviceHost(name, namespace, view.registry.domain)) return undefined;
  return backendTlsFor(policies, namespace, name, port.name);
}

export function backendTransport(
  view: MeshView, scope: Scope, { policy, roots }: BackendTls, http2: boolean,
): UpstreamTransportSocket {
  const { hostname, subjectAltNames } = policy.body.spec.validation;
  const names = subjectAltNames?.flatMap((one) => one.hostname ?? one.uri ?? []) ?? [hostname];
  const validationContext: CertificateValidationContext = {
    ...rootsOf(roots, scope), matchTypedSubjectAltNames: names.map(nameMatch),
  };
  const shown = shownCertificate(view, scope);
  const context: UpstreamTlsContext = {
    commonTlsContext: {
      ...(shown !== undefined && { tlsCertificateSdsSecretConfigs: [ads(pairName(shown))] }),
      validationContext,
      ...(http2 && { alpnProtocols: ['h2'] }),
    },
    sni: hostname,
    maxSessionKeys: 0,
  };
  return { name: TLS_SOCKET, typedConfig: { '@type': UPSTREAM_TLS_TYPE, ...context } };
}

function rootsOf(roots: string | undefined, { isWeft }: Scope): CertificateValidationContext {
  if (roots !== undefined) return { trustedCa: { inlineString: roots } };
  return isWeft ? { systemRootCerts: {} } : { trustedCa: { filename: SYSTEM_ROOTS_FILE } };
}

/** That of the first Gateway of the proxy that has one. */
function shownCertificate(view: MeshView, scope: Scope): KeyPair | undefined {
  if (scope.isGateway !== true) return undefined;
  for (const gateway of gatewaysAt(view, scope)) {
    const ref = gateway.body.spec.tls?.backend?.clientCertificateRef;
    const found = ref === undefined ? undefined : keyPair(view.inventory, gateway, 'Gateway', ref);
    if (found !== undefined && 'chain' in found) return found;
  }
  return undefined;
}

/** Istio's name of a Secret that a Gateway of the Gateway API names. */
export function pairName({ namespace, name }: Pick<KeyPair, 'namespace' | 'name'>): string {
  return `kubernetes-gateway://${namespace}/${name}`;
}

/** For a proxy that has shown who it is. */
export function backendSecrets(view: MeshView, scope: Scope): Secret[] {
  const shown = shownCertificate(view, scope);
  return shown === undefined ? [] : [certificateSecret(shown)];
}

export function certificateSecret(pair: KeyPair): Secret {
  return {
    name: pairName(pair),
    tlsCertificate: { certificateChain: { inlineString: pair.chain }, privateKey: { inlineString: pair.key } },
  };
}
