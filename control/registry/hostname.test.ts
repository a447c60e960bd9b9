// Names of hosts: short names, wildcards, and the protocol that a port's name says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closestHost, hostIntersection, hostMatches, resolveHost } from './hostname.ts';
import { portProtocol } from './port-protocol.ts';

test("short names are of the rule's namespace, others stay", () => {
  assert.equal(resolveHost('reviews', 'prod', 'cluster.local'), 'reviews.prod.svc.cluster.local');
  assert.equal(resolveHost('Reviews', 'prod', 'mesh.test'), 'reviews.prod.svc.mesh.test');
  for (const host of ['reviews.prod', 'a.b.svc.cluster.local', '*', '*.prod.svc.cluster.local', '::1']) {
    assert.equal(resolveHost(host, 'default', 'cluster.local'), host);
  }
});

test('wildcards cover what ends so and is longer', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['*', 'a.test', true], ['*.test', 'a.test', true], ['*.test', 'a.b.test', true], ['*.test', '.test', false],
    ['*.test', 'test', false], ['*.b.test', 'a.test', false], ['a.test', 'a.test', true], ['a.test', 'b.test', false],
    ['*.test', '*.b.test', true], ['*.b.test', '*.test', false],
  ];
  for (const [pattern, host, expected] of cases) {
    assert.equal(hostMatches(pattern, host), expected, `${pattern} ${host}`);
  }
});

test('the closest pattern wins: exact, then the longest wildcard', () => {
  const patterns = ['*', '*.test', '*.b.test', 'a.b.test'];
  assert.equal(closestHost(patterns, 'a.b.test'), 'a.b.test');
  assert.equal(closestHost(patterns, 'c.b.test'), '*.b.test');
  assert.equal(closestHost(patterns, 'c.test'), '*.test');
  assert.equal(closestHost(patterns, 'other'), '*');
  assert.equal(closestHost(['*.test'], 'other'), undefined);
});

test('two patterns have their narrower one in common', () => {
  assert.equal(hostIntersection('*', 'a.test'), 'a.test');
  assert.equal(hostIntersection('*.b.test', '*.test'), '*.b.test');
  assert.equal(hostIntersection('a.test', 'b.test'), undefined);
});

test('appProtocol goes before the port name, which speaks by its first word', () => {
  const cases: readonly (readonly [string, string | undefined, string, boolean])[] = [
    ['http', undefined, 'http', true], ['http-web', undefined, 'http', true], ['HTTP-web', undefined, 'http', true],
    ['grpc-web', undefined, 'grpc-web', true], ['grpc-web-x', undefined, 'grpc-web', true],
    ['grpc', undefined, 'http2', true],
    ['https', undefined, 'tls', true], ['tcp-http', undefined, 'tcp', true], ['mysql', undefined, 'tcp', true],
    ['', undefined, 'auto', false], ['web', undefined, 'auto', false], ['httpx', undefined, 'auto', false],
    ['web', 'http', 'http', true], ['http', 'tcp', 'tcp', true], ['x', 'kubernetes.io/h2c', 'http2', true],
  ];
  for (const [name, appProtocol, protocol, declared] of cases) {
    assert.deepEqual(portProtocol(name, appProtocol), { protocol, declared }, `${name} ${appProtocol ?? ''}`);
  }
  assert.equal(portProtocol('http', undefined, 'UDP').protocol, 'udp');
});
