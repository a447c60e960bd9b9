// The secrets that HTTP filters name: they are asked for before, and apart from, the filters that use them.
import type { HttpConnectionManager } from './http-connection-manager.ts';
import type { CredentialInjector } from './credential-injector.ts';
import type { SdsSecretConfig } from './tls.ts';
import { CREDENTIAL_INJECTOR_TYPE, GENERIC_CREDENTIAL_TYPE, OAUTH2_TYPE, OIDC_LOGIN_TYPE } from './type-url.ts';

type FilterSecret = readonly [SdsSecretConfig, path: readonly (string | number)[]];

/** With their paths below the connection manager. */
export function filterSecrets(
  { httpFilters }: Pick<HttpConnectionManager, 'httpFilters'>,
): readonly FilterSecret[] {
  return httpFilters.flatMap(({ typedConfig }, i): FilterSecret[] => {
    if (typedConfig['@type'] === CREDENTIAL_INJECTOR_TYPE) {
      const [secret, path] = credentialSecret(typedConfig);
      return [[secret, ['httpFilters', i, 'typedConfig', 'credential', 'typedConfig', ...path]]];
    }
    if (typedConfig['@type'] === OAUTH2_TYPE) {
      const at = ['httpFilters', i, 'typedConfig', 'config', 'credentials'];
      const { tokenSecret, hmacSecret } = typedConfig.config.credentials;
      return [[tokenSecret, [...at, 'tokenSecret']], [hmacSecret, [...at, 'hmacSecret']]];
    }
    if (typedConfig['@type'] !== OIDC_LOGIN_TYPE) return [];
    return (['clientSecret', 'cookieSecret'] as const).flatMap((key) => {
      const secret = typedConfig[key];
      return secret === undefined ? [] : [[secret, ['httpFilters', i, 'typedConfig', key]] as const];
    });
  });
}

function credentialSecret(
  { credential: { typedConfig } }: CredentialInjector,
): FilterSecret {
  if (typedConfig['@type'] === GENERIC_CREDENTIAL_TYPE) return [typedConfig.credential, ['credential']];
  return [typedConfig.clientCredentials.clientSecret, ['clientCredentials', 'clientSecret']];
}
