// What of a request is hashed, how hashes add up, and which clients get a cookie.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexOf, rotatedOnce, xxHash64 } from '../base/xx-hash.ts';
import type { Hash64 } from '../base/xx-hash.ts';
import type { HashPolicy } from '../config/hash-policy.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import { StreamInfo } from '../telemetry/stream-info.ts';
import type { ConnectionInfo } from '../telemetry/stream-info.ts';
import { compileHashPolicy } from './hash-policy.ts';

const CONNECTION: ConnectionInfo = {
  id: 1, remoteAddress: '10.0.0.9:4000', remoteIp: '10.0.0.9', remotePort: 4000, localAddress: '10.0.0.1:80',
  localIp: '10.0.0.1', localPort: 80, tls: undefined, serverName: undefined, listenerName: '', filterChainName: '',
};

function hashed(policies: readonly HashPolicy[], fields: string[] = [], path = '/') {
  const request = new RequestHead('GET', 'example.com', path, new Headers(fields));
  return compileHashPolicy(policies, 'hashPolicy')!(request, new StreamInfo(CONNECTION, 0, 0));
}

function hexes(policies: readonly HashPolicy[], fields?: string[], path?: string): string | undefined {
  const { hash } = hashed(policies, fields, path);
  return hash === undefined ? undefined : hexOf(hash);
}

const USER: HashPolicy = { header: { headerName: 'X-User' } };
const both = (one: Hash64, two: Hash64): string => {
  const turned = rotatedOnce(one);
  return hexOf({ hi: (turned.hi ^ two.hi) >>> 0, lo: (turned.lo ^ two.lo) >>> 0 });
};

test('a header, a query parameter or the source address is hashed; what is not there gives no hash', () => {
  assert.equal(hexes([USER], ['x-user', 'ann']), hexOf(xxHash64('ann')));
  assert.equal(hexes([USER]), undefined);
  assert.equal(hexes([{ header: { headerName: ':authority' } }]), hexOf(xxHash64('example.com')));
  const query: HashPolicy = { queryParameter: { name: 'id' } };
  assert.equal(hexes([query], [], '/a?ID=0&id=7&id=8'), hexOf(xxHash64('7')));
  assert.equal(hexes([query], [], '/a'), undefined);
  assert.equal(hexes([{ connectionProperties: { sourceIp: true } }]), hexOf(xxHash64('10.0.0.9')));
  assert.equal(hexes([{ connectionProperties: {} }]), undefined);
  assert.equal(compileHashPolicy([], ''), undefined);
});

test('values of a header are hashed in order of their text, and rewritten before', () => {
  const seeded = hexOf(xxHash64('b', xxHash64('a')));
  assert.equal(hexes([USER], ['x-user', 'b', 'x-user', 'a']), seeded);
  assert.equal(hexes([USER], ['x-user', 'a', 'x-user', 'b']), seeded);
  const regexRewrite = { pattern: { regex: '-.*' }, substitution: '' };
  assert.equal(hexes([{ header: { headerName: 'x-user', regexRewrite } }], ['x-user', 'ann-1']),
    hexOf(xxHash64('ann')));
});

test('entries add up, and a terminal one that gave a hash is the last', () => {
  const tenant: HashPolicy = { header: { headerName: 'x-tenant' } };
  const fields = ['x-user', 'ann', 'x-tenant', 't'];
  assert.equal(hexes([USER, tenant], fields), both(xxHash64('ann'), xxHash64('t')));
  assert.equal(hexes([{ ...USER, terminal: true }, tenant], fields), hexOf(xxHash64('ann')));
  assert.equal(hexes([{ ...USER, terminal: true }, tenant], ['x-tenant', 't']), hexOf(xxHash64('t')));
  assert.notEqual(hexes([USER, USER], fields), '0');
});

test('a cookie is hashed, quoted or not; a client without it is given one where it has a ttl', () => {
  const cookie = { name: 'sid', ttl: '60s', path: '/p', attributes: [{ name: 'SameSite', value: 'Lax' }] };
  const with_ = hashed([{ cookie }], ['cookie', 'a=b; sid="x y"', 'cookie', 'sid=z']);
  assert.deepEqual([hexOf(with_.hash!), with_.setCookie], [hexOf(xxHash64('x y')), undefined]);
  const given = hexOf(xxHash64('10.0.0.9:400010.0.0.1:80')).padStart(16, '0');
  const without = hashed([{ cookie }], ['cookie', 'xsid=1; sidx=2']);
  assert.equal(without.setCookie, `sid="${given}"; Max-Age=60; Path=/p; SameSite=Lax; HttpOnly`);
  assert.equal(hexOf(without.hash!), hexOf(xxHash64(given)));
  assert.equal(hashed([{ cookie: { name: 'sid', ttl: '0s' } }]).setCookie, `sid="${given}"; HttpOnly`);
  assert.deepEqual(hashed([{ cookie: { name: 'sid' } }]), { hash: undefined, setCookie: undefined });
});
