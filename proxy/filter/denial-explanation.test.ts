// Explanations of denials: who gets them, what they say, and what configuration of them is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import { sampleConnection } from '../../test/harness/stream-sample.ts';
import type { AccessDecision } from '../telemetry/decision.ts';
import { OPERATORS } from '../telemetry/format-operator.ts';
import type { TlsInfo } from '../telemetry/stream-info.ts';
import { DenialExplanation, EXPLANATION_HEADER } from './denial-explanation.ts';

const TLS: TlsInfo = {
  version: 'TLSv1.3', cipher: '', alpn: undefined, peerUriSan: undefined, peerDnsSans: [], peerSubject: undefined,
  peerCertificateHash: undefined, localUriSan: undefined,
};
const OPS = { WEFT_EXPLAIN_DENIALS: ['cluster.local/ns/ops/*', 'cluster.local/ns/a/sa/b'] };

function denial(policy: string, miss?: string): AccessDecision {
  return { outcome: 'denied', filter: 'rbac', policy, detail: '', nearestMiss: () => miss };
}

function words(
  metadata: Record<string, unknown>, peer: string | undefined, decision = denial('p'), asks = true,
): string | undefined {
  const stream = new HeldFilterStream({ fields: asks ? [EXPLANATION_HEADER, '1'] : [] });
  stream.info.connection = sampleConnection(peer === undefined ? {} : { tls: { ...TLS, peerUriSan: peer } });
  return new DenialExplanation(metadata).wordsFor(decision, stream);
}

test('who is listed and asks gets the policy, or the nearest miss', () => {
  const ops = 'spiffe://cluster.local/ns/ops/sa/x';
  assert.equal(words(OPS, ops), 'denied by p');
  assert.equal(words(OPS, 'spiffe://cluster.local/ns/a/sa/b'), 'denied by p');
  assert.equal(words(OPS, ops, denial('', 'q: path exact "/a"')),
    'no policy permits it; nearest is q: path exact "/a"');
  assert.equal(words(OPS, ops, denial('')), 'no policy permits it; nearest is none');
  assert.equal(words(OPS, ops, denial('', 'ä\r\nb')), 'no policy permits it; nearest is ???b');
});

test('nobody else gets anything', () => {
  assert.equal(words(OPS, 'spiffe://cluster.local/ns/ops/sa/x', denial('p'), false), undefined, 'did not ask');
  for (const peer of [undefined, 'spiffe://cluster.local/ns/a/sa/bc', 'spiffe://other/ns/ops/sa/x']) {
    assert.equal(words(OPS, peer), undefined);
  }
  assert.equal(words({}, 'spiffe://cluster.local/ns/ops/sa/x'), undefined);
});

test('what is no list of identities is refused by its place', () => {
  for (const wrong of ['x', [1], ['']]) {
    assert.throws(() => new DenialExplanation({ WEFT_EXPLAIN_DENIALS: wrong }),
      /^ConfigError: node\.metadata\.WEFT_EXPLAIN_DENIALS: must be a list of identities/);
  }
});

test('the log says both by %WEFT_DENIED_BY% and %WEFT_NEAREST_MISS%, worked out when it is written', () => {
  const { info } = new HeldFilterStream();
  const read = (name: string): unknown => OPERATORS.get(name)!.compile('', 'format').read(info);
  assert.deepEqual([read('WEFT_DENIED_BY'), read('WEFT_NEAREST_MISS')], [undefined, undefined]);
  info.denial = denial('', 'q: port 80');
  assert.deepEqual([read('WEFT_DENIED_BY'), read('WEFT_NEAREST_MISS')], [undefined, 'q: port 80']);
  info.denial = denial('p');
  assert.equal(read('WEFT_DENIED_BY'), 'p');
});
