// Contexts are shared by those that would make the same, and by nobody else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SecureContext } from 'node:tls';
import type { UpstreamTlsContext } from '../config/tls.ts';
import { SecureContexts } from './secure-contexts.ts';
import type { TlsMaterial } from './tls-material.ts';

const LEAF = { chain: 'c', key: 'k', passphrase: undefined, uriSan: undefined, notAfterMs: 0 };
const ROOTS = ['root'];

function material(certificates: TlsMaterial['certificates'], trustedCa: readonly string[], crl?: string): TlsMaterial {
  const none = new Set<string>();
  return {
    certificates,
    validation: { trustDomains: undefined, trustedCa, crl, sanMatchers: [], spkiPins: none, certificatePins: none },
  };
}

const configOf = (sni: string, tlsParams = {}): UpstreamTlsContext => ({ sni, commonTlsContext: { tlsParams } });

test('S85 a renewed certificate is one context for all clusters that use it, and S53 nothing else is shared', () => {
  let made = 0;
  const contexts = new SecureContexts(() => ({ context: made++ }) as unknown as SecureContext);
  const first = contexts.for(configOf('a'), material([LEAF], ROOTS), false);
  for (let i = 0; i < 1000; i++) {
    assert.equal(contexts.for(configOf(`b${i}`), material([LEAF], ROOTS), false), first);
  }
  assert.equal(made, 1);
  const others = [
    contexts.for(configOf('a'), material([{ ...LEAF }], ROOTS), false),
    contexts.for(configOf('a'), material([LEAF, { ...LEAF }], ROOTS), false),
    contexts.for(configOf('a'), material([LEAF], [...ROOTS]), false),
    contexts.for(configOf('a'), material([LEAF], ROOTS, 'crl'), false),
    contexts.for(configOf('a'), material([LEAF], ROOTS), true),
    contexts.for(configOf('a', { tlsMinimumProtocolVersion: 'TLSv1_3' }), material([LEAF], ROOTS), false),
    contexts.for(configOf('a'), material([], ROOTS), false),
    contexts.for(configOf('a'), { certificates: [], validation: undefined }, false),
    contexts.for(configOf('a'), { certificates: [], validation: undefined }, false),
  ];
  assert.equal(new Set([first, ...others]).size, 10);
  assert.equal(made, 10);
});
