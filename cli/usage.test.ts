// Addresses on the command line: one rule for every command.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError, addressOption } from './usage.ts';

test('an address is a host and a port; port 0 and IPv6 in brackets are taken', () => {
  assert.deepEqual(addressOption('xds', '127.0.0.1:15010'), { host: '127.0.0.1', port: 15_010 });
  assert.deepEqual(addressOption('xds', 'localhost:0'), { host: 'localhost', port: 0 });
  assert.deepEqual(addressOption('xds', '[::1]:0'), { host: '::1', port: 0 });
});

test('anything else is refused with the name of the option', () => {
  for (const text of ['', '80', ':80', '127.0.0.1', '127.0.0.1:65536', '127.0.0.1:80x', '::1:80', '[::1]', 'a b:80']) {
    assert.throws(() => addressOption('xds', text), (cause) => {
      return cause instanceof UsageError && cause.message === `--xds takes HOST:PORT, not "${text}"`;
    });
  }
});
