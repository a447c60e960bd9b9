// Secrets of filters: what is stored under a name, what is refused, and who hears of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../config/decode.ts';
import { Secret } from '../config/tls.ts';
import { SecretStore } from './secret-store.ts';

function apply(store: SecretStore, input: unknown): void {
  const { value, errors } = decode(Secret, input);
  assert.deepEqual(errors, []);
  store.apply(value!);
}

test('a generic secret is there without the end of its file\'s line, and its watchers hear of each change', () => {
  const store = new SecretStore();
  const heard: unknown[] = [];
  store.watch('client', { onSecret: (name) => heard.push(store.get(name)?.generic) });
  apply(store, { name: 'client', generic_secret: { secret: { inline_string: 'one\n' } } });
  apply(store, { name: 'client', generic_secret: { secret: { inline_bytes: 'dHdvDQo=' } } });
  assert.deepEqual(heard, ['one', 'two']);
});

test('a secret without any part is refused, and the one before stays', () => {
  const store = new SecretStore();
  apply(store, { name: 'client', generic_secret: { secret: { inline_string: 'one' } } });
  assert.throws(() => apply(store, { name: 'client', generic_secret: {} }), /neither tls_certificate/);
  assert.throws(() => apply(store, { name: 'client', generic_secret: { secret: { filename: '/nowhere/x' } } }),
    /genericSecret\.secret/);
  assert.equal(store.get('client')?.generic, 'one');
});
