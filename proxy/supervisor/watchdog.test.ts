// A worker that hangs, by real threads that do, and time that passes in looks.
import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { until } from '../../test/harness/until.ts';
import { BEAT_MS, Heartbeats, startBeating } from '../base/heartbeat.ts';
import { systemClock } from '../base/clock.ts';
import { Logger } from '../telemetry/log.ts';
import { Stats } from '../telemetry/stats.ts';
import { StatsMerger } from './stats-merger.ts';
import { HANG_LOOKS, Watchdog } from './watchdog.ts';
import type { Watched } from './watchdog.ts';

interface Scene {
  readonly beats: Heartbeats;
  readonly memory: SharedArrayBuffer;
  readonly lines: string[];
  readonly worker: { isRunning: boolean; work: string | undefined; ended: number };
  readonly look: (times: number) => void;
  read(name: string): number;
}

function scene(terminate: () => Promise<void> = () => Promise.resolve()): Scene {
  const memory = new SharedArrayBuffer(Heartbeats.bytesFor(1));
  const beats = new Heartbeats(memory);
  const merger = new StatsMerger();
  const lines: string[] = [];
  const state = { isRunning: true, work: undefined as string | undefined, ended: 0 };
  const watched: Watched = {
    index: 0,
    get isRunning() { return state.isRunning; },
    get work() { return state.work; },
    terminate: () => {
      state.ended++;
      return terminate();
    },
  };
  const log = new Logger('info', systemClock, (line) => lines.push(line) > 0).component('worker');
  const watchdog = new Watchdog(beats, () => [watched], new Stats(merger.source()), log);
  const look = (times: number): void => {
    for (let i = 0; i < times; i++) watchdog.look();
  };
  return { beats, memory, lines, worker: state, look, read: (name) => merger.read(`server.${name}`) };
}

test('S85 a worker that does not beat is counted, told of with its work, and ended once', () => {
  const { lines, worker, look, read } = scene();
  worker.work = 'configuration of kind route';
  look(4);
  assert.equal(read('watchdog_miss'), 0);
  look(1);
  assert.equal(read('watchdog_miss'), 1);
  look(4);
  assert.equal(read('watchdog_mega_miss'), 1);
  assert.match(lines.join(''), /worker 0 has not come back .* for 2 s; it was given configuration of kind route/);
  look(HANG_LOOKS);
  assert.deepEqual([worker.ended, read('watchdog_ended')], [1, 1]);
  assert.match(lines.join(''), /worker 0 hangs for 10 s, and is ended/);
});

test('S85 one that comes back is told of and begins anew; one that starts or stops is not watched', () => {
  const { beats, lines, worker, look } = scene();
  look(HANG_LOOKS);
  beats.beat(0);
  look(HANG_LOOKS);
  assert.match(lines.join(''), /worker 0 is back after 9\.75 s/);
  worker.isRunning = false;
  look(3 * HANG_LOOKS);
  assert.equal(worker.ended, 0);
});

test('F29 a process that stood still has missed one look, however long it did', () => {
  const { beats, lines, worker, look, read } = scene();
  look(2);
  beats.beat(0);
  // Nobody looks while all threads stand still; then both go on, in whatever order.
  look(1);
  look(1);
  beats.beat(0);
  look(1);
  assert.deepEqual([worker.ended, read('watchdog_miss'), lines.length], [0, 0, 0]);
});

test('S85 a thread in an endless loop is ended', async (t: TestContext) => {
  const made = scene(async () => {
    await thread.terminate();
  });
  const thread = new Worker(`
    const { parentPort, workerData } = require('node:worker_threads');
    const beats = new Int32Array(workerData);
    setInterval(() => Atomics.add(beats, 0, 1), 5);
    parentPort.on('message', () => { for (;;); });
  `, { eval: true, workerData: made.memory });
  t.after(() => thread.terminate());
  let exited = false;
  thread.on('exit', () => (exited = true));
  await until('it beats', () => made.beats.count(0) > 0);
  thread.postMessage('hang');
  let last = -1;
  await until('it hangs', async () => {
    const before = last;
    last = made.beats.count(0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    return before === last;
  });
  made.look(HANG_LOOKS + 1);
  await until('it is ended', () => exited);
});

test('S85 a beat that was held is late by that', async () => {
  const late: number[] = [];
  let beats = 0;
  const stop = startBeating(systemClock, () => beats++, (ms) => late.push(ms));
  const endMs = performance.now() + 2 * BEAT_MS;
  while (performance.now() < endMs);
  await until('it beats', () => beats > 0);
  stop();
  assert.ok(late[0]! >= BEAT_MS * 0.9, String(late[0]));
});
