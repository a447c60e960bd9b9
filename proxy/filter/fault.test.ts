// The fault filter: whom it holds and answers, what it counts, and that nothing outlives a stream.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heldCounts } from '../../test/harness/buckets.ts';
import { CountedStats } from '../../test/harness/counted.ts';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import type { FilterStreamFacts } from '../../test/harness/filter-stream.ts';
import { SeededRandom } from '../base/random.ts';
import type { HTTPFault } from '../config/fault.ts';
import { flagsText } from '../telemetry/response-flag.ts';
import { httpScope } from '../telemetry/stat-name.ts';
import { FaultFilter } from './fault.ts';
import { FaultSettings } from './fault-settings.ts';

const ALL = { numerator: 100 } as const;
const DELAY: HTTPFault = { delay: { fixedDelay: '0.5s', percentage: ALL } };
const ABORT: HTTPFault = { abort: { httpStatus: 418, percentage: ALL } };

function filterOf(config: HTTPFault, seed = 1) {
  const counted = new CountedStats();
  const deps = {
    random: new SeededRandom(seed), stats: counted.stats, scope: httpScope('p'), counts: heldCounts(),
  };
  return { filter: new FaultFilter('fault', config, deps, 'typedConfig'), counted };
}

function verdict(config: HTTPFault, facts: FilterStreamFacts = {}): string {
  return filterOf(config).filter.onRequestHead(new HeldFilterStream(facts));
}

test('an abort answers with its status, and is active until the stream is over', () => {
  const { filter, counted } = filterOf(ABORT);
  const stream = new HeldFilterStream();
  assert.equal(filter.onRequestHead(stream), 'replied');
  const [reply] = stream.replies;
  assert.deepEqual({ ...reply, flags: flagsText(reply!.flags) }, {
    status: 418, body: 'fault filter abort', detail: 'fault_filter_abort', flags: 'FI',
  });
  assert.deepEqual(counted.counts, { 'http.p.fault.aborts_injected': 1, 'http.p.fault.active_faults': 1 });
  filter.onComplete(stream);
  assert.deepEqual(counted.counts, { 'http.p.fault.aborts_injected': 1 });
});

test('a gRPC abort says its status to gRPC clients and 200 to others', () => {
  const { filter } = filterOf({ abort: { grpcStatus: 14, percentage: ALL } });
  const stream = new HeldFilterStream();
  filter.onRequestHead(stream);
  assert.equal(stream.replies[0]?.status, 200);
  assert.equal(stream.replies[0]?.grpcStatus, 14);
});

test('a delay holds the request for its time and then lets it go', () => {
  const { filter, counted } = filterOf(DELAY);
  const stream = new HeldFilterStream();
  assert.equal(filter.onRequestHead(stream), 'pause');
  assert.equal(flagsText(stream.info.flags), 'DI');
  stream.advance(490);
  assert.equal(stream.resumed, 0);
  stream.advance(20);
  assert.equal(stream.resumed, 1);
  assert.deepEqual(counted.counts, { 'http.p.fault.delays_injected': 1, 'http.p.fault.active_faults': 1 });
  filter.onComplete(stream);
  assert.deepEqual(counted.counts, { 'http.p.fault.delays_injected': 1 });
});

test('an abort comes after the delay; both are one active fault', () => {
  const { filter, counted } = filterOf({ ...DELAY, ...ABORT });
  const stream = new HeldFilterStream();
  assert.equal(filter.onRequestHead(stream), 'pause');
  assert.equal(stream.replies.length, 0);
  stream.advance(510);
  assert.equal(stream.replies[0]?.status, 418);
  assert.equal(stream.resumed, 0);
  assert.equal(counted.counts['http.p.fault.active_faults'], 1);
  filter.onComplete(stream);
  assert.equal(counted.counts['http.p.fault.active_faults'], undefined);
});

test('a client that goes away takes its delay with it', () => {
  const { filter } = filterOf(DELAY);
  const stream = new HeldFilterStream();
  filter.onRequestHead(stream);
  assert.equal(stream.timers.size, 1);
  filter.onComplete(stream);
  assert.equal(stream.timers.size, 0);
  stream.advance(1000);
  assert.equal(stream.resumed, 0);
});

test('beyond the limit requests pass and are counted', () => {
  const { filter, counted } = filterOf({ ...ABORT, maxActiveFaults: 1 });
  const [first, second, third] = [new HeldFilterStream(), new HeldFilterStream(), new HeldFilterStream()];
  assert.equal(filter.onRequestHead(first), 'replied');
  assert.equal(filter.onRequestHead(second), 'continue');
  filter.onComplete(second);
  assert.equal(counted.counts['http.p.fault.faults_overflow'], 1);
  assert.equal(counted.counts['http.p.fault.active_faults'], 1, 'a request without a fault releases none');
  filter.onComplete(first);
  assert.equal(filter.onRequestHead(third), 'replied');
});

test('a limit of none injects none', () => {
  const { filter, counted } = filterOf({ ...DELAY, ...ABORT, maxActiveFaults: 0 });
  assert.equal(filter.onRequestHead(new HeldFilterStream()), 'continue');
  assert.deepEqual(counted.counts, { 'http.p.fault.faults_overflow': 2 });
});

test('only requests of the cluster and with the headers are concerned', () => {
  const config: HTTPFault = {
    ...ABORT, upstreamCluster: 'ratings', headers: [{ name: 'end-user', stringMatch: { exact: 'jason' } }],
  };
  const jason = ['end-user', 'jason'];
  assert.equal(verdict(config, { cluster: 'ratings', fields: jason }), 'replied');
  assert.equal(verdict(config, { cluster: 'details', fields: jason }), 'continue');
  assert.equal(verdict(config, { cluster: 'ratings', fields: ['end-user', 'eve'] }), 'continue');
  assert.equal(verdict(config, { cluster: 'ratings' }), 'continue');
});

test('S45 a literal header condition is no pattern', () => {
  const config: HTTPFault = { ...ABORT, headers: [{ name: 'x', stringMatch: { exact: 'a.c' } }] };
  assert.equal(verdict(config, { fields: ['x', 'a.c'] }), 'replied');
  assert.equal(verdict(config, { fields: ['x', 'abc'] }), 'continue');
});

test('a route replaces the filter\'s faults whole, also on routes that answer themselves', () => {
  const none = new Map([['fault', new FaultSettings({}, '')]]);
  assert.equal(verdict(ABORT, { perFilterConfig: none }), 'continue');
  const abort = new Map([['fault', new FaultSettings(ABORT, '')]]);
  assert.equal(verdict({}, { perFilterConfig: abort }), 'replied');
  assert.equal(verdict({}, { perFilterConfig: abort, action: 'direct' }), 'replied');
  assert.equal(verdict(ABORT, { perFilterConfig: new Map([['fault', 'of another filter']]) }), 'replied');
  assert.equal(verdict(ABORT, { perFilterConfig: null }), 'replied');
});

test('shares are kept within chance, and are none where they are absent', (t) => {
  const seed = 20_261_123;
  t.diagnostic(`seed ${seed}`);
  const { filter } = filterOf({ abort: { httpStatus: 500, percentage: { numerator: 25 } } }, seed);
  let replied = 0;
  for (let i = 0; i < 4000; i++) if (filter.onRequestHead(new HeldFilterStream()) === 'replied') replied++;
  assert.ok(replied > 850 && replied < 1150, `${replied} of 4000`);
  assert.equal(verdict({ abort: { httpStatus: 500 }, delay: { fixedDelay: '1s' } }), 'continue');
});

test('faults of the configuration are told by their place', () => {
  const bad: HTTPFault = { headers: [{ name: 'x', stringMatch: { prefix: '' } }] };
  assert.throws(() => filterOf(bad), /^ConfigError: typedConfig\.headers\[0\]\.stringMatch\.prefix: /);
});

const BY_HEADER: HTTPFault = {
  delay: { headerDelay: {}, percentage: ALL }, abort: { headerAbort: {}, percentage: ALL },
};

test('S83 clients choose faults where they may, within the share and for a day at most', () => {
  const status = (fields: string[], config = BY_HEADER): number | undefined => {
    const stream = new HeldFilterStream({ fields });
    filterOf(config).filter.onRequestHead(stream);
    return stream.replies[0]?.grpcStatus ?? stream.replies[0]?.status;
  };
  assert.equal(status(['x-envoy-fault-abort-request', '503']), 503);
  assert.equal(status(['x-envoy-fault-abort-grpc-request', '14']), 14);
  assert.equal(status(['x-envoy-fault-abort-request', '99']), undefined);
  const none = ['x-envoy-fault-abort-request-percentage', '0'];
  assert.equal(status(['x-envoy-fault-abort-request', '503', ...none]), undefined);
  assert.equal(status(['x-envoy-fault-abort-request', '503'], ABORT), 418);
  assert.equal(status(['x-envoy-fault-abort-request', '503'], { abort: { headerAbort: {} } }), undefined);
  const held = new HeldFilterStream({ fields: ['x-envoy-fault-delay-request', '999999999999'] });
  assert.equal(filterOf(BY_HEADER).filter.onRequestHead(held), 'pause');
  held.advance(86_400_010);
  assert.equal(held.resumed, 1);
});

test('faults for the nodes that are listed', () => {
  const config = { ...ABORT, downstreamNodes: ['one'] };
  assert.equal(verdict(config, { fields: ['x-envoy-downstream-service-node', 'one'] }), 'replied');
  assert.equal(verdict(config, { fields: ['x-envoy-downstream-service-node', 'two'] }), 'continue');
  assert.equal(verdict(config), 'continue');
});

test('a response is slowed by configuration or by header, and is one active fault with the delay', () => {
  const percentage = ALL;
  const { filter, counted } = filterOf({ ...DELAY, responseRateLimit: { fixedLimit: { limitKbps: 8 }, percentage } });
  const stream = new HeldFilterStream();
  assert.equal(filter.onRequestHead(stream), 'pause');
  assert.deepEqual(stream.paces, [8]);
  assert.deepEqual(counted.counts, { 'http.p.fault.delays_injected': 1, 'http.p.fault.active_faults': 1,
    'http.p.fault.response_rl_injected': 1 });
  const chosen = filterOf({ responseRateLimit: { headerLimit: {}, percentage } }).filter;
  for (const [value, paces] of [['16', [16]], ['0', []], ['x', []]] as const) {
    const asked = new HeldFilterStream({ fields: ['x-envoy-fault-throughput-response', value] });
    assert.equal(chosen.onRequestHead(asked), 'continue');
    assert.deepEqual(asked.paces, paces, value);
  }
});
