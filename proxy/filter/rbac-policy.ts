// A set of policies, compiled (envoy.config.rbac.v3.RBAC): decides about a request, and can say what it is.
import type { Policy, RbacRules } from '../config/rbac.ts';
import type { RequestHead } from '../http/message.ts';
import type { StreamInfo } from '../telemetry/stream-info.ts';
import { OneOf, missedOf } from './access-rule.ts';
import type { AccessRule, Reading } from './access-rule.ts';
import { compilePermission } from './rbac-permission.ts';
import { compilePrincipal } from './rbac-principal.ts';

/** One policy: a permission and a principal both hold. */
export class AccessPolicy {
  readonly name: string;
  /** %RESPONSE_CODE_DETAILS% of a request that this policy denies; blanks would split the log line. */
  readonly detail: string;
  readonly #permissions: AccessRule;
  readonly #principals: AccessRule;

  constructor(name: string, policy: Policy, reading: Reading, path: string) {
    this.name = name;
    this.detail = `rbac_access_denied_matched_policy[${name.replaceAll(/\s/g, '_')}]`;
    const permissions = policy.permissions.map((p, i) => compilePermission(p, reading, `${path}.permissions[${i}]`));
    const principals = policy.principals.map((p, i) => compilePrincipal(p, reading, `${path}.principals[${i}]`));
    this.#permissions = only(permissions) ?? new OneOf(permissions);
    this.#principals = only(principals) ?? new OneOf(principals);
  }

  matches(head: RequestHead, info: StreamInfo): boolean {
    return this.#permissions.holds(head, info) && this.#principals.holds(head, info);
  }

  /** What would have to hold beside for it to match. */
  missed(head: RequestHead, info: StreamInfo): readonly AccessRule[] {
    return [...missedOf(this.#permissions, head, info), ...missedOf(this.#principals, head, info)];
  }

  toString(): string {
    return `${JSON.stringify(this.name)}: ${String(this.#permissions)} by ${String(this.#principals)}`;
  }
}

function only(rules: readonly AccessRule[]): AccessRule | undefined {
  return rules.length === 1 ? rules[0] : undefined;
}

/** Rules may be long. */
const MISS_CHARACTERS_MAX = 1024;

export type AccessAction = 'ALLOW' | 'DENY' | 'LOG';

export class AccessPolicies {
  readonly action: AccessAction;
  readonly #policies: readonly AccessPolicy[];

  /** Throws ConfigError below `path`. */
  constructor(rules: RbacRules, path: string) {
    this.action = rules.action ?? 'ALLOW';
    const reading = this.action === 'ALLOW' ? 'every' : 'any';
    const named = Object.entries(rules.policies ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.#policies = named.map(([name, policy]) =>
      new AccessPolicy(name, policy, reading, `${path}.policies[${JSON.stringify(name)}]`));
  }

  /** The first policy, by name, that matches. */
  find(head: RequestHead, info: StreamInfo): AccessPolicy | undefined {
    for (const policy of this.#policies) if (policy.matches(head, info)) return policy;
    return undefined;
  }

  /** Whether a request may pass whose first matching policy is this one. */
  allows(matched: AccessPolicy | undefined): boolean {
    if (this.action === 'LOG') return true;
    return (matched !== undefined) === (this.action === 'ALLOW');
  }

  /** The policy that misses least, and what it misses: `name: path exact "/a" and any verified peer`. */
  nearestMiss(head: RequestHead, info: StreamInfo): string | undefined {
    let nearest: readonly AccessRule[] | undefined;
    let name = '';
    for (const policy of this.#policies) {
      const missed = policy.missed(head, info);
      if (nearest !== undefined && nearest.length <= missed.length) continue;
      nearest = missed;
      name = policy.name;
    }
    return nearest === undefined ? undefined : `${name}: ${nearest.join(' and ')}`.slice(0, MISS_CHARACTERS_MAX);
  }

  toString(): string {
    return [this.action, ...this.#policies.map((policy) => `  ${String(policy)}`)].join('\n');
  }
}
