// The generator's AuthorizationPolicies and requests: every field and its twin, patterns at their borders.
import type { Draw } from '../harness/draw.ts';
import { IDENTITIES } from '../harness/policy-listener.ts';

/** A policy as users write it, but for its head. */
export interface DrawnPolicy {
  readonly name: string;
  readonly namespace: string;
  readonly dry: boolean;
  readonly spec: Record<string, unknown>;
}

export interface PolicyRequest {
  /** Who asks: a certificate of IDENTITIES, none over TLS, or plaintext. */
  readonly caller: string;
  readonly serverName: string;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: readonly (readonly [string, string])[];
}

export const CALLERS = [...Object.keys(IDENTITIES), 'nobody', 'plaintext'] as const;
export const SERVER_NAMES = ['shop.test', 'outbound_.80_._.shop'] as const;

const PRINCIPALS = ['cluster.local/ns/default/sa/web', 'cluster.local/ns/prod/sa/admin', 'cluster.local/ns/*',
  '*/sa/web', '*', 'cluster.local/ns/default/sa/we', 'cluster.local/ns/default/sa/web2', 'other.test*', '*admin',
  'other.test/ns/prod-eu/sa/web.admin', 'other.test/ns/prod-eu/sa/webxadmin'];
const NAMESPACES = ['default', 'prod', 'prod*', '*eu', 'prod-eu', '*', 'pro', '*-eu', 'def*', 'sa'];
const ACCOUNTS = ['web', 'prod/admin', 'default/web', 'prod-eu/web.admin', 'default/we', 'admin'];
const TRUST_DOMAINS = ['cluster.local', 'other.test', 'other*', '*.local', '*.test', '*', 'cluster', 'cluster.loca*'];
const IP_BLOCKS = ['127.0.0.0/8', '127.0.0.1', '10.0.0.0/8', '::1', '0.0.0.0/0', '127.0.0.1/32', '127.0.0.2/31'];
const REMOTE_BLOCKS = ['10.1.0.0/16', '10.1.2.3', '192.0.2.0/24', '2001:db8::/32', '127.0.0.0/8', '0.0.0.0/0', '::/0'];
const HOSTS = ['shop.test', '*.test', 'shop.*', 'SHOP.test:80', 'shop.test:*', '*', 'shop', '*:80'];
const METHODS = ['GET', 'POST', 'P*', '*T', '*', 'GE', 'OPTIONS'];
const PATHS = ['/a', '/a*', '*/c', '/a/{*}/c', '/a/{**}', '/{*}', '*', '/A', '/a%2Fb', '/a/b/c', '/{*}/b/{**}', '/a/',
  '/', '*.html', '/a+b', '/x.y', '/a/{*}'];
const TEAMS = ['red', 're*', '*ed', '*', 'Red', 'r', 'red,blue'];
const SERVER_NAME_PATTERNS = ['shop.test', '*.test', 'outbound_*', '*', 'shop'];

const REQUEST_PATHS = ['/a', '/a/', '/a?b=c', '/ab', '/A', '/a/b/c', '/a//c', '/a/b', '/a/b/c/d', '/', '/c', '/a%2Fb',
  '/a%2fb', '/x.y', '/xzy', '/a+b', '/aab', '/index.html', '/index.htmlx', '/a/./b', '/a/../c', '/a/%2e%2e/c', '/a%20b',
  '/a?x=/c', '/a/c?', '/a/b/', '/%61', '//a', '/a\\b', '/a/b%2Fc/c', '/*', '/a*'];
const REQUEST_HOSTS = ['shop.test', 'SHOP.TEST', 'shop.test:80', 'a.test', 'shop', 'shop.testx', 'shop.test:8080'];
const REQUEST_TEAMS = ['red', 'Red', 're', 'ed', 'bred', 'redder', '', 'red,blue', 'blue'];
const FORWARDED = ['10.1.2.3', '10.1.9.9', '192.0.2.7', '2001:db8::1', '10.1.2.3, 192.0.2.7', '8.8.8.8', 'junk'];

/** A field, or its twin, or both. */
function clause(draw: Draw, field: string, values: readonly string[]): Record<string, string[]> {
  const some = (): string[] => Array.from({ length: 1 + draw.below(2) }, () => draw.pick(values));
  const twin = `not${field[0]!.toUpperCase()}${field.slice(1)}`;
  switch (draw.below(5)) {
    case 0: return { [twin]: some() };
    case 1: return { [field]: some(), [twin]: some() };
    default: return { [field]: some() };
  }
}

/** At least one of several clauses, seldom more than two. */
function clauses(draw: Draw, fields: readonly (readonly [string, readonly string[]])[]): Record<string, string[]> {
  const count = draw.chance(0.6) ? 1 : 2 + draw.below(2);
  return Object.assign({}, ...Array.from({ length: count }, () => clause(draw, ...draw.pick(fields)))) as
    Record<string, string[]>;
}

function drawSource(draw: Draw): object {
  return { source: clauses(draw, [['principals', PRINCIPALS], ['namespaces', NAMESPACES], ['serviceAccounts', ACCOUNTS],
    ['trustDomains', TRUST_DOMAINS], ['ipBlocks', IP_BLOCKS], ['remoteIpBlocks', REMOTE_BLOCKS]]) };
}

function drawOperation(draw: Draw, ports: readonly string[]): object {
  return { operation: clauses(draw, [['hosts', HOSTS], ['methods', METHODS], ['paths', PATHS], ['paths', PATHS],
    ['ports', ports]]) };
}

function drawCondition(draw: Draw, ports: readonly string[]): object {
  const [key, values] = draw.pick<readonly [string, readonly string[]]>([
    ['request.headers[X-Team]', TEAMS], ['request.headers[x-team]', TEAMS], ['source.ip', IP_BLOCKS],
    ['remote.ip', REMOTE_BLOCKS], ['source.namespace', NAMESPACES], ['source.principal', PRINCIPALS],
    ['source.serviceAccount', ACCOUNTS], ['source.trustDomain', TRUST_DOMAINS], ['destination.ip', IP_BLOCKS],
    ['destination.port', ports], ['connection.sni', SERVER_NAME_PATTERNS],
  ]);
  const { values: yes, notValues: no } = clause(draw, 'values', values);
  return { key, ...(yes !== undefined && { values: yes }), ...(no !== undefined && { notValues: no }) };
}

function drawRule(draw: Draw, ports: readonly string[]): object {
  const list = (make: () => object): object[] => Array.from({ length: 1 + draw.below(2) }, make);
  return {
    ...draw.maybe(0.6, () => ({ from: list(() => drawSource(draw)) })),
    ...draw.maybe(0.6, () => ({ to: list(() => drawOperation(draw, ports)) })),
    ...draw.maybe(0.4, () => ({ when: list(() => drawCondition(draw, ports)) })),
  };
}

/** Policies of one listener, whose port is `port`. */
export function drawPolicies(draw: Draw, port: number): DrawnPolicy[] {
  const ports = [String(port), '80'];
  return Array.from({ length: 1 + draw.below(4) }, (_, i) => ({
    name: `p${i}`, namespace: draw.pick(['default', 'istio-system']), dry: draw.chance(0.15),
    spec: {
      action: draw.pick(['ALLOW', 'ALLOW', 'DENY', 'DENY', 'AUDIT']),
      ...draw.maybe(0.95, () => ({ rules: Array.from({ length: 1 + draw.below(3) }, () => drawRule(draw, ports)) })),
    },
  }));
}

export function drawPolicyRequest(draw: Draw): PolicyRequest {
  const headers: [string, string][] = [];
  if (draw.chance(0.5)) headers.push(['x-team', draw.pick(REQUEST_TEAMS)]);
  if (draw.chance(0.05)) headers.push(['x-team', draw.pick(REQUEST_TEAMS)]);
  if (draw.chance(0.4)) headers.push(['x-forwarded-for', draw.pick(FORWARDED)]);
  return {
    caller: draw.pick(CALLERS), serverName: draw.pick(SERVER_NAMES), host: draw.pick(REQUEST_HOSTS),
    method: draw.pick(['GET', 'GET', 'POST', 'PUT', 'OPTIONS', 'PATCH']), path: draw.pick(REQUEST_PATHS), headers,
  };
}

/** As users write it. */
export function policyYaml({ name, namespace, dry, spec }: DrawnPolicy): string {
  const annotations = dry ? { annotations: { 'istio.io/dry-run': 'true' } } : {};
  return JSON.stringify({ apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy',
    metadata: { name, namespace, ...annotations }, spec });
}
