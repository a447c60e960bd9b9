// Descriptors that a process may have, and the clients' share of them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { clientsWithin, limitIn } from './descriptor-limit.ts';

const limitsUnder = (word: string): string =>
  execFileSync('sh', ['-c', `ulimit -n ${word}; cat /proc/self/limits`], { encoding: 'latin1' });

test('F27 the limit that a shell set (sh, ulimit) is read from /proc', { skip: process.platform !== 'linux' }, () => {
  assert.equal(limitIn(limitsUnder('345')), 345);
});

test('F27 no limit, and what is no table of limits, is Infinity', () => {
  assert.equal(limitIn('Max open files            unlimited            unlimited            files     \n'), Infinity);
  for (const text of ['', 'Max open files', 'Max open files x']) assert.equal(limitIn(text), Infinity);
});

test('S84 clients have half of what the proxy does not need, and one place at least', () => {
  assert.equal(clientsWithin(1024, 2), 448);
  assert.equal(clientsWithin(64, 2), 1);
  assert.equal(clientsWithin(Infinity, 2), Infinity);
});
