// Kubernetes says who shows a service account's token: one TokenReview to its API for each caller.
import { readFile } from 'node:fs/promises';
import type { Agent } from 'undici';
import { messageOf } from '../proxy/base/error.ts';
import { workloadSpiffeId } from './spiffe.ts';
import { TOKEN_BYTES_MAX } from './token.ts';
import type { Authenticator, TokenResult } from './token.ts';

export interface TokenReviewOptions {
  /** https://HOST:PORT of the API server. */
  readonly url: string;
  /** PEM file that the API server is verified with. */
  readonly caFile: string;
  /** File with this process's own token, which may create TokenReviews; read again for each, since it is renewed. */
  readonly tokenFile: string;
  readonly trustDomain: string;
  /** Whom tokens must be for; the API server checks it. */
  readonly audiences: readonly string[];
  /** Reviews at once; more callers are refused. Default 100. */
  readonly reviewsMax?: number;
  /** Default 5 s. */
  readonly timeoutMs?: number;
}

/** Istio's sidecars have tokens for `istio-ca`. */
export const REVIEW_AUDIENCES: readonly string[] = ['weft-ca', 'istio-ca'];

/** Where a pod finds the API server and its own token. */
export const IN_CLUSTER = {
  caFile: '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt',
  tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
} as const;

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews';
const ANSWER_BYTES_MAX = 65_536;
const USER = /^system:serviceaccount:([^:]+):([^:]+)$/;

/** authentication.k8s.io/v1 TokenReviewStatus, as far as it is looked at; each part may be missing or another. */
interface ReviewStatus {
  readonly authenticated?: unknown;
  readonly audiences?: unknown;
  readonly error?: unknown;
  readonly user?: { readonly username?: unknown } | null;
}

export class TokenReviewer implements Authenticator {
  readonly #options: TokenReviewOptions;
  #agent: Promise<Agent> | undefined = undefined;
  #underWay = 0;

  constructor(options: TokenReviewOptions) {
    this.#options = options;
  }

  /** Never rejects; whatever is not a clear yes is a fault in plain words, which quotes nothing of a token. */
  async authenticate(token: string): Promise<TokenResult> {
    const { reviewsMax = 100 } = this.#options;
    if (token.length > TOKEN_BYTES_MAX) return { fault: `the token is longer than ${TOKEN_BYTES_MAX} bytes` };
    if (this.#underWay >= reviewsMax) return { fault: 'too many tokens are under review; try again' };
    this.#underWay++;
    try {
      return this.#judge(await this.#review(token));
    } catch (cause) {
      return { fault: `Kubernetes could not be asked about the token: ${messageOf(cause)}` };
    } finally {
      this.#underWay--;
    }
  }

  async close(): Promise<void> {
    await (await this.#agent)?.destroy();
  }

  async #review(token: string): Promise<ReviewStatus> {
    const { url, tokenFile, audiences, timeoutMs = 5000 } = this.#options;
    const { request } = await import('undici');
    const own = (await readFile(tokenFile, 'utf8')).trim();
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } };
    const { statusCode, body } = await request(new URL(PATH, url), {
      method: 'POST',
      dispatcher: await (this.#agent ??= this.#newAgent()),
      headers: { authorization: `Bearer ${own}`, 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(review),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await body.text();
    if (statusCode !== 200 && statusCode !== 201) throw new Error(`the API server answered ${statusCode}`);
    const answer: unknown = JSON.parse(text);
    const status = typeof answer === 'object' && answer !== null && 'status' in answer ? answer.status : undefined;
    if (typeof status !== 'object' || status === null) throw new Error('the API server answered without a status');
    return status;
  }

  async #newAgent(): Promise<Agent> {
    const { Agent } = await import('undici');
    const { caFile } = this.#options;
    return new Agent({
      connect: { ca: await readFile(caFile, 'utf8'), timeout: 5000 }, connections: 8, maxResponseSize: ANSWER_BYTES_MAX,
    });
  }

  #judge({ authenticated, audiences, error, user }: ReviewStatus): TokenResult {
    const { trustDomain, audiences: own } = this.#options;
    if (authenticated !== true) {
      const reason = typeof error === 'string' && error !== '' ? ' (it gave a reason, which may quote the token)' : '';
      return { fault: `Kubernetes does not know the token${reason}` };
    }
    // An API server that does not look at audiences says nothing of them, and the token may be for anybody.
    const isForUs = Array.isArray(audiences) && audiences.some((name) => own.includes(String(name)));
    if (!isForUs) return { fault: 'the token is for another audience' };
    const name = typeof user?.username === 'string' ? user.username : '';
    const [, namespace, account] = USER.exec(name) ?? [];
    const identity = workloadSpiffeId(trustDomain, namespace ?? '', account ?? '');
    return identity === undefined ? { fault: 'the token is of no service account' } : { identity };
  }
}
