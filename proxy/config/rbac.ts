// Role-based access control (envoy.config.rbac.v3, envoy.extensions.filters.http.rbac.v3 and .network.rbac.v3).
import { CidrRange } from './address.ts';
import { HeaderMatcher } from './header-matcher.ts';
import { PathMatcher, StringMatcher } from './matcher.ts';
import { MetadataMatcher } from './metadata-matcher.ts';
import { Int32Range } from './percent.ts';
import { bool, enumeration, string, uint32 } from './scalar.ts';
import { exactlyOne, list, map, message, optional, recursive, Refusal, required, type Schema,
  type Static } from './schema.ts';
import { PathMatchPolicy } from './uri-template.ts';

const PermissionSet = message('envoy.config.rbac.v3.Permission.Set', {
  rules: required(list(recursive<Permission>((): Schema => Permission), { min: 1 }), 'At least one.'),
});

/** `any: false` would say nothing; Envoy refuses it too. */
function onlyTrue({ any }: { any?: boolean }): Refusal | undefined {
  return any === false ? new Refusal('must be true', ['any']) : undefined;
}

/** Envoy 1.40 has it; the shipped protos have not. */
const SourcedMetadata = message('envoy.config.rbac.v3.SourcedMetadata', {
  metadataMatcher: required(MetadataMatcher, 'The condition.'),
  metadataSource: optional(enumeration(['DYNAMIC', 'ROUTE'], {
    refused: { ROUTE: 'metadata of routes are not judged' },
    numbers: { DYNAMIC: 0, ROUTE: 1 },
  }), 'Whose metadata; default DYNAMIC.'),
});

const metadataFields = {
  metadata: optional(MetadataMatcher, 'By what filters said of the request, such as its token\'s claims. HTTP only.'),
  sourcedMetadata: optional(SourcedMetadata, 'The same, in Envoy\'s newer form. HTTP only.'),
};

export const Permission = message('envoy.config.rbac.v3.Permission', {
  andRules: optional(PermissionSet, 'All of them.'),
  orRules: optional(PermissionSet, 'Any of them.'),
  notRule: optional(recursive<Permission>((): Schema => Permission), 'Not this.'),
  any: optional(bool(), 'Everything; only true.'),
  header: optional(HeaderMatcher, 'By request header, :method and :authority among them. HTTP only.'),
  urlPath: optional(PathMatcher, 'By path without query, after normalisation. HTTP only.'),
  destinationIp: optional(CidrRange, 'By the address that the connection was made to.'),
  destinationPort: optional(uint32({ maximum: 65_535 }), 'By the port that the connection was made to.'),
  destinationPortRange: optional(Int32Range, 'By a range of ports; end is exclusive.'),
  requestedServerName: optional(StringMatcher, 'By SNI; empty where there is none.'),
  uriTemplate: optional(PathMatchPolicy, 'By the whole path without query. HTTP only.'),
  ...metadataFields,
}, {
  refused: { 'matcher extensions are not supported': ['matcher'] },
  oneOf: [exactlyOne('and_rules', 'or_rules', 'any', 'header', 'url_path', 'destination_ip', 'destination_port',
    'destination_port_range', 'metadata', 'not_rule', 'requested_server_name', 'matcher', 'uri_template',
      'sourced_metadata')],
  check: onlyTrue,
});
export interface Permission extends Static<typeof Permission> {}

const PrincipalSet = message('envoy.config.rbac.v3.Principal.Set', {
  ids: required(list(recursive<Principal>((): Schema => Principal), { min: 1 }), 'At least one.'),
});

export const Authenticated = message('envoy.config.rbac.v3.Principal.Authenticated', {
  principalName: optional(StringMatcher, 'The peer\'s verified URI name (spiffe://…), else DNS name, else subject; '
    + 'absent: any peer with a verified certificate.'),
});
export interface Authenticated extends Static<typeof Authenticated> {}

export const Principal = message('envoy.config.rbac.v3.Principal', {
  andIds: optional(PrincipalSet, 'All of them.'),
  orIds: optional(PrincipalSet, 'Any of them.'),
  notId: optional(recursive<Principal>((): Schema => Principal), 'Not this.'),
  any: optional(bool(), 'Everybody; only true.'),
  authenticated: optional(Authenticated, 'By verified certificate.'),
  sourceIp: optional(CidrRange, 'By the peer\'s address, after PROXY protocol. The same as direct_remote_ip here.'),
  directRemoteIp: optional(CidrRange, 'By the peer\'s address.'),
  remoteIp: optional(CidrRange, 'By the client\'s address, from x-forwarded-for where that is trusted.'),
  header: optional(HeaderMatcher, 'By request header. HTTP only.'),
  urlPath: optional(PathMatcher, 'By path without query, after normalisation. HTTP only.'),
  ...metadataFields,
}, {
  refused: {
    'no filter sets filter state; the peer is matched by authenticated': ['filter_state'],
    'principal extensions are not supported': ['custom'],
  },
  oneOf: [exactlyOne('and_ids', 'or_ids', 'any', 'authenticated', 'source_ip', 'direct_remote_ip', 'remote_ip',
    'header',
    'url_path', 'metadata', 'filter_state', 'not_id', 'sourced_metadata', 'custom')],
  check: onlyTrue,
});
export interface Principal extends Static<typeof Principal> {}

export const Policy = message('envoy.config.rbac.v3.Policy', {
  permissions: required(list(Permission, { min: 1 }), 'What may be done: any of these.'),
  principals: required(list(Principal, { min: 1 }), 'Who may do it: any of these. Both must match.'),
}, {
  refused: { 'CEL conditions are not supported': ['condition', 'checked_condition', 'cel_config'] },
});
export interface Policy extends Static<typeof Policy> {}

export const RbacRules = message('envoy.config.rbac.v3.RBAC', {
  action: optional(
    enumeration(['ALLOW', 'DENY', 'LOG']),
    'What a matching policy means. ALLOW: what matches none is denied, also with no policies at all. Default ALLOW.',
  ),
  policies: optional(map(Policy), 'Policies by name; the name appears in stats and in the access log.'),
}, {
  refused: { 'audit loggers are not supported': ['audit_logging_options'] },
});
export interface RbacRules extends Static<typeof RbacRules> {}

const NO_MATCHER = { 'rules say it': ['matcher', 'shadow_matcher'] };

/** The HTTP filter. */
export const RBAC = message('envoy.extensions.filters.http.rbac.v3.RBAC', {
  rules: optional(RbacRules, 'Enforced; absent: everything is allowed.'),
  rulesStatPrefix: optional(string(), 'Inserted in the names of the filter\'s stats.'),
  shadowRules: optional(RbacRules, 'Evaluated, counted and logged, never enforced.'),
  shadowRulesStatPrefix: optional(string(), 'Inserted in the names of the shadow stats.'),
  trackPerRuleStats: optional(bool(), 'What each policy has matched is counted as well, for routes\' own rules too: '
    + 'rbac.policy.<name>.*. Default false.'),
}, { refused: NO_MATCHER });
export interface RBAC extends Static<typeof RBAC> {}

/** In typed_per_filter_config of a route, virtual host or table. */
export const RBACPerRoute = message('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', {
  rbac: optional(RBAC, 'Replaces the filter\'s own rules; absent: the filter does nothing here.'),
});
export interface RBACPerRoute extends Static<typeof RBACPerRoute> {}

const HTTP_FILTERS = 'envoy.filters.http.';

/** A connection has neither headers nor a path, and no metadata but what listener filters make. */
function requestRule(rules: RbacRules | undefined, field: string): Refusal | undefined {
  for (const [name, { permissions, principals }] of Object.entries(rules?.policies ?? {})) {
    if (![...permissions, ...principals].some(asksRequest)) continue;
    const reason = 'must not ask for headers, paths or metadata of HTTP filters, which connections have not';
    return new Refusal(reason, [field, 'policies', name]);
  }
  return undefined;
}

function asksRequest(rule: Permission & Principal): boolean {
  const inner = [
    ...rule.andRules?.rules ?? [], ...rule.orRules?.rules ?? [], ...rule.andIds?.ids ?? [], ...rule.orIds?.ids ?? [],
    rule.notRule, rule.notId,
  ];
  const metadata = rule.metadata ?? rule.sourcedMetadata?.metadataMatcher;
  return rule.header !== undefined || rule.urlPath !== undefined || rule.uriTemplate !== undefined
    || metadata?.filter.startsWith(HTTP_FILTERS) === true
    || inner.some((one) => one !== undefined && asksRequest(one));
}

/** The network filter. */
export const NetworkRBAC = message('envoy.extensions.filters.network.rbac.v3.RBAC', {
  rules: optional(RbacRules, 'Enforced on the first byte; absent: everything is allowed. No rules about '
    + 'headers, paths and metadata of HTTP filters.'),
  shadowRules: optional(RbacRules, 'Evaluated and counted, never enforced.'),
  shadowRulesStatPrefix: optional(string(), 'Inserted in the names of the shadow stats.'),
  statPrefix: required(string({ minLength: 1 }), 'First part of the names of the filter\'s stats.'),
  enforcementType: optional(enumeration(['ONE_TIME_ON_FIRST_BYTE', 'CONTINUOUS']), 'Whether a connection is judged '
    + 'once, or before all that it sends. Default ONE_TIME_ON_FIRST_BYTE.'),
}, {
  refused: { ...NO_MATCHER, 'a denied connection is closed at once': ['delay_deny'] },
  check: ({ rules, shadowRules }) => requestRule(rules, 'rules') ?? requestRule(shadowRules, 'shadowRules'),
});
export interface NetworkRBAC extends Static<typeof NetworkRBAC> {}
