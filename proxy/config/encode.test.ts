// What config_dump prints: Envoy's spelling, and no secrets.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { Bootstrap } from './bootstrap.ts';
import { decode } from './decode.ts';
import { encodeSnake } from './encode.ts';
import { Secret } from './tls.ts';

const SIDECAR = fileURLToPath(new URL('../../test/interop/bootstraps/sidecar.yaml', import.meta.url));

test('what is printed is what was written, in Envoy\'s spelling', () => {
  const written: unknown = parse(readFileSync(SIDECAR, 'utf8'));
  const { value } = decode(Bootstrap, written);
  assert.ok(value !== undefined);
  assert.deepEqual(JSON.parse(JSON.stringify(encodeSnake(Bootstrap, value))), written);
});

test('a decoded value decodes to itself, in either spelling', () => {
  const { value } = decode(Bootstrap, parse(readFileSync(SIDECAR, 'utf8')));
  assert.ok(value !== undefined);
  assert.deepEqual(decode(Bootstrap, value), { value, errors: [], warnings: [] });
  assert.deepEqual(decode(Bootstrap, encodeSnake(Bootstrap, value)).value, value);
});

test('S99 keys and passwords are not printed', () => {
  const { value } = decode(Secret, {
    name: 'default',
    tls_certificate: {
      certificate_chain: { inline_string: 'CERTIFICATE' },
      private_key: { inline_bytes: 'S0VZ' },
      password: { inline_string: 'hunter2' },
    },
  });
  assert.ok(value !== undefined);
  assert.deepEqual(encodeSnake(Secret, value), {
    name: 'default',
    tls_certificate: {
      certificate_chain: { inline_string: 'CERTIFICATE' },
      private_key: { inline_bytes: '[redacted]' },
      password: { inline_string: '[redacted]' },
    },
  });
});
