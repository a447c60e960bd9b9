// Scenarios of priorities, localities and slow start: who gets which share of the requests while hosts come and go.
import { httpCheck } from './over-time.ts';
import type { Locality, Scenario } from './over-time.ts';

const REQUESTS = 600;

function cluster(more: Record<string, unknown> = {}, common: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    lb_policy: 'RANDOM', health_checks: [httpCheck({ healthy_threshold: 1 })],
    common_lb_config: { update_merge_window: '0s', ...common }, ...more,
  };
}

function shares(weights: Readonly<Record<string, number>>) {
  return { requests: REQUESTS, weights };
}

const WATCHED = { gauges: ['membership_healthy'], byHost: false };
const TWO_LEVELS: readonly Locality[] = [{ hosts: 'abcd' }, { hosts: 'xy', priority: 1, zone: 'far' }];
const WEIGHTED: readonly Locality[] = [
  { hosts: 'ab', zone: 'one', weight: 3 }, { hosts: 'xy', zone: 'two', weight: 1 },
];

export const BALANCE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'what a priority lacks beyond the overprovisioning spills to the next, and comes back',
    hosts: 'abcdxy', checked: 'abcd', localities: TWO_LEVELS, ...WATCHED, cluster: cluster(),
    steps: [
      { shares: shares({ a: 1, b: 1, c: 1, d: 1 }) },
      // 3 of 4 at 140 % are complete; 2 of 4 carry 70 %, 1 of 4 carries 35 %.
      { check: 'a 503', shares: shares({ b: 1, c: 1, d: 1 }) },
      { check: 'b 503', shares: shares({ c: 35, d: 35, x: 15, y: 15 }) },
      { check: 'c 503', shares: shares({ d: 35, x: 32.5, y: 32.5 }) },
      { check: 'd 503', shares: shares({ x: 1, y: 1 }) },
      { check: 'a 200', shares: shares({ a: 35, x: 32.5, y: 32.5 }) },
      { check: 'b 200', shares: shares({ a: 35, b: 35, x: 15, y: 15 }) },
      { check: 'c 200', shares: shares({ a: 1, b: 1, c: 1 }) },
    ],
  },
  {
    name: 'F31 priorities in panic share by their sizes',
    hosts: 'abcdxy', checked: 'abcdxy', localities: TWO_LEVELS, ...WATCHED, cluster: cluster(),
    steps: [
      { check: 'a 503' }, { check: 'b 503' }, { check: 'c 503' }, { check: 'x 503' },
      // Together they carry 35 % and 70 %: still enough for all.
      { shares: shares({ d: 35, y: 65 }) },
      { check: 'y 503', shares: shares({ a: 1, b: 1, c: 1, d: 1, x: 1, y: 1 }) },
      { check: 'd 503', shares: shares({ a: 1, b: 1, c: 1, d: 1, x: 1, y: 1 }) },
    ],
  },
  {
    name: 'without a panic threshold an exhausted cluster answers 503',
    hosts: 'abcdxy', checked: 'abcdxy', localities: TWO_LEVELS, ...WATCHED,
    cluster: cluster({}, { healthy_panic_threshold: { value: 0 } }),
    steps: [
      { check: 'a 503' }, { check: 'b 503' }, { check: 'c 503' }, { check: 'd 503' }, { check: 'x 503' },
      { shares: shares({ y: 1 }) }, { check: 'y 503', ask: '....' }, { check: 'c 200', shares: shares({ c: 1 }) },
    ],
  },
  {
    name: 'an overprovisioning factor of 100 spills at once',
    hosts: 'abcdxy', checked: 'a', localities: TWO_LEVELS, ...WATCHED, cluster: cluster(), overprovisioning: 100,
    steps: [{ check: 'a 503', shares: shares({ b: 25, c: 25, d: 25, x: 12.5, y: 12.5 }) }],
  },
  {
    name: 'localities lose the weight that their failed hosts leave',
    hosts: 'abxy', checked: 'abx', localities: WEIGHTED, ...WATCHED,
    cluster: cluster({}, { locality_weighted_lb_config: {} }),
    steps: [
      { shares: shares({ a: 37.5, b: 37.5, x: 12.5, y: 12.5 }) },
      // Half of the hosts at 140 % keep 70 % of a locality's weight.
      { check: 'a 503', shares: shares({ b: 2.1, x: 0.5, y: 0.5 }) },
      { check: 'b 503', shares: shares({ x: 1, y: 1 }) },
      { check: 'a 200', shares: shares({ a: 2.1, x: 0.5, y: 0.5 }) },
    ],
  },
  {
    name: 'a degraded host is used when the healthy ones cannot carry all',
    hosts: 'abcd', checked: 'abcd', ...WATCHED, gauges: ['membership_healthy', 'membership_degraded'],
    cluster: cluster({}, { healthy_panic_threshold: { value: 0 } }),
    steps: [
      { check: 'a degraded', shares: shares({ b: 1, c: 1, d: 1 }) },
      { check: 'b 503', shares: shares({ a: 30, c: 35, d: 35 }) },
      { check: 'c 503', shares: shares({ a: 50, d: 50 }) },
      { check: 'd 503', shares: shares({ a: 1 }) },
    ],
  },
  {
    name: 'F10 ejections and the panic threshold: those who are out come back into play when too few are left',
    hosts: 'abcd', ...WATCHED,
    gauges: ['membership_healthy', 'outlier_detection.ejections_active'],
    cluster: {
      lb_policy: 'RANDOM', common_lb_config: { update_merge_window: '0s' },
      outlier_detection: {
        interval: '0.05s', base_ejection_time: '60s', max_ejection_percent: 100, consecutive_5xx: 2,
        enforcing_success_rate: 0,
      },
    },
    steps: [
      { set: { a: '500' }, ask: '.'.repeat(80), anyAnswer: true },
      { shares: shares({ b: 1, c: 1, d: 1 }) },
      { set: { b: '500' }, ask: '.'.repeat(80), anyAnswer: true },
      { shares: shares({ c: 1, d: 1 }) },
      { set: { c: '500' }, ask: '.'.repeat(80), anyAnswer: true },
      { shares: shares({ a: 1, b: 1, c: 1, d: 1 }) },
    ],
  },
  {
    name: 'ejections fail over to the next priority, and back when their time is over',
    hosts: 'abxy', localities: [{ hosts: 'ab', zone: 'near' }, { hosts: 'xy', priority: 1, zone: 'far' }],
    ...WATCHED, gauges: ['membership_healthy', 'outlier_detection.ejections_active'],
    cluster: {
      lb_policy: 'RANDOM', common_lb_config: { update_merge_window: '0s', healthy_panic_threshold: { value: 0 } },
      outlier_detection: {
        interval: '0.05s', base_ejection_time: '6s', max_ejection_percent: 100, consecutive_5xx: 1,
        enforcing_success_rate: 0,
      },
    },
    steps: [
      { shares: shares({ a: 1, b: 1 }) },
      { set: { a: '500' }, ask: '.'.repeat(30), anyAnswer: true },
      // One of two at 140 %.
      { set: { a: '200' }, shares: shares({ b: 70, x: 15, y: 15 }) },
      { set: { b: '500' }, ask: '.'.repeat(30), anyAnswer: true },
      { set: { b: '200' }, shares: shares({ x: 1, y: 1 }) },
      { pass: 7, shares: shares({ a: 1, b: 1 }) },
    ],
  },
  {
    name: 'F11 a host that comes back is let in slowly',
    hosts: 'abcd', checked: 'a', ...WATCHED,
    cluster: cluster({
      lb_policy: 'ROUND_ROBIN',
      round_robin_lb_config: {
        slow_start_config: { slow_start_window: '4s', min_weight_percent: { value: 50 } },
      },
    }),
    steps: [
      { pass: 4.5, shares: shares({ a: 1, b: 1, c: 1, d: 1 }) },
      { check: 'a 503', shares: shares({ b: 1, c: 1, d: 1 }) },
      // Under half of the window it has its least weight.
      { check: 'a 200', shares: shares({ a: 0.5, b: 1, c: 1, d: 1 }) },
      { pass: 4.5, shares: shares({ a: 1, b: 1, c: 1, d: 1 }) },
    ],
  },
];
