// Rules about requests and peers that policies are made of, and how they combine. A rule prints itself.
import type { Cidr } from '../base/cidr.ts';
import { CidrSet } from '../base/cidr.ts';
import type { StringMatch } from '../base/string-match.ts';
import type { Permission } from '../config/rbac.ts';
import type { RequestHead } from '../http/message.ts';
import type { HeaderMatch } from '../route/header-match.ts';
import { pathEnd } from '../route/path-match.ts';
import { MetadataCondition } from '../telemetry/metadata-condition.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { withoutParameters } from './path-parameters.ts';

/**
 * On which side a rule errs where a request may be read in several ways (S41, S44): `any` holds when some reading fits,
 * for denials; `every` holds when all readings fit, for permissions. Negation swaps them.
 */
export type Reading = 'any' | 'every';

export function negated(reading: Reading): Reading {
  return reading === 'any' ? 'every' : 'any';
}

export interface AccessRule {
  holds(head: RequestHead, info: StreamInfo): boolean;
  /** Of rules made of others: those that would have to hold for this one to hold, as few as may be. */
  missed?(head: RequestHead, info: StreamInfo): readonly AccessRule[];
  toString(): string;
}

const NOTHING_MISSED: readonly AccessRule[] = [];

/** None for a rule that holds. */
export function missedOf(rule: AccessRule, head: RequestHead, info: StreamInfo): readonly AccessRule[] {
  if (rule.missed !== undefined) return rule.missed(head, info);
  return rule.holds(head, info) ? NOTHING_MISSED : [rule];
}

export const ANYTHING: AccessRule = { holds: () => true, toString: () => 'any' };

/** All of them. */
export class AllOf implements AccessRule {
  readonly #rules: readonly AccessRule[];

  constructor(rules: readonly AccessRule[]) {
    this.#rules = rules;
  }

  holds(head: RequestHead, info: StreamInfo): boolean {
    for (const rule of this.#rules) if (!rule.holds(head, info)) return false;
    return true;
  }

  missed(head: RequestHead, info: StreamInfo): readonly AccessRule[] {
    return this.#rules.flatMap((rule) => missedOf(rule, head, info));
  }

  toString(): string {
    return `(${this.#rules.join(' and ')})`;
  }
}

/** At least one of them. */
export class OneOf implements AccessRule {
  readonly #rules: readonly AccessRule[];

  constructor(rules: readonly AccessRule[]) {
    this.#rules = rules;
  }

  holds(head: RequestHead, info: StreamInfo): boolean {
    for (const rule of this.#rules) if (rule.holds(head, info)) return true;
    return false;
  }

  missed(head: RequestHead, info: StreamInfo): readonly AccessRule[] {
    return this.#rules.map((rule) => missedOf(rule, head, info))
      .reduce((least, missed) => (missed.length < least.length ? missed : least));
  }

  toString(): string {
    return `(${this.#rules.join(' or ')})`;
  }
}

/** The inner rule is compiled with the other reading. */
export class Not implements AccessRule {
  readonly #rule: AccessRule;

  constructor(rule: AccessRule) {
    this.#rule = rule;
  }

  holds(head: RequestHead, info: StreamInfo): boolean {
    return !this.#rule.holds(head, info);
  }

  toString(): string {
    return `not ${String(this.#rule)}`;
  }
}

export class HeaderRule implements AccessRule {
  readonly #match: HeaderMatch;
  readonly #reading: Reading;

  constructor(match: HeaderMatch, reading: Reading) {
    this.#match = match;
    this.#reading = reading;
  }

  holds(head: RequestHead): boolean {
    return this.#match.matches(head, this.#reading);
  }

  toString(): string {
    return String(this.#match);
  }
}

/** The path without query: as it stands, and as a server reads it that takes `;` for the start of parameters (S41). */
export class PathRule implements AccessRule {
  readonly #match: StringMatch;
  readonly #reading: Reading;

  constructor(match: StringMatch, reading: Reading) {
    this.#match = match;
    this.#reading = reading;
  }

  holds(head: RequestHead): boolean {
    const end = pathEnd(head.path);
    const path = end === head.path.length ? head.path : head.path.slice(0, end);
    const fits = this.#match.matches(path);
    if (fits === (this.#reading === 'any') || !path.includes(';')) return fits;
    return this.#match.matches(withoutParameters(path));
  }

  toString(): string {
    return `path ${String(this.#match)}`;
  }
}

/** An address of the connection or of the client, by range. */
export class AddressRule implements AccessRule {
  readonly #name: string;
  readonly #ranges: CidrSet;
  readonly #addressOf: (info: StreamInfo) => string;

  constructor(name: string, range: Cidr, addressOf: (info: StreamInfo) => string) {
    this.#name = name;
    this.#ranges = new CidrSet([range]);
    this.#addressOf = addressOf;
  }

  holds(_head: RequestHead, info: StreamInfo): boolean {
    return this.#ranges.contains(this.#addressOf(info));
  }

  toString(): string {
    return `${this.#name} ${this.#ranges.ranges.join(', ')}`;
  }
}

/** What filters before this one said of the request (`metadata`, `sourced_metadata`). */
export class MetadataRule implements AccessRule {
  readonly #condition: MetadataCondition;

  constructor(condition: MetadataCondition) {
    this.#condition = condition;
  }

  holds(_head: RequestHead, info: StreamInfo): boolean {
    return this.#condition.holds(info);
  }

  toString(): string {
    return String(this.#condition);
  }
}

/** Undefined where the permission or principal asks for no metadata. Throws ConfigError below `path`. */
export function compileMetadataRule(
  { metadata, sourcedMetadata }: Pick<Permission, 'metadata' | 'sourcedMetadata'>, path: string,
): AccessRule | undefined {
  if (metadata !== undefined) return new MetadataRule(new MetadataCondition(metadata, `${path}.metadata`));
  if (sourcedMetadata === undefined) return undefined;
  const at = `${path}.sourcedMetadata.metadataMatcher`;
  return new MetadataRule(new MetadataCondition(sourcedMetadata.metadataMatcher, at));
}
