// Scenarios of outlier detection, in which an interval is shorter than a step.
import { httpCheck } from './over-time.ts';
import type { Scenario } from './over-time.ts';

const EJECTIONS = ['outlier_detection.ejections_enforced_total', 'outlier_detection.ejections_overflow'];
const GAUGES = ['outlier_detection.ejections_active', 'membership_healthy'];

function detected(...kinds: readonly string[]): string[] {
  return [...EJECTIONS, ...kinds.flatMap((kind) => (
    [`outlier_detection.ejections_detected_${kind}`, `outlier_detection.ejections_enforced_${kind}`]
  ))];
}

/** By hash, so that the script says who is asked; nothing else ejects than what a scenario is about. */
function cluster(fields: Record<string, unknown>, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    lb_policy: 'RING_HASH',
    common_lb_config: { healthy_panic_threshold: { value: 0 }, update_merge_window: '0s' },
    outlier_detection: {
      interval: '0.05s', base_ejection_time: '1s', max_ejection_percent: 100,
      enforcing_success_rate: 0, enforcing_local_origin_success_rate: 0, ...fields,
    },
    ...more,
  };
}

const KINDS = ['consecutive_5xx', 'consecutive_gateway_failure', 'consecutive_local_origin_failure'];

export const OUTLIER_SCENARIOS: readonly Scenario[] = [
  {
    name: 'five server errors in a row eject, fewer and a success do not, and time brings the host back',
    hosts: 'abc', counters: detected('consecutive_5xx'), gauges: GAUGES, cluster: cluster({}),
    steps: [
      { set: { a: '500' }, ask: 'aaaa' },
      { set: { a: '200' }, ask: 'ab' },
      { set: { a: '503' }, ask: 'aaaa' },
      { ask: 'a' },
      { ask: 'a' },
      { pass: 0.5, ask: 'b' },
      { set: { a: '200' }, pass: 1, ask: 'aab' },
      { set: { a: '500' }, ask: 'aaaa' },
      { ask: 'a' },
    ],
  },
  {
    name: 'each ejection is longer than the one before, up to the maximum, and peace forgives',
    hosts: 'ab', counters: detected('consecutive_5xx'), gauges: GAUGES,
    cluster: cluster({ base_ejection_time: '0.5s', max_ejection_time: '1.2s', consecutive_5xx: 1 }),
    steps: [
      { set: { a: '500' }, ask: 'a' },
      { pass: 0.25 }, { pass: 0.5 },
      { ask: 'a' },
      { pass: 0.75 }, { pass: 0.5 },
      { ask: 'a' },
      { pass: 1 }, { pass: 0.45 },
      { ask: 'a' },
      { pass: 1 }, { pass: 0.45 },
      { pass: 1, ask: 'a' },
      { pass: 0.25 }, { pass: 0.5 },
    ],
  },
  {
    name: 'gateway failures are counted apart from other server errors',
    hosts: 'ab', counters: detected('consecutive_5xx', 'consecutive_gateway_failure'), gauges: GAUGES,
    cluster: cluster({
      consecutive_gateway_failure: 2, enforcing_consecutive_gateway_failure: 100, consecutive_5xx: 4,
    }),
    steps: [
      { set: { a: '500' }, ask: 'a' }, { set: { a: '502' }, ask: 'a' }, { set: { a: '500' }, ask: 'a' },
      { set: { a: '504' }, ask: 'a' },
      { pass: 1.5, ask: 'b' },
      { set: { a: '503' }, ask: 'a' }, { ask: 'a' },
    ],
  },
  {
    name: 'an enforcing share of 0 counts what it would have done',
    hosts: 'ab', counters: detected('consecutive_5xx', 'consecutive_gateway_failure'), gauges: GAUGES,
    cluster: cluster({ consecutive_5xx: 3, enforcing_consecutive_5xx: 0, consecutive_gateway_failure: 2 }),
    steps: [{ set: { a: '503' }, ask: 'aaaaaaa' }, { ask: 'b' }],
  },
  {
    name: 'connection failures are 503 where they are not counted apart',
    hosts: 'ab', counters: detected(...KINDS), gauges: GAUGES, byHost: false,
    cluster: cluster({ consecutive_5xx: 3, consecutive_gateway_failure: 3, consecutive_local_origin_failure: 2 }),
    steps: [{ set: { a: 'refuse' }, ask: 'aa' }, { ask: 'a' }, { ask: 'a' }],
  },
  {
    name: 'connection failures and resets apart from responses (split_external_local_origin_errors)',
    hosts: 'ab', counters: detected(...KINDS), gauges: GAUGES, byHost: false,
    cluster: cluster({
      consecutive_5xx: 3, consecutive_local_origin_failure: 2, split_external_local_origin_errors: true,
    }),
    steps: [
      { set: { a: '500' }, ask: 'aa' },
      { set: { a: 'reset' }, ask: 'a' },
      { set: { a: '500' }, ask: 'a' },
      { pass: 1.5, ask: 'b' },
      { set: { a: 'refuse' }, ask: 'a' }, { ask: 'a' }, { ask: 'a' },
    ],
  },
  {
    name: 'a reset comes after connecting went well, and so no two of them are in a row',
    hosts: 'ab', counters: detected(...KINDS), gauges: GAUGES, byHost: false,
    cluster: cluster({
      consecutive_5xx: 3, consecutive_local_origin_failure: 2, split_external_local_origin_errors: true,
    }),
    steps: [{ set: { a: 'reset' }, ask: 'aaaa' }, { set: { a: 'refuse' }, ask: 'aa' }],
  },
  {
    name: 'a TCP connection that is made ends a row of failures, and its end is none',
    hosts: 'a', tcp: true, counters: detected(...KINDS), gauges: GAUGES, cluster: cluster({ consecutive_5xx: 3 }),
    steps: [
      { set: { a: 'refuse' }, ask: '..' }, { set: { a: '200' }, ask: '.' }, { set: { a: 'refuse' }, ask: '..' },
      { set: { a: 'reset' }, ask: '....' },
      { set: { a: 'refuse' }, ask: '..' }, { ask: '.' }, { ask: '.' },
    ],
  },
  {
    name: 'a timeout counts as 504, and as local where that is counted apart',
    hosts: 'ab', counters: detected(...KINDS), gauges: GAUGES, byHost: false, route: { timeout: '0.2s' },
    cluster: cluster({
      consecutive_5xx: 5, consecutive_local_origin_failure: 2, split_external_local_origin_errors: true,
    }),
    steps: [{ set: { a: 'hold' }, ask: 'a' }, { ask: 'a' }, { ask: 'b' }],
  },
  {
    name: 'no more than max_ejection_percent go',
    hosts: 'abcd', counters: detected('consecutive_5xx'), gauges: GAUGES, byHost: false,
    cluster: cluster({ consecutive_5xx: 1, max_ejection_percent: 50 }),
    steps: [
      { set: { a: '500', b: '500', c: '500' }, ask: 'a' }, { ask: 'b' }, { ask: 'c' }, { ask: 'c' },
      { pass: 1.5 }, { ask: 'c' },
    ],
  },
  {
    name: 'the default of 10 % lets none of three go',
    hosts: 'abc', counters: detected('consecutive_5xx'), gauges: GAUGES,
    cluster: cluster({ consecutive_5xx: 1, max_ejection_percent: 10 }),
    steps: [{ set: { a: '500', b: '500' }, ask: 'a' }, { ask: 'b' }],
  },
  {
    name: 'always_eject_one_host lets one go whatever the percentage',
    hosts: 'abc', counters: detected('consecutive_5xx'), gauges: GAUGES,
    cluster: cluster({ consecutive_5xx: 1, max_ejection_percent: 0, always_eject_one_host: true }),
    steps: [{ set: { a: '500', b: '500' }, ask: 'a' }, { ask: 'b' }],
  },
  {
    name: 'the last host goes too, and without panic nobody is left',
    hosts: 'ab', counters: detected('consecutive_5xx'), gauges: GAUGES,
    cluster: cluster({ consecutive_5xx: 1 }),
    steps: [{ set: { a: '500', b: '500' }, ask: 'a' }, { ask: 'b' }, { ask: 'ab' }],
  },
  {
    name: 'success rates far below the others\' eject',
    hosts: 'abcde', counters: detected('success_rate', 'consecutive_5xx'), gauges: GAUGES,
    cluster: cluster({
      interval: '2s', base_ejection_time: '20s', enforcing_success_rate: 100, success_rate_request_volume: 4,
      success_rate_stdev_factor: 1200, consecutive_5xx: 100,
    }),
    steps: [
      { set: { a: '500' }, start: 'aaaa' + 'bbbb' + 'cccc' + 'dddd' + 'eeee' },
      { pass: 2.5 },
      { start: 'bbbb' + 'cccc' + 'dddd' + 'eeee', pass: 2.5 },
    ],
  },
  {
    name: 'failure percentages at the threshold eject',
    hosts: 'abcde', counters: detected('failure_percentage', 'success_rate'), gauges: GAUGES,
    cluster: cluster({
      interval: '2s', base_ejection_time: '20s', enforcing_failure_percentage: 100,
      failure_percentage_request_volume: 4, failure_percentage_threshold: 75, consecutive_5xx: 100,
    }),
    steps: [
      { set: { a: '500', b: '500' }, start: 'aaa' + 'bb' + 'cccc' + 'dddd' + 'eeee' },
      { set: { a: '200', b: '200' }, start: 'abb' },
      { pass: 2.5 },
    ],
  },
  {
    name: 'success rates of connecting, where that is counted apart',
    hosts: 'abcde', counters: detected('local_origin_success_rate', 'success_rate'), gauges: GAUGES, byHost: false,
    cluster: cluster({
      interval: '2s', base_ejection_time: '20s', enforcing_local_origin_success_rate: 100,
      split_external_local_origin_errors: true, success_rate_request_volume: 4, success_rate_stdev_factor: 1200,
      consecutive_local_origin_failure: 100,
    }),
    steps: [
      { set: { a: 'refuse' }, start: 'aaaa' + 'bbbb' + 'cccc' + 'dddd' + 'eeee' },
      { pass: 2.5 },
    ],
  },
  {
    name: 'failure percentages of connecting, where that is counted apart',
    hosts: 'abc', counters: detected('local_origin_failure_percentage', 'failure_percentage'), gauges: GAUGES,
    byHost: false,
    cluster: cluster({
      interval: '2s', base_ejection_time: '20s', enforcing_failure_percentage_local_origin: 100,
      split_external_local_origin_errors: true, failure_percentage_request_volume: 4,
      failure_percentage_minimum_hosts: 3, failure_percentage_threshold: 50, consecutive_local_origin_failure: 100,
      consecutive_5xx: 100,
    }),
    steps: [
      { set: { a: 'reset', b: '500' }, start: 'aaaa' + 'bbbb' + 'cccc' },
      { pass: 2.5 },
    ],
  },
  {
    name: 'a check that passes ends an ejection',
    hosts: 'ab', counters: detected('consecutive_5xx'), gauges: GAUGES, checked: 'ab',
    cluster: cluster({ consecutive_5xx: 1, base_ejection_time: '100s' }, { health_checks: [httpCheck()] }),
    steps: [
      { set: { a: '500' }, ask: 'a' },
      { check: 'b 200' }, { check: 'a 503' }, { check: 'a 200' }, { check: 'a 200' }, { ask: 'b' },
      { ask: 'a' }, { check: 'a 200' },
    ],
  },
  {
    name: 'a check that passes ends no ejection where it should not',
    hosts: 'ab', counters: detected('consecutive_5xx'), gauges: GAUGES, checked: 'ab',
    cluster: cluster(
      { consecutive_5xx: 1, base_ejection_time: '100s', successful_active_health_check_uneject_host: false },
      { health_checks: [httpCheck()] },
    ),
    steps: [{ set: { a: '500' }, ask: 'a' }, { check: 'a 200' }, { check: 'a 200' }, { ask: 'a' }],
  },
];
