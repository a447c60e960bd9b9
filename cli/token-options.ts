// Who may ask the authority for a certificate, besides those with its own tokens: options of `weft ca` and `control`.
import { JwksTokens, TokensByIssuer } from '../certs/jwks-token.ts';
import { trustDomainUri } from '../certs/spiffe.ts';
import type { Authenticator, TokenAuthority } from '../certs/token.ts';
import { IN_CLUSTER, REVIEW_AUDIENCES, TokenReviewer } from '../certs/token-review.ts';
import { systemClock } from '../proxy/base/clock.ts';
import { UsageError } from './usage.ts';

export const TOKEN_HELP = `
      --token-review URL   take service accounts' tokens, reviewed by the Kubernetes API there; \`in-cluster\` in a pod
      --token-review-ca F, --token-review-token F   what it is verified with and asked with (default: the pod's own)
      --jwt-issuer ISS --jwt-keys FILE   take JWTs of this issuer for weft-ca or istio-ca, verified by this key set
`;

export const TOKEN_OPTIONS = {
  'token-review': { type: 'string' },
  'token-review-ca': { type: 'string' },
  'token-review-token': { type: 'string' },
  'jwt-issuer': { type: 'string' },
  'jwt-keys': { type: 'string' },
} as const;

export type TokenValues = { readonly [K in keyof typeof TOKEN_OPTIONS]?: string };

/** Checks the options now; what it returns adds them to the authority's own tokens. */
export function authenticatorOption(values: TokenValues): (own: TokenAuthority, trustDomain: string) => Authenticator {
  const { 'jwt-issuer': issuer, 'jwt-keys': jwksFile } = values;
  if ((issuer === undefined) !== (jwksFile === undefined)) throw new UsageError('--jwt-issuer goes with --jwt-keys');
  const url = reviewUrl(values['token-review']);
  return (own, trustDomain) => {
    const byIssuer = new Map<string, Authenticator>([[trustDomainUri(trustDomain), own]]);
    if (issuer !== undefined && jwksFile !== undefined) {
      const audiences = REVIEW_AUDIENCES;
      byIssuer.set(issuer, new JwksTokens({ issuer, jwksFile, audiences, trustDomain, clock: systemClock }));
    }
    const reviewer = url === undefined ? own : new TokenReviewer({
      url, trustDomain, audiences: REVIEW_AUDIENCES,
      caFile: values['token-review-ca'] ?? IN_CLUSTER.caFile,
      tokenFile: values['token-review-token'] ?? IN_CLUSTER.tokenFile,
    });
    return new TokensByIssuer(byIssuer, reviewer);
  };
}

function reviewUrl(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (value === 'in-cluster') {
    const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = process.env;
    if (host === undefined) throw new UsageError('--token-review in-cluster: this is no pod of a cluster; give a URL');
    return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }
  // The token of whoever asks and this process's own go there.
  if (!URL.canParse(value) || new URL(value).protocol !== 'https:') {
    throw new UsageError(`--token-review takes https://HOST:PORT or in-cluster, not "${value}"`);
  }
  return value;
}
