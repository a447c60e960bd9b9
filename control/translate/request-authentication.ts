// The token filter of a workload: the rules of every RequestAuthentication that selects it, together.
import type { HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import type { JwtProvider, JwtRequirement } from '../../proxy/config/jwt-authn.ts';
import { JWT_AUTHN_TYPE } from '../../proxy/config/type-url.ts';
import type { Inventory } from '../model/inventory.ts';
import type { JwtRule } from '../model/request-authentication.ts';
import type { MeshView } from './mesh-view.ts';
import type { PeerScope } from './peer-authentication.ts';
import { isFor } from './policy-target.ts';

/** By this name policies and routes find what the filter says of tokens, under `payload`. */
export const TOKEN_FILTER = 'envoy.filters.http.jwt_authn';
export const TOKEN_PAYLOAD = 'payload';
/** Claims that hold a list in one text, whatever a rule says. */
const SPACE_DELIMITED = ['scope', 'permission'];
/**
 * Without keys every token of the issuer is refused: no key stands in for those that are not there. A key set without
 * keys would be refused with its listener by Envoy; keys that are to come from a cluster that nobody has never come.
 */
const NO_KEYS = {
  httpUri: { uri: 'https://keys.invalid/', cluster: 'keys-are-not-here', timeout: '1s' },
};

/** Rules whose keys are not in the configuration, for those who fetch them. */
export function rulesToFetch(inventory: Inventory): JwtRule[] {
  return inventory.list('RequestAuthentication').flatMap(({ body }) => body.spec?.jwtRules ?? [])
    .filter(({ jwks }) => jwks === undefined);
}

/** Rules of all policies of the root namespace and of the workload's own that select it, by issuer. */
function rulesFor(view: MeshView, workload: PeerScope): JwtRule[] {
  return view.inventory.list('RequestAuthentication').filter((policy) => isFor(view, policy, workload))
    .flatMap(({ body }) => body.spec?.jwtRules ?? [])
    .toSorted((a, b) => (a.issuer < b.issuer ? -1 : a.issuer > b.issuer ? 1 : 0));
}

/** `reroutes`: routes may ask for claims, and are looked for again once these are known. */
export function tokenFilters(view: MeshView, workload: PeerScope, reroutes: boolean): HttpFilter[] {
  const rules = rulesFor(view, workload);
  if (rules.length === 0) return [];
  const providers: Record<string, JwtProvider> = {};
  rules.forEach((rule, i) => {
    providers[`origins-${i}`] = provider(rule, view.keySets?.get(rule), reroutes);
  });
  return [{
    name: TOKEN_FILTER,
    typedConfig: {
      '@type': JWT_AUTHN_TYPE, providers, bypassCorsPreflight: true,
      rules: [{ match: { prefix: '/' }, requires: requirement(Object.keys(providers)) }],
    },
  }];
}

function provider(rule: JwtRule, fetched: string | undefined, reroutes: boolean): JwtProvider {
  const {
    issuer, audiences = [], jwks, fromHeaders = [], fromParams = [], fromCookies = [], outputPayloadToHeader,
    outputClaimToHeaders = [], forwardOriginalToken = false, spaceDelimitedClaims = [],
  } = rule;
  return {
    issuer, ...keysOf(jwks ?? fetched), payloadInMetadata: TOKEN_PAYLOAD,
    normalizePayloadInMetadata: { spaceDelimitedClaims: [...new Set([...SPACE_DELIMITED, ...spaceDelimitedClaims])] },
    ...(audiences.length > 0 && { audiences }),
    ...(fromHeaders.length > 0 && {
      fromHeaders: fromHeaders.map(({ name, prefix }) => ({ name, ...(prefix !== undefined && {
        valuePrefix: prefix }) })),
    }),
    ...(fromParams.length > 0 && { fromParams }),
    ...(fromCookies.length > 0 && { fromCookies }),
    ...(outputPayloadToHeader !== undefined && { forwardPayloadHeader: outputPayloadToHeader }),
    ...(outputClaimToHeaders.length > 0 && {
      claimToHeaders: outputClaimToHeaders.map(({ header, claim }) => ({ headerName: header, claimName: claim })),
    }),
    ...(forwardOriginalToken && { forward: true }),
    ...(reroutes && { clearRouteCache: true }),
  };
}

function keysOf(keys: string | undefined): Pick<JwtProvider, 'localJwks' | 'remoteJwks'> {
  return keys === undefined ? { remoteJwks: NO_KEYS } : { localJwks: { inlineString: keys } };
}

/**
 * A token, where there is one, is good: of one issuer, or none is there at all. Tokens of several issuers may stand in
 * different places, and then each must be good; in the same place one issuer's is enough.
 */
function requirement(names: readonly string[]): JwtRequirement {
  const [only] = names;
  const perhaps = (providerName: string): JwtRequirement =>
    ({ requiresAny: { requirements: [{ providerName }, { allowMissing: {} }] } });
  if (names.length === 1 && only !== undefined) return perhaps(only);
  return {
    requiresAny: {
      requirements: [
        ...names.map((providerName) => ({ providerName })), { requiresAll: { requirements: names.map(perhaps) } },
      ],
    },
  };
}
