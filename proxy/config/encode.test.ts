// What config_dump prints: Envoy's spelling, and no secrets.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { Bootstrap } from './bootstrap.ts';
import { decode } from './decode.ts';
import { encodeSnake } from './encode.ts';
import { JwtProvider } from './jwt-authn.ts';
import { RouteConfiguration } from './route.ts';
import { Secret } from './tls.ts';
import { Wire } from './wire.ts';

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

test('an Any that is to be empty is read and printed as such, by protobuf too, and must be', () => {
  const config = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', config: {} };
  const table = { name: 'r', virtualHosts: [{ name: 'h', domains: ['*'], typedPerFilterConfig: { c: config } }] };
  const { value, errors } = decode(RouteConfiguration, table);
  assert.deepEqual([JSON.parse(JSON.stringify(value)), errors], [table, []]);
  const printed = JSON.stringify(encodeSnake(RouteConfiguration, value!));
  assert.ok(printed.includes(`"typed_per_filter_config":{"c":${JSON.stringify(config)}}`), printed);
  const wire = new Wire(() => undefined);
  const type = 'envoy.config.route.v3.RouteConfiguration';
  assert.deepEqual(JSON.parse(JSON.stringify(wire.decode(type, wire.encode(type, table)))), table);
  const full = decode(RouteConfiguration, JSON.parse(JSON.stringify(table).replace('"config":{}', '"config":{"a":1}')));
  assert.match(String(full.errors[0]), /config: must be empty/);
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

test('S99 keys that verify tokens are not printed: those of HMAC sign them too', () => {
  const { value } = decode(JwtProvider, { issuer: 'i', local_jwks: { inline_string: '{"keys":[{"k":"aGlkZGVu"}]}' } });
  assert.ok(value !== undefined);
  assert.deepEqual(encodeSnake(JwtProvider, value), { issuer: 'i', local_jwks: { inline_string: '[redacted]' } });
});
