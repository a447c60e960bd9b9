// Scenarios of circuit breakers and retries: each limit full and released, by HTTP/1.1 and HTTP/2.
import type { Scenario } from './over-time.ts';

const OVERFLOWS = ['upstream_cx_overflow', 'upstream_rq_pending_overflow', 'upstream_rq_pending_total',
  'upstream_rq_total', 'upstream_rq_retry_overflow'];
const OPEN = ['cx_open', 'rq_pending_open', 'rq_open', 'rq_retry_open']
  .map((name) => `circuit_breakers.default.${name}`);
const ACTIVE = ['upstream_rq_active', 'upstream_rq_pending_active', 'upstream_cx_active'];
const RETRIES = ['upstream_rq_retry', 'upstream_rq_retry_success', 'upstream_rq_retry_limit_exceeded',
  'upstream_rq_retry_overflow', 'upstream_rq_total'];

function breakers(thresholds: Record<string, unknown>): Record<string, unknown> {
  return { circuit_breakers: { thresholds: [thresholds] } };
}

function both(scenario: Scenario): Scenario[] {
  return [scenario, { ...scenario, name: `${scenario.name} (HTTP/2)`, http2: true }];
}

function retries(fields: Record<string, unknown>): Record<string, unknown> {
  return { retry_policy: { retry_back_off: { base_interval: '0.001s' }, ...fields } };
}

const ONCE_ELSEWHERE = retries({
  retry_on: '5xx', num_retries: 1, host_selection_retry_max_attempts: 30,
  retry_host_predicate: [{
    name: 'previous',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
    },
  }],
});

const BACK_OFF = { base_interval: '0.5s', max_interval: '0.5s' };

const WATCHED = { counters: OVERFLOWS, gauges: [...OPEN, ...ACTIVE] };

export const BREAKER_SCENARIOS: readonly Scenario[] = [
  ...both({
    name: 'max_requests: the one too many is refused until one is over',
    hosts: 'a', ...WATCHED, cluster: breakers({ max_requests: 2 }),
    steps: [
      { set: { a: 'hold' }, start: '.' }, { start: '.' }, { start: '.' }, { release: ['200'] }, { start: '.' },
      { release: ['200', '200'] },
    ],
  }),
  ...both({
    name: 'max_connections: who finds none waits',
    hosts: 'a', ...WATCHED, cluster: breakers({ max_connections: 1 }),
    steps: [
      { set: { a: 'hold' }, start: '.' }, { start: '..' }, { release: ['200'] }, { release: ['200'] },
      { release: ['200'] }, { ask: '', set: { a: '200' } },
    ],
  }),
  ...both({
    name: 'max_pending_requests: who may not wait is refused',
    hosts: 'a', ...WATCHED, cluster: breakers({ max_connections: 1, max_pending_requests: 1 }),
    steps: [
      { set: { a: 'hold' }, start: '.' }, { start: '.' }, { start: '..' }, { release: ['200'] }, { start: '.' },
      { release: ['200'] }, { release: ['200'] },
    ],
  }),
  {
    name: 'a host without a connection gets one beyond max_connections',
    hosts: 'ab', ...WATCHED, cluster: { ...breakers({ max_connections: 1 }), lb_policy: 'RING_HASH' },
    steps: [
      { set: { a: 'hold', b: 'hold' }, start: 'a' }, { start: 'b' }, { start: 'ab' },
      { release: ['200', '200'] }, { release: ['200', '200'] },
    ],
  },
  {
    name: 'nobody may wait, and so nobody may come',
    hosts: 'a', ...WATCHED, cluster: breakers({ max_pending_requests: 0 }),
    steps: [{ ask: '.' }, { ask: '.' }],
  },
  {
    name: 'what remains is told where that is asked for',
    hosts: 'a', counters: OVERFLOWS.slice(1),
    gauges: ['remaining_cx', 'remaining_pending', 'remaining_rq', 'remaining_retries'].map((name) => (
      `circuit_breakers.default.${name}`
    )),
    cluster: breakers({
      max_connections: 3, max_pending_requests: 4, max_requests: 5, max_retries: 6, track_remaining: true,
    }),
    steps: [
      { set: { a: 'hold' }, start: '.' }, { start: '...' }, { release: ['200'] }, { release: ['200', '200', '200'] },
    ],
  },
  {
    name: 'max_retries: a retry that is not over keeps others from theirs',
    hosts: 'ab', counters: [...OVERFLOWS, ...RETRIES], gauges: [...OPEN, 'upstream_rq_active'], byHost: false,
    cluster: { ...breakers({ max_retries: 1 }), lb_policy: 'RING_HASH' },
    route: ONCE_ELSEWHERE,
    steps: [
      { set: { a: '503', b: 'hold' }, start: 'a' }, { ask: 'a' }, { release: ['200'] }, { start: 'a' },
      { release: ['503'] }, { set: { b: '200' }, ask: 'a' },
    ],
  },
  {
    name: 'a retry budget grows with the requests that are active',
    hosts: 'ab', counters: [...OVERFLOWS, ...RETRIES], gauges: [...OPEN, 'upstream_rq_active'], byHost: false,
    cluster: {
      ...breakers({ retry_budget: { budget_percent: { value: 50 }, min_retry_concurrency: 1 } }),
      lb_policy: 'RING_HASH',
    },
    route: ONCE_ELSEWHERE,
    steps: [
      { set: { a: '503', b: 'hold' }, start: 'a' }, { ask: 'a' }, { start: 'bbb' }, { start: 'a' }, { start: 'a' },
      { start: 'bb' }, { start: 'a' }, { release: ['200', '200', '200', '200', '200', '200', '200', '200'] },
      { start: 'a' }, { ask: 'a' }, { release: ['200', '200'] },
    ],
  },
  ...[
    ['5xx', '503'], ['5xx', '500'], ['5xx', 'reset'], ['5xx', 'refuse'], ['5xx', '404'],
    ['gateway-error', '502'], ['gateway-error', '500'], ['reset', 'reset'], ['reset', 'refuse'], ['reset', '503'],
    ['reset-before-request', 'reset'], ['reset-before-request', 'refuse'],
    ['connect-failure', 'refuse'], ['connect-failure', 'reset'], ['connect-failure', '503'],
    ['retriable-4xx', '409'], ['retriable-4xx', '404'], ['envoy-ratelimited', 'limited'], ['5xx', 'limited'],
    ['refused-stream', 'reset'], ['retriable-status-codes', '418'],
  ].map(([on, does]) => ({
    name: `retry_on ${on} where the host answers ${does}`,
    hosts: 'a', counters: RETRIES, byHost: false, cluster: {},
    route: retries({ retry_on: on, num_retries: 2, retriable_status_codes: [418] }),
    steps: [{ set: { a: does! }, ask: '.' }, { set: { a: '200' }, ask: '.' }, { set: { a: does! }, ask: '..' }],
  })),
  {
    name: 'a try that takes too long is followed by another, and the last by 504',
    hosts: 'a', counters: [...RETRIES, 'upstream_rq_per_try_timeout', 'upstream_rq_timeout'], byHost: false,
    cluster: {}, route: { ...retries({ retry_on: '5xx', num_retries: 2, per_try_timeout: '0.2s' }), timeout: '5s' },
    steps: [{ set: { a: 'hold' }, ask: '.' }, { set: { a: '200' }, ask: '.' }],
  },
  {
    name: 'the route\'s time ends all tries',
    hosts: 'a', counters: [...RETRIES, 'upstream_rq_per_try_timeout', 'upstream_rq_timeout'], byHost: false,
    cluster: {}, route: { ...retries({ retry_on: '5xx', num_retries: 9, per_try_timeout: '0.2s' }), timeout: '0.5s' },
    steps: [{ set: { a: 'hold' }, ask: '.' }],
  },
  {
    name: 'a retry waits no longer than its back-off',
    hosts: 'a', byHost: false, cluster: {},
    route: { retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: BACK_OFF } },
    // Twice half a second at most.
    steps: [{ set: { a: '503' }, start: '.', still: true }, { pass: 1.3, still: true }],
  },
  {
    name: 'a retry that waits for its time',
    hosts: 'a', counters: RETRIES, gauges: OPEN, byHost: false,
    cluster: breakers({ max_retries: 1 }),
    route: {
      retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '9000s' } }, timeout: '1s',
    },
    steps: [{ set: { a: '503' }, start: '.', still: true }, { pass: 0.3, still: true }, { pass: 1.1 }],
  },
  {
    name: 'a retry waits as long as a response says, and up to half of it more',
    hosts: 'a', counters: ['upstream_rq_total', 'upstream_rq_retry'], gauges: ['upstream_rq_active'], byHost: false,
    cluster: {},
    route: {
      retry_policy: {
        retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.001s' },
        rate_limited_retry_back_off: { reset_headers: [{ name: 'retry-after', format: 'SECONDS' }] },
      },
    },
    steps: [{ set: { a: 'later' }, start: '.', still: true }, { pass: 0.7, still: true }, { pass: 1.2, still: true }],
  },
  {
    name: 'without a policy there is no retry',
    hosts: 'a', counters: RETRIES, byHost: false, cluster: {},
    steps: [{ set: { a: '503' }, ask: '.' }, { set: { a: 'refuse' }, ask: '.' }, { set: { a: 'reset' }, ask: '.' }],
  },
];
