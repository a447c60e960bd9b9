// The secrets that HTTP filters name: they are asked for before, and apart from, the filters that use them.
import type { HttpConnectionManager } from './http-connection-manager.ts';
import type { SdsSecretConfig } from './tls.ts';
import { OIDC_LOGIN_TYPE } from './type-url.ts';

/** With their paths below the connection manager. */
export function filterSecrets(
  { httpFilters }: Pick<HttpConnectionManager, 'httpFilters'>,
): readonly (readonly [SdsSecretConfig, path: readonly (string | number)[]])[] {
  return httpFilters.flatMap(({ typedConfig }, i) => {
    if (typedConfig['@type'] !== OIDC_LOGIN_TYPE) return [];
    return (['clientSecret', 'cookieSecret'] as const).flatMap((key) => {
      const secret = typedConfig[key];
      return secret === undefined ? [] : [[secret, ['httpFilters', i, 'typedConfig', key]] as const];
    });
  });
}
