// Certificates of gateways from Secrets of their namespace, which only a gateway that has shown its own is given.
import type { Secret } from '../../proxy/config/tls.ts';
import type { GatewayTls } from '../model/gateway.ts';
import type { SecretTexts } from '../model/secret.ts';
import { gatewayServers } from './gateway-server.ts';
import type { MeshView } from './mesh-view.ts';
import type { ProxyNode } from './proxy-node.ts';

/** Istio's name of a Secret in SDS. */
export function secretName(credential: string): string {
  return `kubernetes://${credential}`;
}

/** Istio's name of the roots that go with it. */
export function rootsName(credential: string): string {
  return `${secretName(credential)}-cacert`;
}

/** Secrets of certificates and keys, for a server that has none in files. */
export function certificateSecrets({ credentialName, credentialNames }: GatewayTls): readonly string[] {
  return credentialNames ?? (credentialName === undefined ? [] : [credentialName]);
}

/** The Secret whose roots verify clients, where no file does. */
export function rootsSecret(tls: GatewayTls): string | undefined {
  if (tls.mode !== 'MUTUAL' && tls.mode !== 'OPTIONAL_MUTUAL') return undefined;
  return tls.caCertificates === undefined ? tls.caCertCredentialName ?? certificateSecrets(tls)[0] : undefined;
}

/** Those that exist, of all servers of the gateway. */
export function gatewaySecrets(view: MeshView, node: ProxyNode): Secret[] {
  const made = new Map<string, Secret>();
  for (const { kept } of gatewayServers(view.inventory, node.labels).values()) {
    for (const { server: { tls } } of kept) {
      if (tls !== undefined) addCredentials(made, view, node.namespace, certificateSecrets(tls), rootsSecret(tls));
    }
  }
  return [...made.values()];
}

/** What there is of these names in a namespace, as secrets by their names in SDS. */
export function addCredentials(
  made: Map<string, Secret>, view: Pick<MeshView, 'inventory'>, namespace: string, certificates: readonly string[],
  roots: string | undefined,
): void {
  for (const name of certificates) add(made, certificate(name, secretTexts(view, namespace, name)));
  if (roots !== undefined) add(made, validation(roots, rootsTexts(view, namespace, roots)));
}

function add(made: Map<string, Secret>, secret: Secret | undefined): void {
  if (secret !== undefined) made.set(secret.name ?? '', secret);
}

export function secretTexts({ inventory }: Pick<MeshView, 'inventory'>, namespace: string, name: string): SecretTexts {
  const { data, stringData } = inventory.get('Secret', namespace, name)?.body ?? {};
  return { ...data, ...stringData };
}

/** Those of `<name>-cacert`, else of the Secret itself. */
export function rootsTexts(view: Pick<MeshView, 'inventory'>, namespace: string, name: string): SecretTexts {
  const apart = secretTexts(view, namespace, `${name}-cacert`);
  return rootsOf(apart) === undefined ? secretTexts(view, namespace, name) : apart;
}

export function rootsOf(texts: SecretTexts): string | undefined {
  return texts['ca.crt'] ?? texts.cacert;
}

/** Undefined unless both parts are there. */
export function certificateOf(texts: SecretTexts): { readonly chain: string; readonly key: string } | undefined {
  const chain = texts['tls.crt'] ?? texts.cert;
  const key = texts['tls.key'] ?? texts.key;
  return chain === undefined || key === undefined ? undefined : { chain, key };
}

function certificate(name: string, texts: SecretTexts): Secret | undefined {
  const found = certificateOf(texts);
  if (found === undefined) return undefined;
  return {
    name: secretName(name),
    tlsCertificate: { certificateChain: { inlineString: found.chain }, privateKey: { inlineString: found.key } },
  };
}

function validation(name: string, texts: SecretTexts): Secret | undefined {
  const roots = rootsOf(texts);
  const crl = texts['ca.crl'] ?? texts.crl;
  if (roots === undefined) return undefined;
  return {
    name: rootsName(name),
    validationContext: {
      trustedCa: { inlineString: roots }, ...(crl !== undefined && { crl: { inlineString: crl } }),
    },
  };
}
