// Delegation between VirtualServices, tcp and tls rules: what callers get of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Route } from '../../proxy/config/route.ts';
import { serviceYaml, viewOf } from '../../test/harness/mesh-fixture.ts';
import { delegateFindings } from '../analysis/delegate-use.ts';
import { findingText } from '../model/mesh-object.ts';
import { atOnce } from '../model/steps.ts';
import type { Scope } from './mesh-view.ts';
import { outboundRoutes } from './outbound-route.ts';

const SCOPE: Scope = { namespace: 'default', labels: new Map([['app', 'page']]), isWeft: true };
const TO_REVIEWS = 'route: [{ destination: { host: reviews } }]';

const virtualService = (name: string, spec: string, namespace = 'default'): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${spec} }
`;

const root = (rule: string): string => virtualService('root', `hosts: [reviews], http: [{ ${rule} }]`);

function routesOf(yaml: string, domain = 'reviews.default.svc.cluster.local', more = ''): Route[] {
  const table = atOnce(outboundRoutes(viewOf(serviceYaml('reviews') + more + yaml), SCOPE));
  return table.virtualHosts?.find(({ domains }) => domains.includes(domain))?.routes ?? [];
}

const inTeam = (rules: string): string => virtualService('inner', `http: [${rules}]`, 'team');
const DELEGATE = 'delegate: { name: inner, namespace: team }';

test("a delegate's rules hold within the root's match, and what it says goes before what the root says", () => {
  const [first, second, ...others] = routesOf(
    root(`name: r, match: [{ uri: { prefix: /a }, headers: { x: { exact: y } } }], ${DELEGATE}, timeout: 3s,
      retries: { attempts: 0 }`)
    + inTeam(`{ name: i, match: [{ uri: { prefix: /a/b } }, { uri: { exact: /ac } }], timeout: 1s,
      route: [{ destination: { host: other } }] }`));
  assert.deepEqual(others, []);
  const headers = [{ name: 'x', stringMatch: { exact: 'y' } }];
  assert.deepEqual([first?.name, first?.match, second?.match],
    ['r-i', { prefix: '/a/b', headers }, { path: '/ac', headers }]);
  assert.deepEqual([first?.route?.timeout, first?.route?.retryPolicy], ['1s', undefined]);
  assert.equal(first?.route?.cluster, 'outbound|9080||other.team.svc.cluster.local', "the delegate's namespace");
});

test('without conditions of its own a delegate has those of the root', () => {
  const [route] = routesOf(root(`match: [{ uri: { exact: /x } }], ${DELEGATE}`) + inTeam(`{ ${TO_REVIEWS} }`));
  assert.deepEqual(route?.match, { path: '/x' });
});

const EXCLUDED = ['uri: { prefix: /b }', "uri: { regex: '/a.*' }", 'uri: { prefix: / }',
  'uri: { prefix: /a }, ignoreUriCase: true', 'uri: { exact: /a }, port: 9081', 'method: { exact: GET }, port: 1'];

test('a condition of the delegate that the root excludes takes its whole rule out, with a finding', () => {
  for (const match of EXCLUDED) {
    const yaml = root(`match: [{ uri: { prefix: /a }, port: 9080 }], ${DELEGATE}`)
      + inTeam(`{ match: [{ ${match} }], ${TO_REVIEWS} }`);
    assert.deepEqual(routesOf(yaml).map(({ name }) => name), ['default'], match);
    const findings = delegateFindings(viewOf(yaml)).map(findingText);
    assert.equal(findings.length, 1, match);
    assert.match(findings[0] ?? '', /^test\.yaml:\d+: VirtualService team\/inner spec\.http\[0\]\.match: is left out/);
  }
});

test('a delegate that is missing, has hosts, or is not exported is an error, and its rule is left out', () => {
  for (const [inner, reason] of [
    ['', /no VirtualService 'team\/inner': the rule is left out/],
    [virtualService('inner', `hosts: [x.test], http: [{ ${TO_REVIEWS} }]`, 'team'), /has hosts of its own/],
    [virtualService('inner', `exportTo: ['.'], http: [{ ${TO_REVIEWS} }]`, 'team'), /is not exported to default/],
  ] as const) {
    const yaml = root(DELEGATE) + inner;
    assert.deepEqual(routesOf(yaml).map(({ name }) => name), ['default']);
    assert.match(delegateFindings(viewOf(yaml)).map(findingText).join('\n'), reason);
  }
  const idle = delegateFindings(viewOf(inTeam(`{ ${TO_REVIEWS} }`))).map(findingText);
  assert.match(idle.join('\n'), /^test\.yaml:6: VirtualService team\/inner spec: has no effect/);
});

test('a delegate names no gateways, and delegates no further', () => {
  assert.throws(() => viewOf(virtualService('v', `gateways: [g], http: [{ ${TO_REVIEWS} }]`)), /without hosts/);
  assert.throws(() => viewOf(virtualService('v', 'http: [{ delegate: { name: x } }]')), /one level of delegation/);
  assert.throws(() => viewOf(root(`${DELEGATE}, ${TO_REVIEWS}`)), /has route and delegate/);
});

const DB = `
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: default }
spec: { ports: [{ name: tcp-db, port: 3306 }, { name: tls-db, port: 3307 }] }
`;
const DB_HOST = 'db.default.svc.cluster.local';

function tunnel(rules: string, port = 3306): unknown {
  const yaml = virtualService('db', `hosts: [db], ${rules}`);
  const [route] = routesOf(yaml, `${DB_HOST}:${port}`, DB);
  return route?.route?.cluster ?? route?.route?.weightedClusters?.clusters;
}

test('tcp rules choose where connections go: by port, caller and weight, the first that holds', () => {
  const split = `tcp: [
    { match: [{ port: 1 }, { sourceLabels: { app: other } }, { gateways: [g] }],
      route: [{ destination: { host: no } }] },
    { match: [{ port: 3306, sourceLabels: { app: page }, sourceNamespace: default }], route: [
      { destination: { host: db, subset: v1 }, weight: 80 }, { destination: { host: db, subset: v2 }, weight: 20 },
      { destination: { host: db, subset: v3 }, weight: 0 }] },
    { route: [{ destination: { host: db, port: { number: 3306 } } }] }]`;
  assert.deepEqual(tunnel(split), [
    { name: `outbound|3306|v1|${DB_HOST}`, weight: 80 }, { name: `outbound|3306|v2|${DB_HOST}`, weight: 20 },
  ]);
  assert.equal(tunnel(split, 3307), `outbound|3306||${DB_HOST}`);
});

test('tls rules hold on ports that carry TLS, by the name that is asked for, and go before tcp rules', () => {
  const rules = `tls: [
    { match: [{ sniHosts: [other.test] }], route: [{ destination: { host: no } }] },
    { match: [{ sniHosts: ['*.default.svc.cluster.local'] }], route: [{ destination: { host: db, subset: t } }] }],
    tcp: [{ route: [{ destination: { host: db, subset: c } }] }]`;
  assert.equal(tunnel(rules, 3307), `outbound|3307|t|${DB_HOST}`);
  assert.equal(tunnel(rules, 3306), `outbound|3306|c|${DB_HOST}`);
});

test('what cannot be told of a connection is refused by name', () => {
  const one = (rules: string): (() => unknown) => () => viewOf(virtualService('v', `hosts: [db], ${rules}`));
  const route = 'route: [{ destination: { host: db } }]';
  assert.throws(one(`tcp: [{ match: [{ destinationSubnets: [10.0.0.0/8] }], ${route} }]`), /destinationSubnets/);
  assert.throws(one('tcp: [{ route: [{ destination: { host: a } }, { destination: { host: b } }] }]'), /weights/);
  assert.throws(one(`tls: [{ ${route} }]`), /match/);
  assert.throws(one('exportTo: [a]'), /needs http, tls or tcp rules/);
});
