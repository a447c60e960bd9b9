// The node agent while roots change and clocks jump: what it trusts, what it hands out, and when it asks.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { readCertificates, rootOf } from '../../certs/chain.ts';
import { addRoot, removeRoot, switchRoot } from '../../certs/root-rotation.ts';
import { openStore } from '../../certs/store.ts';
import { AgentFixture, until } from '../../test/harness/agent-fixture.ts';
import { testRoot } from '../../test/harness/certificates.ts';
import { SeededRandom } from '../base/random.ts';
import type { BundleEvents } from './bundle-client.ts';
import { BundleFollower } from './bundle-follower.ts';

const HOUR_MS = 3_600_000;

function gauge(fixture: AgentFixture, name: string): number {
  return fixture.stats.gauge({ flat: `agent.${name}`, family: '', labels: [] }).value;
}

function counter(fixture: AgentFixture, name: string): number {
  return fixture.stats.counter({ flat: `agent.${name}`, family: '', labels: [] }).value;
}

/** Holds its first certificate, and the stream of roots is open. */
async function started(t: TestContext): Promise<AgentFixture> {
  const fixture = new AgentFixture(t);
  await fixture.start();
  await until(() => fixture.streams.length > 0);
  return fixture;
}

/** A step of `weft ca root`, taken by the fixture's authority and told over the newest stream. */
function step(fixture: AgentFixture, change: typeof addRoot): void {
  const { dir } = fixture.store;
  change({ dir, clock: fixture.clock });
  fixture.ca.use(openStore({ dir, clock: fixture.clock }));
  fixture.streams.at(-1)!.events.onBundle(fixture.ca.roots);
}

function lastRoots(fixture: AgentFixture): string {
  const secret = fixture.secrets.findLast(({ name }) => name === 'ROOTCA');
  return secret!.validationContext!.trustedCa!.inlineString!;
}

/** Whether the certificate in use leads to a root of this PEM text. */
function leadsTo(fixture: AgentFixture, roots: string): boolean {
  return rootOf(readCertificates(fixture.certificate())!, readCertificates(roots)!) !== undefined;
}

test('F05 add is handed out at once, switch renews within a minute, remove takes the old root away', async (t) => {
  const fixture = await started(t);
  assert.equal(fixture.streams.length, 1);
  const old = fixture.ca.roots;
  assert.deepEqual([gauge(fixture, 'trusted_roots'), gauge(fixture, 'issued_by_first_root')], [1, 1]);

  step(fixture, addRoot);
  assert.equal(lastRoots(fixture), fixture.ca.roots);
  assert.equal(gauge(fixture, 'trusted_roots'), 2);
  await fixture.pass(120_000);
  assert.equal(fixture.requests, 1, 'nothing is renewed for a root that does not sign yet');

  step(fixture, switchRoot);
  assert.equal(gauge(fixture, 'issued_by_first_root'), 0);
  assert.ok(leadsTo(fixture, old));
  for (let second = 0; second <= 60; second++) await fixture.pass(1000);
  assert.equal(fixture.requests, 2);
  assert.ok(!leadsTo(fixture, old) && leadsTo(fixture, fixture.ca.roots));
  assert.equal(gauge(fixture, 'issued_by_first_root'), 1);

  step(fixture, removeRoot);
  assert.equal(readCertificates(lastRoots(fixture))!.length, 1);
  assert.notEqual(lastRoots(fixture), old);
  assert.equal(fixture.agent.ready, true);
});

test('F05 the agent renews from an authority of the new root though root_file has the old one alone', async (t) => {
  const fixture = await started(t);
  let verifiedBy = '';
  fixture.answer = async ({ csr, roots }) => {
    verifiedBy = roots;
    return fixture.issue(csr);
  };
  for (const change of [addRoot, switchRoot]) step(fixture, change);
  await fixture.pass(61_000);
  assert.equal(readCertificates(verifiedBy)!.length, 2);
  step(fixture, removeRoot);
  await fixture.pass(15 * HOUR_MS);
  assert.equal(fixture.requests, 3);
  assert.equal(verifiedBy, fixture.ca.roots, 'the removed root verifies no authority any more, whatever the file says');
});

test('F05 F22 an authority that never signs by its first root is asked once more for each bundle, not in a circle',
  async (t) => {
    const fixture = await started(t);
    const other = testRoot();
    fixture.streams[0]!.events.onBundle(other.cert + fixture.ca.roots);
    for (let minute = 0; minute < 30; minute++) await fixture.pass(60_000);
    assert.equal(fixture.requests, 2);
    assert.equal(gauge(fixture, 'issued_by_first_root'), 0);
  });

test('F22 a bundle that is no bundle changes nothing, and an answer under way does not undo a newer one', async (t) => {
  const fixture = await started(t);
  const { events } = fixture.streams[0]!;
  const count = fixture.secrets.length;
  for (const bad of ['', 'nonsense', '-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n']) {
    events.onBundle(bad);
  }
  assert.equal(fixture.secrets.length, count);
  assert.match(fixture.lines.at(-1)!, /a bundle that holds no root; the one before stays/);
  const old = fixture.ca.roots;
  step(fixture, addRoot);
  fixture.answer = async ({ csr }) => [...fixture.issue(csr).slice(0, -1), old];
  await fixture.pass(15 * HOUR_MS);
  assert.equal(fixture.requests, 2);
  assert.equal(lastRoots(fixture), fixture.ca.roots);
});

test('F22 a stream that ends is opened again, ever later; an authority without one is not pressed', async (t) => {
  const { clock, wheel } = new AgentFixture(t);
  const [streams, lines]: [BundleEvents[], string[]] = [[], []];
  const say = (line: string): void => void lines.push(line);
  const follower = new BundleFollower({
    wheel, random: new SeededRandom(7), log: { info: say, warning: say, error: say }, onBundle: () => undefined,
    request: async () => ({ address: 'ca:1', roots: '', token: '' }),
    follow: (_request, events) => {
      streams.push(events);
      return { close: () => undefined };
    },
  });
  t.after(() => follower.stop());
  follower.start();
  const secondsTo = async (count: number): Promise<number> => {
    let seconds = 0;
    for (await turn(); streams.length < count && seconds < 1000; seconds++) {
      clock.advance(1000);
      wheel.advance();
      await turn();
    }
    return seconds;
  };
  assert.equal(await secondsTo(1), 0);
  const pauses: number[] = [];
  for (let end = 0; end < 9; end++) {
    streams.at(-1)!.onEnd('UNAVAILABLE', false);
    pauses.push(await secondsTo(end + 2));
  }
  assert.ok(pauses[0]! <= 1 && pauses.at(-1)! >= 30 && pauses.at(-1)! <= 60, pauses.join());
  assert.equal(lines.filter((line) => line.includes('stream of roots ended')).length, 1);
  streams.at(-1)!.onEnd('UNIMPLEMENTED', true);
  assert.ok(await secondsTo(11) >= 300);
});

test('F21 a clock that jumps forward makes one request, one that jumps back none', async (t) => {
  const fixture = new AgentFixture(t);
  await fixture.start();
  fixture.clock.setWallBy(HOUR_MS);
  await fixture.pass(20_000);
  assert.equal(fixture.requests, 1, 'an hour is no reason to renew a day');
  fixture.clock.setWallBy(14 * HOUR_MS);
  await fixture.newToken();
  await fixture.pass(20_000);
  assert.equal(fixture.requests, 2);
  fixture.clock.setWallBy(-15 * HOUR_MS);
  for (let minute = 0; minute < 60; minute++) await fixture.pass(60_000);
  assert.equal(fixture.requests, 2);
  assert.equal(fixture.agent.ready, true);
  assert.equal(counter(fixture, 'certificate_alarm_two_thirds'), 0);
});

test('F21 a wall clock that stands still renews nothing and breaks nothing; its return is taken up', async (t) => {
  const fixture = new AgentFixture(t);
  await fixture.start();
  const frozenMs = fixture.clock.wallMs();
  for (let minute = 0; minute < 20 * 60; minute += 10) {
    await fixture.pass(600_000);
    fixture.clock.setWallBy(frozenMs - fixture.clock.wallMs());
  }
  assert.equal(fixture.requests, 1);
  fixture.clock.setWallBy(20 * HOUR_MS);
  await fixture.newToken();
  await fixture.pass(10_000);
  assert.equal(fixture.requests, 2);
});

test('F21 F22 an authority an hour ahead is refused by its dates, and pauses are monotonic', async (t) => {
  const fixture = new AgentFixture(t);
  await fixture.start();
  const good = fixture.certificate();
  fixture.clock.setWallBy(-2 * 60_000);
  const ahead = fixture.issue.bind(fixture);
  fixture.answer = async ({ csr }) => {
    fixture.clock.setWallBy(HOUR_MS);
    const chain = ahead(csr);
    fixture.clock.setWallBy(-HOUR_MS);
    return chain;
  };
  while (fixture.requests === 1) await fixture.pass(600_000);
  assert.match(fixture.lines.at(-1)!, /is not valid before .*; compare the clocks/);
  assert.equal(fixture.certificate(), good);
  assert.ok(new X509Certificate(good).validToDate.getTime() > fixture.clock.wallMs());
  const failed = fixture.requests;
  fixture.clock.setWallBy(10 * 60_000); // the pause is no matter of the wall clock
  await fixture.pass(10);
  assert.equal(fixture.requests, failed);
});

test('F22 the alarms are counted, each once in a life', async (t) => {
  const fixture = new AgentFixture(t);
  await fixture.start();
  fixture.answer = async () => Promise.reject(new Error('down'));
  for (let hour = 0; hour < 25; hour++) await fixture.pass(HOUR_MS);
  const names = ['two_thirds', 'nine_tenths', 'expired'];
  assert.deepEqual(names.map((name) => counter(fixture, `certificate_alarm_${name}`)), [1, 1, 1]);
});
