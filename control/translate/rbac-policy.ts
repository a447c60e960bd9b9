// One rule of an AuthorizationPolicy as an RBAC policy: who (principals) may do what (permissions).
import type { Permission, Policy, Principal } from '../../proxy/config/rbac.ts';
import type { Condition, Operation, Rule, Source } from '../model/authorization-policy.ts';
import { claimPath, claimPrincipal, requestPrincipalMatch } from './claim-match.ts';
import { principalNames } from './mesh-trust.ts';
import {
  cidrRange, hostMatch, methodMatch, namespaceMatch, pathMatch, principalMatch, requestHeaderMatch, serviceAccountMatch,
  sniMatch, trustDomainMatch,
} from './rbac-match.ts';

export interface RuleScope {
  /** Namespace of the policy, for short service account names. */
  readonly namespace: string;
  readonly action: 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';
  /** For a port that does not speak HTTP: what needs HTTP empties ALLOW and is left out of the others. */
  readonly tcp: boolean;
  /** Names of the mesh's trust domain: principals of one are principals of all. */
  readonly trustDomains?: readonly string[];
}

/** One field with its `not` twin: any of `values` and none of `notValues`. */
interface Clause<T> {
  readonly values: readonly string[] | undefined;
  readonly notValues: readonly string[] | undefined;
  readonly httpOnly: boolean;
  match(value: string): T;
}

/** How matchers of one kind are combined. */
interface Logic<T> {
  readonly all: T;
  and(parts: T[]): T;
  or(parts: T[]): T;
  not(part: T): T;
}

const PERMISSIONS: Logic<Permission> = {
  all: { any: true },
  and: (rules) => ({ andRules: { rules } }),
  or: (rules) => ({ orRules: { rules } }),
  not: (notRule) => ({ notRule }),
};

const PRINCIPALS: Logic<Principal> = {
  all: { any: true },
  and: (ids) => ({ andIds: { ids } }),
  or: (ids) => ({ orIds: { ids } }),
  not: (notId) => ({ notId }),
};

/** Undefined when an ALLOW rule asks for HTTP on a port that has none: it can never match. */
export function rbacPolicy(rule: Rule, scope: RuleScope): Policy | undefined {
  const when = rule.when ?? [];
  const wherefrom = when.flatMap((condition) => principalCondition(condition, scope) ?? []);
  const whereto = when.flatMap((condition) => permissionCondition(condition) ?? []);
  const sources = rule.from === undefined ? [[]] : rule.from.map(({ source }) => sourceClauses(source, scope));
  const operations = rule.to === undefined ? [[]] : rule.to.map(({ operation }) => operationClauses(operation));
  const principals = sources.map((clauses) => conjunction([...clauses, ...wherefrom], PRINCIPALS, scope));
  const permissions = operations.map((clauses) => conjunction([...clauses, ...whereto], PERMISSIONS, scope));
  const who = principals.filter((principal) => principal !== undefined);
  const what = permissions.filter((permission) => permission !== undefined);
  // One alternative that cannot be had takes the whole rule with it, as in Istio: an ALLOW only ever gets narrower.
  if (who.length < principals.length || what.length < permissions.length) return undefined;
  return { permissions: what, principals: who };
}

function conjunction<T>(clauses: readonly Clause<T>[], logic: Logic<T>, scope: RuleScope): T | undefined {
  const parts: T[] = [];
  for (const clause of clauses) {
    const isSet = clause.values !== undefined || clause.notValues !== undefined;
    if (isSet && clause.httpOnly && scope.tcp) {
      if (scope.action === 'ALLOW') return undefined;
      continue;
    }
    if (clause.values !== undefined) parts.push(anyOf(clause, clause.values, logic));
    if (clause.notValues !== undefined) parts.push(logic.not(anyOf(clause, clause.notValues, logic)));
  }
  const [only] = parts;
  if (only === undefined) return logic.all;
  return parts.length === 1 ? only : logic.and(parts);
}

function anyOf<T>(clause: Clause<T>, values: readonly string[], logic: Logic<T>): T {
  const matchers = values.map((value) => clause.match(value));
  const [only] = matchers;
  return matchers.length === 1 && only !== undefined ? only : logic.or(matchers);
}

function clause<T>(
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
  match: (value: string) => T,
  httpOnly = false,
): Clause<T> {
  return { values, notValues, match, httpOnly };
}

function sourceClauses(source: Source, scope: RuleScope): Clause<Principal>[] {
  return [
    clause(inAllNames(source.principals, scope), inAllNames(source.notPrincipals, scope), principalMatch),
    clause(source.requestPrincipals, source.notRequestPrincipals, requestPrincipalMatch, true),
    clause(source.namespaces, source.notNamespaces, namespaceMatch),
    clause(source.serviceAccounts, source.notServiceAccounts, (name) => serviceAccountMatch(name, scope.namespace)),
    clause(source.trustDomains, source.notTrustDomains, trustDomainMatch),
    clause(source.ipBlocks, source.notIpBlocks, (block) => ({ directRemoteIp: cidrRange(block) })),
    clause(source.remoteIpBlocks, source.notRemoteIpBlocks, (block) => ({ remoteIp: cidrRange(block) })),
  ];
}

function operationClauses(operation: Operation): Clause<Permission>[] {
  return [
    clause(operation.hosts, operation.notHosts, hostMatch, true),
    clause(operation.methods, operation.notMethods, methodMatch, true),
    clause(operation.paths, operation.notPaths, pathMatch, true),
    clause(operation.ports, operation.notPorts, (port) => ({ destinationPort: Number(port) })),
  ];
}

function inAllNames(
  principals: readonly string[] | undefined, { trustDomains }: RuleScope,
): readonly string[] | undefined {
  if (trustDomains === undefined) return principals;
  return principals?.flatMap((principal) => principalNames(principal, trustDomains));
}

/** Claims that have names of their own. */
const CLAIMS: Readonly<Record<string, readonly string[]>> = {
  'request.auth.audiences': ['aud'], 'request.auth.presenter': ['azp'],
};

/** Conditions about the caller; undefined for the others. */
function principalCondition(condition: Condition, scope: RuleScope): Clause<Principal> | undefined {
  const { key, values, notValues } = condition;
  const header = /^request\.headers\[(.+)\]$/.exec(key)?.[1];
  if (header !== undefined) return clause(values, notValues, (value) => requestHeaderMatch(header, value), true);
  const claim = claimPath(key) ?? CLAIMS[key];
  if (claim !== undefined) return clause(values, notValues, (value) => claimPrincipal(claim, value), true);
  switch (key) {
    case 'request.auth.principal': return clause(values, notValues, requestPrincipalMatch, true);
    case 'source.ip': return clause(values, notValues, (block) => ({ directRemoteIp: cidrRange(block) }));
    case 'remote.ip': return clause(values, notValues, (block) => ({ remoteIp: cidrRange(block) }));
    case 'source.namespace': return clause(values, notValues, namespaceMatch);
    case 'source.principal': return clause(inAllNames(values, scope), inAllNames(notValues, scope), principalMatch);
    case 'source.trustDomain': return clause(values, notValues, trustDomainMatch);
    case 'source.serviceAccount':
      return clause(values, notValues, (account) => serviceAccountMatch(account, scope.namespace));
    default: return undefined;
  }
}

/** Conditions about what is called. */
function permissionCondition({ key, values, notValues }: Condition): Clause<Permission> | undefined {
  switch (key) {
    case 'destination.ip': return clause(values, notValues, (block) => ({ destinationIp: cidrRange(block) }));
    case 'destination.port': return clause(values, notValues, (port) => ({ destinationPort: Number(port) }));
    case 'connection.sni': return clause(values, notValues, sniMatch);
    default: return undefined;
  }
}
