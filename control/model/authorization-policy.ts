// AuthorizationPolicy: who may do what to a workload (security.istio.io).
import { isIP } from 'node:net';
import { enumeration, string } from '../../proxy/config/scalar.ts';
import { list, message, optional, Refusal, required, type Schema, type Static } from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { matching } from './scalar.ts';
import { ALL_WORKLOADS, foldTarget, LEGACY_TARGET, targetRefs, WorkloadSelector } from './selector.ts';

/** `*`, `prefix*`, `*suffix` or exact; a star elsewhere would be taken literally by Istio and is a mistake. */
function pattern(): Schema<string> {
  return matching(/^(\*|\*?[^*]+|[^*]+\*)$/, "exact, 'prefix*', '*suffix' or '*'");
}

/** As pattern(); or a template of whole segments, `{*}` for one and `{**}`, last, for any number. */
function pathPattern(): Schema<string> {
  const form = /^(\*|\*?[^*]+|[^*]+\*|(\/([^*{}]*|\{\*\}))*(\/\{\*\*\})?)$/;
  return matching(form, "a path, 'prefix*', '*suffix', '*' or a template");
}

function cidr(): Schema<string> {
  return matching(/^[0-9a-fA-F.:]{2,45}(\/[0-9]{1,3})?$/, 'an IP address or a CIDR block');
}

function portNumber(): Schema<string> {
  return matching(/^[1-9][0-9]{0,4}$/, "a port number as text, like '9080'");
}

const some = <T>(schema: Schema<T>) => list(schema, { min: 1 });

export const Source = message('istio.security.v1.Source', {
  principals: optional(some(principal()), 'Peer identities, `cluster.local/ns/default/sa/reviews`; need mutual TLS.'),
  notPrincipals: optional(some(principal()), 'None of these.'),
  requestPrincipals: optional(some(pattern()), 'Identities of verified tokens, `issuer/subject`; HTTP only.'),
  notRequestPrincipals: optional(some(pattern()), 'None of these.'),
  namespaces: optional(some(pattern()), "Peers' namespaces; need mutual TLS."),
  notNamespaces: optional(some(pattern()), 'None of these.'),
  serviceAccounts: optional(some(serviceAccountName()), "`namespace/name`, or a name in the policy's namespace."),
  notServiceAccounts: optional(some(serviceAccountName()), 'None of these.'),
  ipBlocks: optional(some(cidr()), "Address of the connection's other end."),
  notIpBlocks: optional(some(cidr()), 'None of these.'),
  remoteIpBlocks: optional(some(cidr()), 'Original client address (x-forwarded-for by trusted hops).'),
  notRemoteIpBlocks: optional(some(cidr()), 'None of these.'),
  trustDomains: optional(some(pattern()), "Peers' trust domains."),
  notTrustDomains: optional(some(pattern()), 'None of these.'),
}, {
  check: (source) => (Object.keys(source).length === 0 ? new Refusal('must not be empty') : badBlock(source)),
});
export interface Source extends Static<typeof Source> {}

/** With its scheme a principal would never match; Istio takes it without a word. */
function principal(): Schema<string> {
  return matching(/^(?!spiffe:)(\*|\*?[^*]+|[^*]+\*)$/, "an identity without 'spiffe://', 'prefix*', '*suffix' or '*'");
}

function serviceAccountName(): Schema<string> {
  return matching(/^([a-z0-9][-a-z0-9]*\/)?[a-z0-9][-a-z0-9.]*$/, "'namespace/name' or 'name', without wildcards");
}

function badBlock(source: object): Refusal | undefined {
  for (const [key, values] of Object.entries(source) as [string, readonly string[]][]) {
    if (!/IpBlocks$|^ipBlocks$/.test(key)) continue;
    const at = values.findIndex((value) => !isCidr(value));
    if (at >= 0) return new Refusal('is not an IP address or a CIDR block', [key, at]);
  }
  return undefined;
}

/** Whether `text` is an address, alone or with a prefix length that fits its family. */
export function isCidr(text: string): boolean {
  const [address = '', length] = text.split('/');
  const family = isIP(address);
  return family !== 0 && (length === undefined || Number(length) <= (family === 4 ? 32 : 128));
}

export const Operation = message('istio.security.v1.Operation', {
  hosts: optional(some(pattern()), 'Host headers, without regard to case.'),
  notHosts: optional(some(pattern()), 'None of these.'),
  ports: optional(some(portNumber()), 'Workload ports.'),
  notPorts: optional(some(portNumber()), 'None of these.'),
  methods: optional(some(pattern()), 'HTTP methods.'),
  notMethods: optional(some(pattern()), 'None of these.'),
  paths: optional(some(pathPattern()), 'Paths without query, after normalisation.'),
  notPaths: optional(some(pathPattern()), 'None of these.'),
}, {
  check: (operation) => (Object.keys(operation).length === 0 ? new Refusal('must not be empty') : undefined),
});
export interface Operation extends Static<typeof Operation> {}

/** Keys of `when` that are honoured; request.headers takes a name in brackets, request.auth.claims one or several. */
export const CONDITION_KEYS = [
  'request.headers[…]', 'source.ip', 'remote.ip', 'source.namespace', 'source.principal', 'source.serviceAccount',
  'source.trustDomain', 'request.auth.principal', 'request.auth.audiences', 'request.auth.presenter',
  'request.auth.claims[…]', 'destination.ip', 'destination.port', 'connection.sni',
] as const;

export const Condition = message('istio.security.v1.Condition', {
  key: required(string({ minLength: 1 }), 'Attribute.'),
  values: optional(some(string({ minLength: 1 })), 'Any of these; patterns as elsewhere.'),
  notValues: optional(some(string({ minLength: 1 })), 'None of these.'),
}, {
  check: (condition) => {
    if (condition.values === undefined && condition.notValues === undefined) {
      return new Refusal('needs values or notValues');
    }
    return badKey(condition.key) ?? badConditionValue(condition);
  },
});
export interface Condition extends Static<typeof Condition> {}

function badKey(key: string): Refusal | undefined {
  if (/^request\.auth\.claims(\[[^[\]]+\])+$/.test(key)) return undefined;
  if (/^request\.headers\[[!#$%&'*+\-.^_`|~0-9A-Za-z]+\]$/.test(key)) return undefined;
  if (!key.includes('[') && (CONDITION_KEYS as readonly string[]).includes(key)) return undefined;
  return new Refusal(`unknown key '${key.slice(0, 40)}'; must be one of ${CONDITION_KEYS.join(', ')}`, ['key']);
}

function badConditionValue(condition: { key: string; values?: string[]; notValues?: string[] }): Refusal | undefined {
  const { key } = condition;
  for (const field of ['values', 'notValues'] as const) {
    const at = (condition[field] ?? []).findIndex((value) => !fits(key, value));
    if (at >= 0) return new Refusal(`does not fit ${key}`, [field, at]);
  }
  return undefined;
}

function fits(key: string, value: string): boolean {
  if (key === 'source.ip' || key === 'remote.ip' || key === 'destination.ip') return isCidr(value);
  if (key === 'destination.port') return /^[1-9][0-9]{0,4}$/.test(value);
  return true;
}

export const Rule = message('istio.security.v1.Rule', {
  from: optional(some(message('istio.security.v1.Rule.From', {
    source: required(Source, 'All of its fields together.'),
  })), 'Any of these; everybody when absent.'),
  to: optional(some(message('istio.security.v1.Rule.To', {
    operation: required(Operation, 'All of its fields together.'),
  })), 'Any of these; everything when absent.'),
  when: optional(list(Condition), 'All of these.'),
});
export interface Rule extends Static<typeof Rule> {}

export const AuthorizationPolicySpec = message('istio.security.v1.AuthorizationPolicy', {
  selector: optional(WorkloadSelector, ALL_WORKLOADS),
  targetRefs,
  action: optional(enumeration(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']), 'CUSTOM asks the provider before all others, '
    + 'then comes DENY, then ALLOW; AUDIT only marks. ALLOW when absent.'),
  provider: optional(message('istio.security.v1.AuthorizationPolicy.ExtensionProvider', {
    name: required(string({ minLength: 1 }), 'One of extensionProviders of the MeshConfig.'),
  }), 'Who judges what CUSTOM rules match.'),
  rules: optional(list(Rule), 'Any of these; none never matches, an empty one always.'),
}, {
  legacy: LEGACY_TARGET,
  fold: foldTarget,
  check: providerFault,
});
interface CustomParts {
  readonly action?: string;
  readonly provider?: object;
  readonly rules?: readonly Rule[];
}

/** As Istio: a CUSTOM policy names its provider and has rules. Tokens are read after it, so that it knows of none. */
function providerFault({ action, provider, rules }: CustomParts): Refusal | undefined {
  if (action !== 'CUSTOM') {
    return provider === undefined ? undefined : new Refusal('belongs to action CUSTOM', ['provider']);
  }
  if (provider === undefined) return new Refusal('action CUSTOM needs provider.name');
  if (rules === undefined) return new Refusal('action CUSTOM without rules is never asked');
  const ofTokens = /"(request\.auth\.|(not)?[rR]equestPrincipals")/;
  const tokens = rules.findIndex((rule) => ofTokens.test(JSON.stringify(rule)));
  if (tokens < 0) return undefined;
  return new Refusal('must not ask for tokens, which are read after CUSTOM', ['rules', tokens]);
}
export interface AuthorizationPolicySpec extends Static<typeof AuthorizationPolicySpec> {}

export const AuthorizationPolicy = message('istio.AuthorizationPolicy', {
  ...objectHead,
  spec: optional(AuthorizationPolicySpec, 'Rules; an absent spec allows nothing.'),
});
export interface AuthorizationPolicy extends Static<typeof AuthorizationPolicy> {}
