// Filter chain match: Envoy's order of criteria, most specific at each step, no way back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilterChainMatch } from '../config/listener.ts';
import type { ConnectionFacts } from './connection-facts.ts';
import { ChainMatcher, matchChain, mayBecome, needsInspection } from './filter-chain-match.ts';

const FACTS: ConnectionFacts = {
  destinationIp: '10.1.2.3', destinationPort: 9080, redirected: false,
  sourceIp: '192.168.1.5', sourcePort: 40_000, serverName: undefined,
  transportProtocol: 'raw_buffer', alpn: [],
  directIp: '10.0.0.9', directPort: 5555, proxied: undefined,
};

function choose(matches: Record<string, FilterChainMatch>, facts: Partial<ConnectionFacts> = {}): string | undefined {
  return matchChain(Object.entries(matches).map(([name, match]) => new ChainMatcher(name, match)), {
    ...FACTS, ...facts,
  });
}

test('no chain, no match', () => {
  assert.equal(choose({}), undefined);
  assert.equal(choose({ other: { destinationPort: 1 } }), undefined);
  assert.equal(choose({ any: {} }), 'any');
});

test('the longest prefix wins, IPv4 and IPv6', () => {
  const matches: Record<string, FilterChainMatch> = {
    wide: { prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 8 }] },
    narrow: { prefixRanges: [{ addressPrefix: '10.1.0.0', prefixLen: 16 }] },
    six: { prefixRanges: [{ addressPrefix: 'fd00::', prefixLen: 8 }] },
    any: {},
  };
  assert.equal(choose(matches), 'narrow');
  assert.equal(choose(matches, { destinationIp: '10.9.0.1' }), 'wide');
  assert.equal(choose(matches, { destinationIp: 'fd12::1' }), 'six');
  assert.equal(choose(matches, { destinationIp: '172.16.0.1' }), 'any');
});

test('server names: exact, then the longest suffix, then none named', () => {
  const matches: Record<string, FilterChainMatch> = {
    exact: { serverNames: ['a.b.example'] },
    long: { serverNames: ['*.b.example'] },
    short: { serverNames: ['*.example'] },
    any: {},
  };
  assert.equal(choose(matches, { serverName: 'a.b.example' }), 'exact');
  assert.equal(choose(matches, { serverName: 'x.b.example' }), 'long');
  assert.equal(choose(matches, { serverName: 'x.example' }), 'short');
  assert.equal(choose(matches, { serverName: 'example' }), 'any');
  assert.equal(choose(matches), 'any');
});

test('an earlier criterion decides, even when it leads nowhere', () => {
  const matches: Record<string, FilterChainMatch> = {
    port: { destinationPort: 9080, transportProtocol: 'tls' },
    any: {},
  };
  assert.equal(choose(matches, { transportProtocol: 'tls' }), 'port');
  assert.equal(choose(matches), undefined, 'the port was more specific and its transport protocol does not match');
});

test('TLS and plaintext on one port, as PERMISSIVE asks', () => {
  const matches: Record<string, FilterChainMatch> = {
    mutual: { transportProtocol: 'tls', applicationProtocols: ['istio', 'istio-http/1.1'] },
    tls: { transportProtocol: 'tls' },
    plain: { transportProtocol: 'raw_buffer' },
  };
  assert.equal(choose(matches, { transportProtocol: 'tls', alpn: ['istio'] }), 'mutual');
  assert.equal(choose(matches, { transportProtocol: 'tls', alpn: ['h2'] }), 'tls');
  assert.equal(choose(matches), 'plain');
});

test('source address, type and port', () => {
  const matches: Record<string, FilterChainMatch> = {
    near: { sourceType: 'SAME_IP_OR_LOOPBACK' },
    far: { sourceType: 'EXTERNAL', sourcePrefixRanges: [{ addressPrefix: '192.168.0.0', prefixLen: 16 }] },
    port: {
      sourceType: 'EXTERNAL', sourcePrefixRanges: [{ addressPrefix: '192.168.1.0', prefixLen: 24 }], sourcePorts: [1],
    },
  };
  assert.equal(choose(matches, { sourceIp: '127.0.0.1' }), 'near');
  assert.equal(choose(matches, { sourceIp: '192.168.9.9' }), 'far');
  assert.equal(choose(matches, { sourcePort: 1 }), 'port');
});

test('only TLS criteria ask for a look at the first bytes', () => {
  assert.equal(needsInspection(undefined), false);
  assert.equal(needsInspection({ destinationPort: 80 }), false);
  assert.equal(needsInspection({ serverNames: ['a'] }), true);
  assert.equal(needsInspection({ transportProtocol: 'tls' }), true);
});

test('what first bytes may still choose is what all else leaves', () => {
  const may = (matches: Record<string, FilterChainMatch>, facts: Partial<ConnectionFacts> = {}): boolean => mayBecome(
    Object.entries(matches).map(([name, match]) => new ChainMatcher(name, match)), { ...FACTS, ...facts },
    (name) => name === 'tls');
  const tls: FilterChainMatch = { transportProtocol: 'tls', applicationProtocols: ['istio'], serverNames: ['a.test'] };
  assert.equal(may({}), false);
  assert.equal(may({ tls, plain: {} }), true);
  assert.equal(may({ tls, plain: { destinationPort: 9080 } }), false);
  assert.equal(may({ tls, plain: { destinationPort: 9080 } }, { destinationPort: 1 }), true);
  assert.equal(may({ tls: { ...tls, destinationPort: 1 }, plain: {} }), false);
  assert.equal(may({ tls: { ...tls, sourcePorts: [1] }, plain: {} }), false);
  assert.equal(may({ plain: {} }), false);
});
