// Fetches what users' configuration names, and nothing that only this machine may reach (threats.md S71).
import { lookup } from 'node:dns';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP } from 'node:net';
import { Agent, request } from 'undici';
import { CidrSet, parseCidr } from '../../proxy/base/cidr.ts';
import { messageOf } from '../../proxy/base/error.ts';

/** Not the internet's: this machine, its link, private networks, and what is set aside (RFC 6890). */
const PRIVATE = ['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12',
  '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24',
  '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4', '::/96', '::1/128', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64',
  '2001::/23', '2001:db8::/32', '2002::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'];

const ANSWER_BYTES_MAX = 1024 * 1024;
const HEAD_BYTES_MAX = 16 * 1024;

export interface SafeFetchOptions {
  /** Networks that may be asked although they are private, also without TLS. */
  readonly networks?: readonly string[];
  /** Roots in place of the system's, as PEM. */
  readonly roots?: readonly string[] | undefined;
  /** The system's resolver in tests. */
  readonly resolve?: typeof lookup;
}

type Found = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

export class SafeFetch {
  readonly #private = new CidrSet(PRIVATE.map((text) => parseCidr(text)));
  readonly #allowed: CidrSet;
  readonly #resolve: typeof lookup;
  readonly #agent: Agent;

  /** Throws ConfigError for a network that is none. */
  constructor({ networks = [], roots, resolve = lookup }: SafeFetchOptions = {}) {
    this.#allowed = new CidrSet(networks.map((text) => parseCidr(text, 'jwksNetworks')));
    this.#resolve = resolve;
    this.#agent = new Agent({
      maxResponseSize: ANSWER_BYTES_MAX, maxHeaderSize: HEAD_BYTES_MAX, pipelining: 0,
      connect: {
        lookup: (host: string, options: LookupOptions, found: Found) => this.#lookup(host, options, found),
        ...(roots !== undefined && { ca: roots.join('\n') }),
      } as never,
    });
  }

  /** The body of a 200. Rejects with an Error that says why there is none; a redirect is one reason. */
  async get(uri: string, timeoutMs: number): Promise<Buffer> {
    const url = parseUrl(uri);
    await this.#checkPlaintext(url);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !this.#mayAsk(host)) throw new Error(refusedText(host));
    try {
      const { statusCode, body } = await request(url, {
        dispatcher: this.#agent, signal: AbortSignal.timeout(timeoutMs), headers: { accept: 'application/json' },
      });
      const bytes = Buffer.from(await body.arrayBuffer());
      if (statusCode === 200) return bytes;
      throw new Error(statusCode >= 300 && statusCode < 400 ? `answers ${statusCode}: redirects are not followed`
        : `answers ${statusCode}`);
    } catch (cause) {
      throw new Error(reasonOf(cause, timeoutMs), { cause });
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /** Every connection's own addresses are judged: what a name meant before is of no account. */
  #lookup(host: string, options: LookupOptions, found: Found): void {
    this.#resolve(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        found(error, '');
        return;
      }
      const good = addresses.filter(({ address }) => this.#mayAsk(address));
      const [first] = good;
      if (first === undefined) found(new Error(refusedText(addresses.map(({ address }) => address).join(', '))), '');
      else if (options.all === true) found(null, good);
      else found(null, first.address, first.family);
    });
  }

  #mayAsk(address: string): boolean {
    return !this.#private.contains(address) || this.#allowed.contains(address);
  }

  /** Without TLS only where somebody has said that the network is to be trusted. */
  async #checkPlaintext({ protocol, hostname }: URL): Promise<void> {
    if (protocol === 'https:') return;
    const host = hostname.replace(/^\[|\]$/g, '');
    const addresses = isIP(host) === 0 ? await this.#addressesOf(host) : [host];
    if (addresses.every((address) => this.#allowed.contains(address))) return;
    throw new Error('is not https');
  }

  #addressesOf(host: string): Promise<string[]> {
    return new Promise((resolve, reject) => {
      this.#resolve(host, { all: true }, (error, addresses) => {
        if (error === null) resolve(addresses.map(({ address }) => address));
        else reject(error);
      });
    });
  }
}

function parseUrl(uri: string): URL {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  if (url === undefined || !['https:', 'http:'].includes(url.protocol)) throw new Error('is not an https:// address');
  if (url.username !== '' || url.password !== '') throw new Error('must have no user and password');
  return url;
}

function refusedText(addresses: string): string {
  return `is at ${addresses}, which is not a public address: allow its network with --jwks-network`;
}

function reasonOf(cause: unknown, timeoutMs: number): string {
  if (cause instanceof Error && cause.name === 'TimeoutError') return `does not answer within ${timeoutMs} ms`;
  if ((cause as { code?: unknown }).code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
    return `answers with more than ${ANSWER_BYTES_MAX} bytes`;
  }
  return messageOf(cause);
}
