// Asks for the addresses of a name: the system's resolver, or the DNS servers that a cluster names.
import { Resolver, lookup } from 'node:dns/promises';
import type { CaresDnsResolverConfig } from '../config/dns-resolver.ts';
import type { Cluster } from '../config/cluster.ts';
import { joinHostPort } from '../base/host-port.ts';

/** One address; `ttl` in seconds where the answer tells it. */
export interface Resolved {
  readonly address: string;
  readonly family: number;
  readonly ttl?: number;
}

/** Family 0 is both. Rejects where the name does not resolve. */
export type Resolve = (hostname: string, family: 0 | 4 | 6) => Promise<readonly Resolved[]>;

/** The system's resolver blocks a thread of four for each name, which files need as well. */
const LOOKUPS_AT_ONCE = 2;
const QUERY_TIMEOUT_SECONDS = 5;
const QUERY_TRIES = 4;
const CARES = 'type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';

/** Lets so many run at a time; the others wait their turn. */
class Turnstile {
  readonly #waiting: (() => void)[] = [];
  #free = LOOKUPS_AT_ONCE;

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

/** One for all clusters. */
export function systemResolve(): Resolve {
  const turnstile = new Turnstile();
  return (hostname, family) => turnstile.pass(() => lookup(hostname, { all: true, family, order: 'verbatim' }));
}

/** Of a cluster that names servers; `system` for the others. */
export function resolveFor({ typedDnsResolverConfig: config }: Cluster, system: Resolve): Resolve {
  const typed = config?.typedConfig;
  if (typed?.['@type'] !== CARES) return system;
  const { resolvers = [], queryTimeoutSeconds = QUERY_TIMEOUT_SECONDS, queryTries = QUERY_TRIES } =
    typed as CaresDnsResolverConfig;
  if (resolvers.length === 0) return system;
  const resolver = new Resolver({ timeout: queryTimeoutSeconds * 1000, tries: queryTries });
  resolver.setServers(resolvers.map(({ socketAddress }) => (
    joinHostPort(socketAddress!.address, socketAddress!.portValue)
  )));
  const ask = async (hostname: string, family: 4 | 6): Promise<Resolved[]> => {
    const found = family === 4 ? await resolver.resolve4(hostname, { ttl: true })
      : await resolver.resolve6(hostname, { ttl: true });
    return found.map(({ address, ttl }) => ({ address, ttl, family }));
  };
  return async (hostname, family) => {
    if (family !== 0) return ask(hostname, family);
    const both = await Promise.allSettled([ask(hostname, 4), ask(hostname, 6)]);
    const found = both.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
    // A name of one family is one that resolves; what ails the other one is asked again next time.
    if (found.length === 0) for (const result of both) if (result.status === 'rejected') throw result.reason;
    return found;
  };
}
