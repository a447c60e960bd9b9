// Which connections are told that their peer's root was removed, and what happens to them.
import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { testIntermediate, testLeaf, testRoot } from '../../test/harness/certificates.ts';
import type { TestCertificate } from '../../test/harness/certificates.ts';
import { ManualClock } from '../base/clock.ts';
import { TimerWheel } from '../base/timers.ts';
import { CertificateLife } from './certificate-life.ts';
import { PeerTrustLedger } from './peer-trust.ts';

const [a, b] = [testRoot(), testRoot()];
const middle = testIntermediate(a);

class Connections {
  readonly clock = new ManualClock();
  readonly timers = new TimerWheel(this.clock);
  readonly ledger = new PeerTrustLedger();
  readonly calls: string[] = [];

  open(name: string, chain: readonly TestCertificate[]): CertificateLife {
    const connection = { drain: () => this.calls.push(`drain ${name}`), expire: () => this.calls.push(`end ${name}`) };
    const facts = { endMs: this.clock.wallMs() + 86_400_000, peerCertificates: chain.map(({ x509 }) => x509) };
    return new CertificateLife(connection, { ...facts, peerTrust: this.ledger }, this.timers, this.clock);
  }

  pass(ms: number): void {
    this.clock.advance(ms);
    this.timers.advance();
  }
}

function opened(): Connections {
  const all = new Connections();
  all.ledger.trust([a.cert, b.cert]);
  all.open('leaf of a', [testLeaf(a), a]);
  all.open('another of a', [testLeaf(a), a]);
  all.open('below a', [testLeaf(middle), middle, a]);
  all.open('leaf of b', [testLeaf(b), b]);
  all.open('a leaf of b without its root', [testLeaf(b)]);
  return all;
}

test('F05 a removed root drains the connections that it let in, all in a drain\'s time, and no other', () => {
  const all = opened();
  all.ledger.trust([b.cert]);
  assert.deepEqual(all.calls, ['drain leaf of a', 'drain another of a', 'drain below a']);
  all.pass(29_000);
  assert.equal(all.calls.length, 3);
  all.pass(2000);
  assert.deepEqual(all.calls.slice(3).toSorted(), ['end another of a', 'end below a', 'end leaf of a']);
  all.ledger.trust([b.cert, a.cert]);
  all.ledger.trust([b.cert]);
  assert.equal(all.calls.length, 6, 'what is gone is not told again');
});

test('F05 an added root, a renewed leaf and a change of order drain nothing', () => {
  const all = opened();
  const roots = [a.cert, b.cert];
  for (const change of [roots, roots, [b.cert, a.cert], [b.cert, a.cert, testRoot().cert], undefined]) {
    all.ledger.trust(change);
  }
  assert.deepEqual(all.calls, []);
  assert.equal(all.ledger.removals, 0);
});

test('F05 a connection that is closed is forgotten', () => {
  const all = new Connections();
  all.ledger.trust([a.cert]);
  all.open('x', [testLeaf(a), a]).close();
  all.ledger.trust([b.cert]);
  all.pass(60_000);
  assert.deepEqual(all.calls, []);
});

test('F05 a handshake that a removal overtakes is judged by the roots of now', () => {
  const ledger = new PeerTrustLedger();
  ledger.trust([a.cert, b.cert]);
  const before = ledger.removals;
  const chain = ({ x509 }: TestCertificate, root: TestCertificate): X509Certificate[] => [x509, root.x509];
  const [ofA, ofB] = [chain(testLeaf(a), a), chain(testLeaf(b), b)];
  assert.deepEqual([ledger.stillTrusts(before, ofA), ledger.stillTrusts(before, ofB)], [true, true]);
  ledger.trust([b.cert]);
  assert.deepEqual([ledger.stillTrusts(before, ofA), ledger.stillTrusts(before, ofB)], [false, true]);
});
