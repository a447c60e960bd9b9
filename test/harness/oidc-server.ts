// A real OpenID provider (npm oidc-provider) on loopback, with its own pages to log in: any name and password will do.
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface OidcClient {
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris?: readonly string[];
  /** Lifetime of access tokens; default 3600. */
  readonly accessTokenSec?: number;
  readonly refreshTokens?: boolean;
}

export const CLIENT_ID = 'shop';
export const CLIENT_SECRET = 'a-secret-that-nobody-would-guess-1';

/** Of a provider that is reached over TLS. */
export interface ServerKeys {
  readonly cert: string;
  readonly key: string;
}

interface Provider {
  callback(): RequestListener;
}

/** The package brings no types. */
interface ProviderPackage {
  readonly Provider: new (issuer: string, configuration: object) => Provider;
}

export class OidcServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #scheme: string;
  #answer: RequestListener | undefined = undefined;
  /** Paths that were asked for. */
  readonly requests: string[] = [];
  /** Answers in the provider's place where it returns true. */
  instead: ((request: IncomingMessage, ...rest: Parameters<RequestListener>) => boolean) | undefined = undefined;

  private constructor(tls: ServerKeys | undefined) {
    this.#scheme = tls === undefined ? 'http' : 'https';
    const listener: RequestListener = (request, response) => {
      this.requests.push(`${request.method} ${(request.url ?? '').split('?')[0]}`);
      if (this.instead?.(request, request, response) === true) return;
      if (this.#answer === undefined) response.writeHead(503).end();
      else this.#answer(request, response);
    };
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  }

  /** Its issuer is known, but nobody can log in before serve(). */
  static async listen(tls?: ServerKeys): Promise<OidcServer> {
    const server = new OidcServer(tls);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return server;
  }

  get issuer(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async serve(client: OidcClient): Promise<void> {
    const { Provider } = await import('oidc-provider' as string) as ProviderPackage;
    this.#answer = new Provider(this.issuer, configuration(client)).callback();
  }

  /** For programs: the client credentials grant, whose tokens the provider tells of at /token/introspection. */
  async serveMachines(tokenSec: number, secret = CLIENT_SECRET): Promise<void> {
    const { Provider } = await import('oidc-provider' as string) as ProviderPackage;
    this.#answer = new Provider(this.issuer, {
      clients: [{
        client_id: CLIENT_ID, client_secret: secret, grant_types: ['client_credentials'], redirect_uris: [],
        response_types: [],
      }],
      features: { clientCredentials: { enabled: true }, introspection: { enabled: true } },
      scopes: ['read'], ttl: { ClientCredentials: tokenSec }, cookies: { keys: ['provider'] },
    }).callback();
  }

  /** For programs, as serveMachines; their tokens are JWTs for an audience. */
  async serveTokens(audience: string): Promise<void> {
    const { Provider } = await import('oidc-provider' as string) as ProviderPackage;
    const resource = { scope: 'read', audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
    this.#answer = new Provider(this.issuer, {
      clients: [{
        client_id: CLIENT_ID, client_secret: CLIENT_SECRET, grant_types: ['client_credentials'], redirect_uris: [],
        response_types: [],
      }],
      features: {
        clientCredentials: { enabled: true }, devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true, defaultResource: () => 'urn:shop', getResourceServerInfo: () => resource,
        },
      },
      scopes: ['read'], cookies: { keys: ['provider'] },
    }).callback();
  }

  /** A token of the client credentials grant. */
  async token(): Promise<string> {
    const authorization = `Basic ${btoa(`${CLIENT_ID}:${encodeURIComponent(CLIENT_SECRET)}`)}`;
    const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'read' });
    const answer = await fetch(`${this.issuer}/token`, { method: 'POST', body, headers: { authorization } });
    return (await answer.json() as { access_token: string }).access_token;
  }

  /** What the provider says of a token that it gave to a program. */
  async introspect(token: string): Promise<Record<string, unknown>> {
    const authorization = `Basic ${btoa(`${CLIENT_ID}:${encodeURIComponent(CLIENT_SECRET)}`)}`;
    const body = new URLSearchParams({ token });
    const asked = { method: 'POST', body, headers: { authorization } };
    const answer = await fetch(`${this.issuer}/token/introspection`, asked);
    return await answer.json() as Record<string, unknown>;
  }

  /** How often a path was asked for: `POST /token`. */
  count(request: string): number {
    return this.requests.filter((each) => each === request).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function configuration(client: OidcClient): object {
  const { redirectUris, postLogoutRedirectUris = [], accessTokenSec = 3600, refreshTokens = true } = client;
  return {
    clients: [{
      client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: redirectUris,
      post_logout_redirect_uris: postLogoutRedirectUris, grant_types: ['authorization_code', 'refresh_token'],
    }],
    claims: { openid: ['sub'], profile: ['name'], email: ['email'], groups: ['groups'] },
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
    cookies: { keys: ['provider'] },
    ttl: { AccessToken: accessTokenSec, IdToken: 3600, Grant: 86_400, Interaction: 600, RefreshToken: 86_400,
      Session: 86_400 },
    rotateRefreshToken: true,
    issueRefreshToken: () => refreshTokens,
    findAccount: (_context: unknown, sub: string) => ({ accountId: sub, claims: () => account(sub) }),
    loadExistingGrant: grantAll,
  };
}

/** `alice` is in two groups, one of them with a comma in its name; `member-of-400` is in so many. */
function account(sub: string): object {
  const count = Number(/^member-of-(\d+)$/.exec(sub)?.[1] ?? 0);
  const many = Array.from({ length: count }, (_, i) => `department-${i}`);
  const groups = count > 0 ? many : sub === 'alice' ? ['staff', 'a,admin'] : ['guests'];
  return { sub, name: `${sub} Doe`, email: `${sub}@shop.example`, groups };
}

interface GrantContext {
  readonly oidc: {
    readonly client: { readonly clientId: string };
    readonly session: { readonly accountId: string };
    readonly provider: { readonly Grant: new (of: object) => { addOIDCScope(scope: string): void; save(): unknown } };
  };
}

/** Nobody is asked whether the shop may know a name. */
async function grantAll({ oidc: { client, session, provider } }: GrantContext): Promise<unknown> {
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid offline_access profile email groups');
  await grant.save();
  return grant;
}
