// EgressCredentials without their Secret or their authorization server: requests would be 401.
import { findingAt, type Finding, type MeshObject } from '../model/mesh-object.ts';
import { endpointOf, isAsSecured } from '../translate/egress-credential.ts';
import { secretTexts } from '../translate/gateway-secret.ts';
import type { MeshView } from '../translate/mesh-view.ts';

export function credentialFindings(view: MeshView): Finding[] {
  return view.inventory.list('EgressCredential').flatMap((credential) =>
    [...withoutSecret(view, credential), ...withoutServer(view, credential)]);
}

/** In which namespace the proxies are is not known here: a Secret of the name anywhere will do. */
function withoutSecret(view: MeshView, credential: MeshObject<'EgressCredential'>): Finding[] {
  const { clientCredentials, header } = credential.body.spec;
  const [field, part] = clientCredentials === undefined ? ['header', 'credential'] as const
    : ['clientCredentials', 'client-secret'] as const;
  const name = (clientCredentials ?? header)?.credentialName ?? '';
  const isThere = view.inventory.list('Secret').some((secret) => secret.name === name
    && secretTexts(view, secret.namespace, name)[part] !== undefined);
  if (isThere) return [];
  const reason = `no Secret '${name}' has ${part}: requests are 401`;
  return [findingAt(credential, ['spec', field, 'credentialName'], reason)];
}

function withoutServer(view: MeshView, credential: MeshObject<'EgressCredential'>): Finding[] {
  const { namespace, body: { spec: { selector, clientCredentials } } } = credential;
  if (clientCredentials === undefined) return [];
  const { host, port } = endpointOf(clientCredentials);
  const finding = (reason: string): Finding[] =>
    [findingAt(credential, ['spec', 'clientCredentials', 'tokenEndpoint'], `${reason}: no token can be fetched`)];
  const service = view.registry.byHost(host);
  if (service === undefined) return finding(`no service '${host}'`);
  if (!service.ports.some(({ number }) => number === port)) return finding(`service '${host}' has no port ${port}`);
  const scope = { namespace, labels: new Map(Object.entries(selector?.matchLabels ?? {})), isWeft: true };
  return isAsSecured(view, scope, clientCredentials) ? []
    : finding(`no DestinationRule has TLS for '${host}', and the secret is not sent in clear`);
}
