// The stateful session filter on its own: what it asks for, and what routes say in its place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountedStats } from '../../test/harness/counted.ts';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import type { StatefulSession } from '../config/stateful-session.ts';
import { ResponseHead } from '../http/message.ts';
import { flagBit } from '../telemetry/response-flag.ts';
import { httpScope } from '../telemetry/stat-name.ts';
import { encodeSession } from './session-cookie.ts';
import { SessionRouteRules } from './session-rules.ts';
import { StatefulSessionFilter } from './stateful-session.ts';

const COOKIE = 'type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState';
const BY_COOKIE = { name: 'c', typedConfig: { '@type': COOKIE, cookie: { name: 'sid', path: '/in/' } } } as const;

function setUp(config: StatefulSession) {
  const counted = new CountedStats();
  return { counted, filter: new StatefulSessionFilter('s', config, { stats: counted.stats, scope: httpScope('p') }) };
}

function streamTo(path: string, address: string, route?: SessionRouteRules): HeldFilterStream {
  const perFilterConfig = new Map(route === undefined ? [] : [['s', route]]);
  return new HeldFilterStream({ path, fields: ['cookie', `sid=${encodeSession(address, 0)}`], perFilterConfig });
}

/** The cookie that an answer of this endpoint gives. */
function answered(filter: StatefulSessionFilter, stream: HeldFilterStream, upstream: string): string | undefined {
  stream.info.upstreamAddress = upstream;
  const head = new ResponseHead(200);
  filter.onResponseHead(stream, head);
  return head.headers.get('set-cookie');
}

test('a request asks for the endpoint of its session, and is told another one', () => {
  const { filter, counted } = setUp({ sessionState: BY_COOKIE, statPrefix: 'x', strict: true });
  const stream = streamTo('/in/a', '10.0.0.1:80');
  filter.onRequestHead(stream);
  assert.deepEqual(stream.info.overrideHost, { address: '10.0.0.1:80', strict: true, missingStatus: 503 });
  assert.equal(answered(filter, stream, '10.0.0.1:80'), undefined);
  assert.match(answered(filter, stream, '10.0.0.2:80') ?? '', /^sid="[^"]+"; Path=\/in\/; HttpOnly$/);
  stream.info.flags |= flagBit('UH');
  assert.equal(answered(filter, stream, ''), undefined);
  const name = 'http.p.stateful_session.x';
  assert.deepEqual(counted.counts, { [`${name}.routed`]: 1, [`${name}.failed_closed`]: 1 });
});

test('without a session nothing is asked for or told', () => {
  for (const config of [{ sessionState: BY_COOKIE, statPrefix: 'x' }, { statPrefix: 'x' }]) {
    const { filter, counted } = setUp(config);
    const stream = streamTo('/in', '10.0.0.1:80');
    filter.onRequestHead(stream);
    assert.equal(stream.info.overrideHost, undefined);
    assert.equal(answered(filter, stream, ''), undefined);
    assert.equal(answered(filter, stream, '10.0.0.2:80'), undefined);
    assert.deepEqual(counted.counts, { 'http.p.stateful_session.x.no_session': 1 });
  }
});

test('a route turns it off, or has sessions of its own, which are not counted', () => {
  const { filter, counted } = setUp({ sessionState: BY_COOKIE, statPrefix: 'x' });
  const off = streamTo('/in/a', '10.0.0.1:80', new SessionRouteRules({ disabled: true }));
  filter.onRequestHead(off);
  assert.equal(off.info.overrideHost, undefined);
  assert.equal(answered(filter, off, '10.0.0.2:80'), undefined);
  const config = { sessionState: BY_COOKIE, strict: true, statusOnStrictDestinationNotFound: 410 };
  const own = streamTo('/in/a', '10.0.0.1:80', new SessionRouteRules({ statefulSession: config }));
  filter.onRequestHead(own);
  assert.equal(own.info.overrideHost?.missingStatus, 410);
  assert.notEqual(answered(filter, own, '10.0.0.2:80'), undefined);
  assert.deepEqual(counted.counts, {});
});
