// Logins at a gateway: the first OidcLogin that selects it. A proxy that cannot log users in lets nobody in.
import type { HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import type { HeaderMatcher } from '../../proxy/config/header-matcher.ts';
import type { Secret } from '../../proxy/config/tls.ts';
import { OIDC_LOGIN_TYPE, RBAC_TYPE } from '../../proxy/config/type-url.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import type { OidcLoginSpec } from '../model/oidc-login.ts';
import { hasLabels } from '../registry/workload.ts';
import { rootsOf, secretName, secretTexts } from './gateway-secret.ts';
import type { MeshView } from './mesh-view.ts';
import type { ProxyNode } from './proxy-node.ts';
import { ads } from './secret-source.ts';

type Login = MeshObject<'OidcLogin'>;
type Gateway = Pick<ProxyNode, 'namespace' | 'labels'>;

const PARTS = ['client-secret', 'cookie-secret'] as const;

/** Those of the root namespace and of the gateway's own that select it; the first holds. */
export function loginsFor({ inventory, settings }: MeshView, { namespace, labels }: Gateway): readonly Login[] {
  return inventory.list('OidcLogin').filter((login) =>
    (login.namespace === settings.rootNamespace || login.namespace === namespace)
    && hasLabels(labels, new Map(Object.entries(login.body.spec.selector?.matchLabels ?? {}))));
}

export function loginFilters(view: MeshView, node: ProxyNode): HttpFilter[] {
  const [login] = loginsFor(view, node);
  if (login === undefined) return [];
  if (!node.isWeft) return [NOBODY];
  return [{ name: 'weft.filters.http.oidc_login', typedConfig: loginConfig(view, node, login.body.spec) }];
}

const NOBODY: HttpFilter = {
  name: 'weft.filters.http.oidc_login',
  typedConfig: { '@type': RBAC_TYPE, rules: { action: 'ALLOW', policies: {} } },
};

function loginConfig(
  view: MeshView, node: ProxyNode, spec: OidcLoginSpec,
): Extract<HttpFilter['typedConfig'], { '@type': typeof OIDC_LOGIN_TYPE }> {
  const {
    selector: _selected, credentialName, outputClaimToHeaders, openPaths = [], passThroughAuthHeader = false,
    refreshToken = true, userInfo = true, ...same
  } = spec;
  const texts = secretTexts(view, node.namespace, credentialName);
  const roots = rootsOf(texts);
  const open = [...openPaths.flatMap(pathMatchers), ...(passThroughAuthHeader ? [BEARER] : [])];
  return {
    '@type': OIDC_LOGIN_TYPE, ...same,
    clientSecret: ads(genericName(credentialName, 'client-secret')),
    ...(texts['cookie-secret'] !== undefined && { cookieSecret: ads(genericName(credentialName, 'cookie-secret')) }),
    ...(roots !== undefined && { trustedCa: { inlineString: roots } }),
    ...(outputClaimToHeaders !== undefined && { claimToHeaders: outputClaimToHeaders }),
    ...(!refreshToken && { withoutRefresh: true }), ...(!userInfo && { withoutUserInfo: true }),
    ...(open.length > 0 && { passThroughMatcher: open }),
  };
}

const BEARER: HeaderMatcher = { name: 'authorization', stringMatch: { prefix: 'bearer ', ignoreCase: true } };

/** The header :path has the query in it. */
function pathMatchers(path: string): HeaderMatcher[] {
  const header = (stringMatch: NonNullable<HeaderMatcher['stringMatch']>): HeaderMatcher => (
    { name: ':path', stringMatch });
  if (path.endsWith('*')) return [header({ prefix: path.slice(0, -1) })];
  return [header({ exact: path }), header({ prefix: `${path}?` })];
}

function genericName(credential: string, part: (typeof PARTS)[number]): string {
  return `${secretName(credential)}/${part}`;
}

/** For a gateway that has shown who it is. */
export function loginSecrets(view: MeshView, node: ProxyNode): Secret[] {
  const [login] = loginsFor(view, node);
  if (login === undefined) return [];
  const { credentialName } = login.body.spec;
  const texts = secretTexts(view, node.namespace, credentialName);
  return PARTS.flatMap((part) => {
    const inlineString = texts[part];
    if (inlineString === undefined) return [];
    return [{ name: genericName(credentialName, part), genericSecret: { secret: { inlineString } } }];
  });
}
