// Finds a virtual host by authority: exact, then longest *.suffix, then longest prefix.*, then * (VirtualHost.domains).
import { asciiLower, wireText } from '../base/ascii.ts';
import { ConfigError } from '../base/error.ts';

/** Wildcards of one length, so that a look-up takes one hash for each length that occurs. */
interface Bucket<T> {
  readonly length: number;
  readonly hosts: Map<string, T>;
}

/** Domains compare as they are written, port included, without regard to case. */
export class DomainIndex<T> {
  readonly #exact = new Map<string, T>();
  readonly #suffixes: Bucket<T>[] = [];
  readonly #prefixes: Bucket<T>[] = [];
  #any: T | undefined = undefined;
  #onlyAny = true;

  /** Throws ConfigError at `path` for a domain that is there already. */
  add(domain: string, host: T, path: string): void {
    const name = asciiLower(wireText(domain));
    if (name === '') throw new ConfigError(path, 'a domain must not be empty');
    if (name === '*') {
      if (this.#any !== undefined) throw new ConfigError(path, 'only one virtual host can have the domain *');
      this.#any = host;
      return;
    }
    this.#onlyAny = false;
    const { map, key } = this.#placeOf(name);
    if (map.has(key)) throw new ConfigError(path, `domain '${domain}' is there twice in this table`);
    map.set(key, host);
  }

  #placeOf(name: string): { map: Map<string, T>; key: string } {
    const length = name.length - 1;
    if (name.startsWith('*')) return { map: bucketOf(this.#suffixes, length), key: name.slice(1) };
    if (name.endsWith('*')) return { map: bucketOf(this.#prefixes, length), key: name.slice(0, length) };
    return { map: this.#exact, key: name };
  }

  /** `authority` is in lower case. A wildcard stands for at least one character. */
  find(authority: string): T | undefined {
    if (this.#onlyAny) return this.#any;
    return this.#exact.get(authority) ?? this.#findSuffix(authority) ?? this.#findPrefix(authority) ?? this.#any;
  }

  #findSuffix(authority: string): T | undefined {
    for (const { length, hosts } of this.#suffixes) {
      if (length >= authority.length) continue;
      const host = hosts.get(authority.slice(authority.length - length));
      if (host !== undefined) return host;
    }
    return undefined;
  }

  #findPrefix(authority: string): T | undefined {
    for (const { length, hosts } of this.#prefixes) {
      if (length >= authority.length) continue;
      const host = hosts.get(authority.slice(0, length));
      if (host !== undefined) return host;
    }
    return undefined;
  }
}

/** The bucket of a length, kept longest first. */
function bucketOf<T>(buckets: Bucket<T>[], length: number): Map<string, T> {
  let at = 0;
  while (at < buckets.length && buckets[at]!.length > length) at++;
  const found = buckets[at];
  if (found?.length === length) return found.hosts;
  const hosts = new Map<string, T>();
  buckets.splice(at, 0, { length, hosts });
  return hosts;
}
