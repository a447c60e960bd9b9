// Virtual hosts that requests ask for: who is told what, for how long, and how many there may be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../base/clock.ts';
import { TimerWheel } from '../base/timers.ts';
import type { RouteConfiguration, VirtualHost } from '../config/route.ts';
import { ROUTE_TYPE, VIRTUAL_HOST_TYPE } from '../config/type-url.ts';
import { DemandedHosts, DEMANDED_HOSTS_MAX } from './demanded-hosts.ts';

const table = (vhds: boolean): RouteConfiguration => ({
  name: 'r', ...(vhds && { vhds: { configSource: { ads: {} } } }),
  virtualHosts: [{ name: 'own', domains: ['own.test'] }],
});
const host = (name: string, ...domains: string[]): VirtualHost => ({ name, domains });
const named = (name: string, resource: VirtualHost | RouteConfiguration) => ({ name, version: '1', resource });

function start(vhds = true, forgetMs = 0) {
  const clock = new ManualClock();
  const wheel = new TimerWheel(clock);
  let displaced = 0;
  const forgotten: string[][] = [];
  const hosts = new DemandedHosts({
    clock, wheel, forgetMs, onDisplaced: () => { displaced++; },
    onForgotten: (count, tables) => {
      const left = hosts.tables(tables).flatMap(({ resource }) => (resource as RouteConfiguration).virtualHosts ?? []);
      forgotten.push([String(count), ...left.map(({ name }) => name)]);
    },
  });
  hosts.batchOf({ type: ROUTE_TYPE, updated: [named('r', table(vhds))], removed: [] });
  const told: string[] = [];
  const ask = (name: string): boolean => hosts.demand('r', name, (answer) => told.push(`${name} ${answer}`));
  const come = (name: string, value: VirtualHost, isRefused = false): string[] => {
    const batch = { type: VIRTUAL_HOST_TYPE, updated: [named(`r/${name}`, value)], removed: [] } as const;
    const { updated } = hosts.batchOf(batch);
    hosts.settled(batch, isRefused);
    const [made] = updated;
    return ((made?.resource as RouteConfiguration | undefined)?.virtualHosts ?? []).map((each) => each.name);
  };
  const pass = (ms: number): void => {
    clock.advance(ms);
    wheel.advance();
  };
  return { hosts, clock, wheel, told, ask, come, forgotten, pass, displaced: () => displaced };
}

test('a host is asked for once, whoever asks, and stands in its table when they are told', () => {
  const { hosts, told, ask, come } = start();
  assert.deepEqual([ask('a.test'), ask('a.test')], [true, false]);
  assert.deepEqual(hosts.references().map(({ name }) => name), ['r/a.test']);
  assert.deepEqual(come('a.test', host('a', 'a.test', 'own.test')), ['own', 'a']);
  assert.deepEqual(told, ['a.test known', 'a.test known']);
  assert.equal(ask('a.test'), false);
  const gone = { type: VIRTUAL_HOST_TYPE, updated: [], removed: ['r/a.test'] } as const;
  assert.deepEqual(hosts.batchOf(gone).updated.length, 1);
  hosts.settled(gone, false);
  ask('a.test');
  assert.equal(told.at(-1), 'a.test absent');
});

test('a table without vhds has no more hosts, and nobody waits for longer than 5 s', () => {
  assert.deepEqual([start(false).ask('a.test')], [false]);
  const { clock, wheel, told, ask } = start();
  ask('a.test');
  clock.advance(6000);
  wheel.advance();
  assert.deepEqual(told, ['a.test late']);
});

test('so many hosts are asked for; those that are nobody\'s make room first', () => {
  const { hosts, told, ask, come, displaced } = start();
  ask('first.test');
  come('first.test', host('first', 'first.test'));
  ask('nobody.test');
  const gone = { type: VIRTUAL_HOST_TYPE, updated: [], removed: ['r/nobody.test'] } as const;
  hosts.batchOf(gone);
  hosts.settled(gone, false);
  for (let i = 2; i <= DEMANDED_HOSTS_MAX; i++) ask(`${i}.test`);
  const names = hosts.references().map(({ name }) => name);
  assert.equal(names.length, DEMANDED_HOSTS_MAX);
  assert.deepEqual([names.includes('r/first.test'), names.includes('r/nobody.test')], [true, false]);
  assert.deepEqual([displaced(), told], [1, ['first.test known', 'nobody.test absent']]);
});

test('F03 a host that spoils its table is left out of it', () => {
  const { told, ask, come } = start();
  ask('bad.test');
  come('bad.test', host('bad', 'bad.test'), true);
  ask('good.test');
  assert.deepEqual(come('good.test', host('good', 'good.test')), ['own', 'good']);
  assert.deepEqual(told, ['bad.test absent', 'good.test known']);
});

test('a host that no request was for is forgotten, counted from the last use that was told; absent ones too', () => {
  const { hosts, ask, come, forgotten, pass } = start(true, 60_000);
  for (const name of ['a.test', 'b.test', 'nobody.test']) ask(name);
  come('a.test', host('a', 'a.test'));
  come('b.test', host('b', 'b.test'));
  const gone = { type: VIRTUAL_HOST_TYPE, updated: [], removed: ['r/nobody.test'] } as const;
  hosts.batchOf(gone);
  hosts.settled(gone, false);
  pass(40_000);
  hosts.used('r', ['a', 'own']);
  pass(30_000);
  assert.deepEqual(forgotten, [['2', 'own', 'a']]);
  assert.deepEqual(hosts.references().map(({ name }) => name), ['r/a.test']);
  for (let i = 0; i < 5; i++) {
    hosts.used('r', ['a']);
    pass(30_000);
  }
  assert.equal(forgotten.length, 1, 'a stream that goes on is a use');
  pass(60_000);
  assert.deepEqual(forgotten[1], ['1', 'own']);
  assert.deepEqual([hosts.held, ask('a.test')], [0, true], 'it is asked for again');
});

test('what an earlier life used is asked for when its table comes, no more than fits', () => {
  const clock = new ManualClock();
  const hosts = new DemandedHosts({ clock, wheel: new TimerWheel(clock) });
  hosts.remember(Array.from({ length: DEMANDED_HOSTS_MAX + 1 }, (_, i) => `r/${i}.test`));
  assert.deepEqual(hosts.references(), []);
  const told: string[] = [];
  assert.equal(hosts.demand('r', '1.test', (answer) => told.push(answer)), false);
  assert.deepEqual(told, ['late'], 'nobody can say before the table came');
  hosts.batchOf({ type: ROUTE_TYPE, updated: [named('r', table(true))], removed: [] });
  assert.equal(hosts.references().length, DEMANDED_HOSTS_MAX);
  assert.equal(hosts.demand('r', '1.test', () => undefined), false, 'it is asked for already');
});
