// EgressCredentials without their Secret or their authorization server: requests would be 401.
import { findingAt, type Finding, type MeshObject } from '../model/mesh-object.ts';
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

function withoutServer({ registry }: MeshView, credential: MeshObject<'EgressCredential'>): Finding[] {
  const { clientCredentials } = credential.body.spec;
  if (clientCredentials === undefined) return [];
  const { hostname, port, protocol } = new URL(clientCredentials.tokenEndpoint);
  const wanted = Number(port) || (protocol === 'https:' ? 443 : 80);
  const service = registry.byHost(hostname);
  if (service?.ports.some(({ number }) => number === wanted) === true) return [];
  const missing = service === undefined ? `no service '${hostname}'` : `service '${hostname}' has no port ${wanted}`;
  return [findingAt(credential, ['spec', 'clientCredentials', 'tokenEndpoint'],
    `${missing}: no token can be fetched; write a ServiceEntry`)];
}
