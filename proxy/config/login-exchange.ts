// What a worker asks of the supervisor while a user logs in, and the answers: plain values that structured clone
// carries.

/** Where a provider is reached. */
export interface LoginEndpoints {
  readonly authorization: string;
  readonly token: string;
  /** Where users log out of the provider itself; undefined where they cannot. */
  readonly endSession: string | undefined;
}

export interface LoginProvider {
  /** '' for OAuth 2 without OpenID: there are no ID tokens, and no identity. */
  readonly issuer: string;
  /** Undefined: the issuer's discovery document says it. */
  readonly endpoints: LoginEndpoints | undefined;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly authentication: 'AUTO' | 'CLIENT_SECRET_BASIC' | 'CLIENT_SECRET_POST';
  /** PEM; undefined: the system's roots. */
  readonly trustedCa: string | undefined;
  readonly timeoutMs: number;
  /** It is reached as this cluster is, whatever its host; undefined: by its host's name. */
  readonly cluster: string | undefined;
}

export type LoginQuestion =
  | { readonly kind: 'endpoints' }
  | {
    readonly kind: 'code';
    /** The redirect URI with the query that the provider has sent. */
    readonly callback: string;
    readonly verifier: string;
    readonly state: string;
    readonly nonce: string;
    readonly userInfo: boolean;
  }
  | {
    readonly kind: 'refresh';
    readonly refreshToken: string;
    /** Whose session it is: another's token is refused. */
    readonly subject: string;
    readonly userInfo: boolean;
  };

export interface LoginTokens {
  readonly kind: 'tokens';
  /** Of the ID token, and of userinfo; undefined where a refresh brought none. */
  readonly claims: Readonly<Record<string, unknown>> | undefined;
  readonly idToken: string | undefined;
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  /** Lifetime of the access token; undefined where the provider does not say. */
  readonly expiresInSec: number | undefined;
}

export interface LoginFailure {
  readonly kind: 'failed';
  /** It may work later: the provider did not answer, or not as one. Otherwise it has refused. */
  readonly unreachable: boolean;
  /** For the log; no token is ever in it. */
  readonly reason: string;
}

export type LoginAnswer =
  | { readonly kind: 'endpoints'; readonly endpoints: LoginEndpoints }
  | LoginTokens
  | LoginFailure;
