// A burst of events is one run: after a quiet time, and not later than the longest wait.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Debounce } from './debounce.ts';

test('it runs once after the quiet time, and after the longest wait where there is none', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let runs = 0;
  const debounce = new Debounce(100, 1000, () => runs++);
  debounce.touch();
  t.mock.timers.tick(99);
  debounce.touch();
  t.mock.timers.tick(99);
  assert.equal(runs, 0);
  t.mock.timers.tick(1);
  assert.equal(runs, 1);
  for (let elapsed = 0; elapsed < 1500; elapsed += 50) {
    debounce.touch();
    t.mock.timers.tick(50);
  }
  assert.equal(runs, 2, 'events without end do not hold it back');
  debounce.cancel();
  t.mock.timers.tick(5000);
  assert.equal(runs, 2);
});
