// Which hosts requests may be for on a chain that was chosen by SNI: those for which SNI would have chosen it (S54).
import { asciiLower } from '../base/ascii.ts';
import type { FilterChainMatch } from '../config/listener.ts';
import type { ServedHosts } from '../telemetry/stream-info.ts';

/** A chain that ends TLS, and how it is matched. */
export interface TlsChain<T> {
  readonly chain: T;
  readonly match: FilterChainMatch | undefined;
}

/**
 * What is served on each chain of a listener whose TLS chains have different server names: otherwise a client that was
 * let in by one tenant's certificates could ask for another's hosts. A chain that is not in it serves any host.
 */
export function servedHosts<T>(chains: readonly TlsChain<T>[]): Map<T, ServedHosts> {
  const groups = Map.groupBy(chains, ({ match }) => otherCriteria(match));
  const served = new Map<T, ServedHosts>();
  for (const group of groups.values()) {
    const owners = new NameOwners(group.map(({ match }) => match?.serverNames ?? []));
    if (!owners.differ) continue;
    for (const { chain, match } of group) served.set(chain, new OwnHosts(owners, match?.serverNames ?? []));
  }
  return served;
}

/** Chains that differ in more than names are not reached by one another's clients. */
function otherCriteria(match: FilterChainMatch = {}): string {
  const { serverNames: _names, applicationProtocols: _alpn, transportProtocol: _transport, ...others } = match;
  return JSON.stringify(others);
}

/** Who has a name: the set of names, as text, of the chains that SNI would choose. */
class NameOwners {
  readonly #sets = new Set<string>();
  readonly #owners = new Map<string, Set<string>>();

  constructor(chains: readonly (readonly string[])[]) {
    for (const names of chains) {
      const set = setText(names);
      this.#sets.add(set);
      for (const name of names) {
        const key = name.startsWith('*.') ? name.slice(1) : name;
        this.#owners.set(key, (this.#owners.get(key) ?? new Set()).add(set));
      }
    }
  }

  get differ(): boolean {
    return this.#sets.size > 1;
  }

  /** The name itself before its longest suffix; chains without names have what nobody names. */
  has(set: string, host: string): boolean {
    for (let at = 0; at !== -1; at = host.indexOf('.', at + 1)) {
      const owners = this.#owners.get(host.slice(at));
      if (owners !== undefined) return owners.has(set);
    }
    return set === '';
  }
}

function setText(names: readonly string[]): string {
  return names.toSorted().join(' ');
}

class OwnHosts implements ServedHosts {
  readonly #owners: NameOwners;
  readonly #set: string;
  /** Requests of one connection are mostly for one host. */
  #host = '';
  #verdict = true;

  constructor(owners: NameOwners, names: readonly string[]) {
    this.#owners = owners;
    this.#set = setText(names);
  }

  serves(authority: string): boolean {
    if (authority === this.#host) return this.#verdict;
    this.#host = authority;
    return this.#verdict = this.#owners.has(this.#set, hostOf(authority));
  }
}

/** Without port and last dot, in lower case; an address in brackets is nobody's name. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const host = colon > authority.lastIndexOf(']') ? authority.slice(0, colon) : authority;
  return asciiLower(host.endsWith('.') ? host.slice(0, -1) : host);
}
