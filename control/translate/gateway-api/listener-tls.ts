// TLS of a Gateway's listeners: certificates from Secrets that they may name, and of clients where these are asked.
import type { DownstreamTransportSocket } from '../../../proxy/config/listener.ts';
import type { DownstreamTlsContext, Secret } from '../../../proxy/config/tls.ts';
import { DOWNSTREAM_TLS_TYPE } from '../../../proxy/config/type-url.ts';
import { attachments } from '../../gateway-api/attachment.ts';
import { isProgrammed, type GatewayListener } from '../../gateway-api/listener.ts';
import type { MeshView } from '../mesh-view.ts';
import type { ProxyNode } from '../proxy-node.ts';
import { ads } from '../secret-source.ts';
import { TLS_SOCKET } from '../tls-context.ts';
import { certificateSecret, pairName } from './backend-tls.ts';
import { gatewaysAt } from './gateway-proxy.ts';

export function listenerTls({ certificates, clients }: GatewayListener, isHttp: boolean): DownstreamTransportSocket {
  const asks = clients !== undefined && clients.mode !== 'AllowInsecureFallback';
  const context: DownstreamTlsContext = {
    commonTlsContext: {
      tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_2', tlsMaximumProtocolVersion: 'TLSv1_3' },
      tlsCertificateSdsSecretConfigs: certificates.map((pair) => ads(pairName(pair))),
      // Whoever may come without a good certificate is not asked for one.
      ...(asks && { validationContext: { trustedCa: { inlineString: clients.roots } } }),
      ...(isHttp && { alpnProtocols: ['h2', 'http/1.1'] }),
    },
    ...(asks && { requireClientCertificate: true }),
    disableStatelessSessionResumption: true,
    disableStatefulSessionResumption: true,
  };
  return { name: TLS_SOCKET, typedConfig: { '@type': DOWNSTREAM_TLS_TYPE, ...context } };
}

/** For a proxy that has shown who it is. */
export function listenerSecrets(view: MeshView, node: ProxyNode): Secret[] {
  const { listeners } = view.inventory.derived(attachments);
  const made = new Map<string, Secret>();
  for (const listener of gatewaysAt(view,
    node).flatMap((gateway) => listeners.get(gateway) ?? []).filter(isProgrammed)) {
    for (const pair of listener.certificates) {
      const secret = certificateSecret(pair);
      made.set(secret.name ?? '', secret);
    }
  }
  return [...made.values()];
}
