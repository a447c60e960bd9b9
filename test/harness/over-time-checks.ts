// Scenarios of active health checks: each check's answer is the script's, and so is what has happened before it.
import { httpCheck } from './over-time.ts';
import type { Scenario } from './over-time.ts';

const GAUGES = ['membership_healthy', 'membership_degraded', 'membership_excluded',
  'health_check.healthy', 'health_check.degraded'];
const COUNTERS = ['success', 'failure', 'network_failure', 'passive_failure'].map((name) => `health_check.${name}`);
const WATCHED = { counters: COUNTERS, gauges: GAUGES, unitMs: 250 };

function cluster(check: Record<string, unknown>, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    lb_policy: 'RING_HASH', health_checks: [httpCheck(check)],
    common_lb_config: { healthy_panic_threshold: { value: 0 }, update_merge_window: '0s' }, ...more,
  };
}

const TWICE_RETRIABLE = { http_health_check: { path: '/health', retriable_statuses: [{ start: 503, end: 504 }] } };

export const CHECK_SCENARIOS: readonly Scenario[] = [
  {
    name: 'an unexpected status takes a host out at once, and healthy_threshold brings it back',
    hosts: 'ab', checked: 'a', ...WATCHED, counters: [], cluster: cluster({ healthy_threshold: 3 }),
    steps: [
      { check: 'a 200', ask: 'ab' }, { check: 'a 503', ask: 'ab' }, { check: 'a 200' }, { check: 'a 200' },
      { check: 'a 503' }, { check: 'a 200' }, { check: 'a 200' }, { check: 'a 200', ask: 'ab' },
    ],
  },
  {
    name: 'retriable statuses, resets and silence count up to unhealthy_threshold',
    hosts: 'a', checked: 'a', ...WATCHED, cluster: cluster({
      // On a connection that has carried checks before, weft asks again over another one.
      ...TWICE_RETRIABLE, unhealthy_threshold: 3, timeout: '0.5s', reuse_connection: false,
    }),
    steps: [
      { check: 'a 503' }, { check: 'a 503' }, { check: 'a 200' }, { check: 'a 503' }, { check: 'a reset' },
      { check: 'a 503' }, { check: 'a 200' }, { check: 'a 503' }, { check: 'a 200' }, { check: 'a 200' },
      { check: 'a reset' }, { check: 'a hang' }, { check: 'a reset', ask: 'a' },
    ],
  },
  {
    name: 'a host whose first check passes is in at once',
    hosts: 'ab', checked: 'ab', ...WATCHED, counters: [], cluster: cluster({ healthy_threshold: 100 }),
    steps: [{ ask: 'ab' }],
  },
  {
    name: 'a host whose first check fails is out at once, and the threshold holds for it',
    hosts: 'ab', checked: 'a', firstChecks: { a: '503' }, ...WATCHED, counters: [],
    cluster: cluster({ ...TWICE_RETRIABLE, unhealthy_threshold: 100, healthy_threshold: 2 }),
    steps: [{ ask: 'ab' }, { check: 'a 200' }, { check: 'a 200', ask: 'ab' }],
  },
  {
    name: 'intervals by what is known, and at its edges',
    hosts: 'a', checked: 'a', ...WATCHED,
    cluster: cluster({
      ...TWICE_RETRIABLE, unhealthy_threshold: 3, healthy_threshold: 3, interval: '0.25s', unhealthy_interval: '0.5s',
      unhealthy_edge_interval: '0.75s', healthy_edge_interval: '1s',
    }),
    steps: [
      { ask: 'a' }, { check: 'a 200' }, { check: 'a 200' }, { check: 'a 503' }, { check: 'a 503' }, { check: 'a 503' },
      { check: 'a 503' }, { check: 'a 503' }, { check: 'a 200' }, { check: 'a 200' }, { check: 'a 200' },
      { check: 'a 200' }, { check: 'a 503' }, { check: 'a 200' }, { check: 'a 200' },
    ],
  },
  {
    name: 'checks are as rare as configured until the cluster is used',
    hosts: 'a', checked: 'a', ...WATCHED,
    cluster: cluster({
      interval: '0.25s', no_traffic_interval: '1s', no_traffic_healthy_interval: '0.5s', healthy_threshold: 1,
    }),
    steps: [
      { check: 'a 200' }, { check: 'a 200' }, { check: 'a 503' }, { check: 'a 503' }, { check: 'a 200' },
      { check: 'a 200', ask: 'a' }, { check: 'a 200' }, { check: 'a 200' },
    ],
  },
  {
    name: 'a degraded host gets what the others leave',
    hosts: 'ab', checked: 'a', ...WATCHED, counters: [], cluster: cluster({ healthy_threshold: 1 }),
    steps: [
      { check: 'a degraded' }, { ask: 'ab' }, { check: 'a 200', ask: 'ab' }, { check: 'a degraded' },
      { check: 'a 503' }, { check: 'a degraded', ask: 'ab' },
    ],
  },
  {
    name: 'a response says that its host fails its checks (x-envoy-immediate-health-check-fail)',
    hosts: 'ab', checked: 'a', ...WATCHED, cluster: cluster({ healthy_threshold: 2 }), counters: [],
    steps: [
      { check: 'a 200' }, { set: { a: 'immediate' }, ask: 'a' }, { ask: 'a' }, { check: 'a 200' },
      { check: 'a 200', ask: 'a' },
    ],
  },
  {
    name: 'those who ask for no more requests don\'t count where too few are left',
    hosts: 'abcd', checked: 'abcd', ...WATCHED, counters: ['lb_healthy_panic'],
    cluster: {
      ...cluster({}), common_lb_config: { healthy_panic_threshold: { value: 60 }, update_merge_window: '0s' },
    },
    steps: [
      { set: { a: 'immediate', b: 'immediate' }, ask: 'ab' }, { ask: 'abcd' }, { check: 'c 503', ask: 'abcd' },
      { check: 'a 503', ask: 'abcd' },
    ],
  },
  {
    name: 'all ask for no more requests: panic has all of them',
    hosts: 'ab', checked: 'ab', ...WATCHED, counters: ['lb_healthy_panic'],
    cluster: { ...cluster({}), common_lb_config: { update_merge_window: '0s' } },
    steps: [{ set: { a: 'immediate', b: 'immediate' }, ask: 'a' }, { ask: 'b' }, { ask: 'ab' }],
  },
  {
    name: 'a check\'s answer may say the same',
    hosts: 'ab', checked: 'a', ...WATCHED, cluster: cluster({ healthy_threshold: 2 }), counters: [],
    steps: [{ check: 'a 200' }, { check: 'a immediate' }, { ask: 'a' }, { check: 'a 200' }, { check: 'a 200' }],
  },
  {
    name: 'F31 all fail their checks: panic has all of them',
    hosts: 'ab', checked: 'ab', ...WATCHED, counters: ['lb_healthy_panic'],
    cluster: { ...cluster({}), common_lb_config: { update_merge_window: '0s' } },
    steps: [{ check: 'a 503' }, { ask: 'ab' }, { check: 'b 503' }, { ask: 'ab' }],
  },
  {
    name: 'F31 all fail their checks and the threshold is 0: nobody is asked',
    hosts: 'ab', checked: 'ab', ...WATCHED, counters: ['lb_healthy_panic'], cluster: cluster({}),
    steps: [{ check: 'a 503' }, { ask: 'ab' }, { check: 'b 503' }, { ask: 'ab' }],
  },
  {
    name: 'panic begins below its threshold, not at it',
    hosts: 'abcd', checked: 'abcd', ...WATCHED, counters: ['lb_healthy_panic'],
    cluster: {
      ...cluster({}), common_lb_config: { healthy_panic_threshold: { value: 50 }, update_merge_window: '0s' },
    },
    steps: [
      { check: 'a 503' }, { check: 'b 503', ask: 'abcd' }, { check: 'c 503', ask: 'abcd' },
      { check: 'd 503', ask: 'abcd' },
    ],
  },
];
