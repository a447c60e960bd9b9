// The RBAC filter: what it answers and counts, and which settings hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import type { ProxyError } from '../base/error.ts';
import type { RBAC, RbacRules } from '../config/rbac.ts';
import { RequestHead } from '../http/message.ts';
import { AccessDecisions } from '../telemetry/decision-sink.ts';
import { httpScope } from '../telemetry/stat-name.ts';
import { Stats } from '../telemetry/stats.ts';
import type { FilterStream } from './filter.ts';
import { RbacFilter, compileRbacPerRoute } from './rbac.ts';

const NODE = { id: 'n', cluster: 'c', metadata: {} };
const NOTHING = (): void => undefined;

function rules(action: NonNullable<RbacRules['action']>, path: string, name = 'my policy'): RbacRules {
  return { action, policies: { [name]: { permissions: [{ urlPath: { path: { exact: path } } }],
    principals: [{ any: true }] } } };
}

/** What the filter answers to requests for paths, and the figures that it has kept then. */
function run(config: RBAC, paths: readonly string[], perRoute?: unknown): { answers: string[]; told: string[];
  counts: Record<string, number> } {
  const names: string[] = [];
  const stats = new Stats({ chunk: NOTHING, register: ({ name }) => names.push(name.flat) });
  const scope = httpScope('in');
  const decisions = new AccessDecisions();
  const told: string[] = [];
  decisions.add({ onDecision: ({ outcome, policy, nearestMiss }) => {
    told.push(`${outcome} ${policy}|${nearestMiss()}`);
  } });
  const filter = new RbacFilter('rbac', config, { stats, scope, decisions, node: NODE }, 'typedConfig');
  const answers = paths.map((path) => {
    let error: ProxyError | undefined;
    const perFilterConfig = new Map(perRoute === undefined ? [] : [['rbac', perRoute]]);
    const stream = {
      info: sampleStream(), request: new RequestHead('GET', 'a', path), route: { perFilterConfig, action: {} },
      failStream: (refusal: ProxyError) => (error = refusal),
    };
    const verdict = filter.onRequestHead(stream as unknown as FilterStream);
    return error === undefined ? verdict : `${verdict} ${error.kind} ${error.detail}`;
  });
  const value = (flat: string): number => stats.counter({ flat, family: '', labels: [] }).value;
  return { answers, told, counts: Object.fromEntries(names.map((flat) => [flat, value(flat)]).filter(([, count]) =>
    count !== 0)) };
}

test('a request that no permission covers is denied', () => {
  const { answers, counts } = run({ rules: rules('ALLOW', '/a') }, ['/a', '/b']);
  assert.deepEqual(answers, ['continue', 'replied denied rbac_access_denied_matched_policy[none]']);
  assert.deepEqual(counts, { 'http.in.rbac.allowed': 1, 'http.in.rbac.denied': 1 });
});

test('a request that a denial covers is denied by its name, without blanks', () => {
  const { answers } = run({ rules: rules('DENY', '/a') }, ['/a', '/b']);
  assert.deepEqual(answers, ['replied denied rbac_access_denied_matched_policy[my_policy]', 'continue']);
});

test('without rules nothing is denied; with none of them everything is', () => {
  assert.deepEqual(run({}, ['/a']), { answers: ['continue'], told: [], counts: {} });
  assert.deepEqual(run({ rules: {} }, ['/a']).answers, ['replied denied rbac_access_denied_matched_policy[none]']);
  assert.deepEqual(run({ rules: rules('LOG', '/a') }, ['/a', '/b']).answers, ['continue', 'continue']);
});

test('shadow rules are counted and never enforced', () => {
  const { answers, counts } = run({ shadowRules: rules('DENY', '/a') }, ['/a', '/b', '/b']);
  assert.deepEqual(answers, ['continue', 'continue', 'continue']);
  assert.deepEqual(counts, { 'http.in.rbac.shadow_denied': 1, 'http.in.rbac.shadow_allowed': 2 });
});

test('prefixes stand in the names of the stats', () => {
  const config = { rules: rules('DENY', '/a'), rulesStatPrefix: 'r', shadowRules: rules('DENY', '/a'),
    shadowRulesStatPrefix: 's.' };
  assert.deepEqual(run(config, ['/a']).counts, { 'http.in.rbac.r.denied': 1, 'http.in.rbac.s.shadow_denied': 1 });
});

test('a route\'s settings replace the filter\'s, and turn it off where they hold no rules', () => {
  const config: RBAC = { rules: rules('DENY', '/a') };
  assert.deepEqual(run(config, ['/a', '/b'],
    compileRbacPerRoute({ rbac: { rules: rules('DENY', '/b', 'route') } }, '')).answers,
    ['continue', 'replied denied rbac_access_denied_matched_policy[route]']);
  assert.deepEqual(run(config, ['/a'], compileRbacPerRoute({}, '')).answers, ['continue']);
});

test('denials, marks and denials of dry runs are told, and nothing else', () => {
  const both = (action: 'ALLOW' | 'DENY' | 'LOG'): RBAC =>
    ({ rules: rules(action, '/a'), shadowRules: rules('DENY', '/b') });
  assert.deepEqual(run(both('DENY'), ['/a', '/b', '/c']).told,
    ['denied my policy|undefined', 'would-deny my policy|undefined']);
  assert.deepEqual(run(both('LOG'), ['/a', '/c']).told, ['audited my policy|undefined']);
  assert.deepEqual(run({ rules: rules('ALLOW', '/a') }, ['/a', '/b']).told, ['denied |my policy: path exact "/a"']);
});

test('the nearest miss is the policy that lacks least, and what it lacks', () => {
  const header = (name: string) => ({ header: { name, stringMatch: { exact: '1' } } });
  const path = { urlPath: { path: { prefix: '/a' } } };
  const any = { any: true };
  const near = (policies: NonNullable<RbacRules['policies']>): string | undefined =>
    run({ rules: { policies } }, ['/a']).told[0]?.replace('denied |', '');
  assert.equal(near({}), 'undefined');
  const far = { permissions: [{ andRules: { rules: [header('x-a'), path] } }], principals: [header('x-b')] };
  assert.equal(near({ far }), 'far: header x-a exact "1" and header x-b exact "1"');
  const either = { permissions: [{ orRules: { rules: [{ andRules: { rules: [header('x-a'), header('x-b')] } },
    header('x-c')] } }], principals: [any] };
  assert.equal(near({ far, near: either }), 'near: header x-c exact "1"');
  assert.equal(near({ far, no: { permissions: [any], principals: [{ notId: any }] } }), 'no: not any');
  const name = 'y'.repeat(2000);
  const long = { permissions: [header(name)], principals: [any] };
  assert.equal(near({ long })!.length, 1024, 'bounded');
});

test('faults are refused by their place', () => {
  const bad: RBAC = { shadowRules: { policies: { p: { permissions: [{}], principals: [{ any: true }] } } } };
  assert.throws(() => run(bad, []), /^ConfigError: typedConfig\.shadowRules\.policies\["p"\]\.permissions\[0\]: /);
  assert.throws(() => compileRbacPerRoute({ rbac: bad }, 'x'), /^ConfigError: x\.rbac\.shadowRules\.policies/);
});
