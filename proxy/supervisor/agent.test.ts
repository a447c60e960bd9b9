// The node agent: fresh certificates in time, old ones kept when the authority fails or answers wrongly.
import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createSecureContext } from 'node:tls';
import { readCertificates } from '../../certs/chain.ts';
import { readCsr } from '../../certs/csr.ts';
import { formatSpiffeId } from '../../certs/spiffe.ts';
import { svidFault, uriSans } from '../../certs/x509.ts';
import { AgentFixture, until } from '../../test/harness/agent-fixture.ts';
import {
  REVIEWS, caLeaf, testIntermediate, testLeaf, testRoot, twoUriLeaf,
} from '../../test/harness/certificates.ts';
import type { LeafOptions, TestIssuer } from '../../test/harness/certificates.ts';
import { tokenIdentity } from './workload-identity.ts';

const HOUR_MS = 3_600_000;
const ADMIN = 'spiffe://cluster.local/ns/default/sa/admin';

test('the first certificate comes with roots, key and names as SDS secrets', async (t) => {
  const fixture = new AgentFixture(t);
  assert.equal(fixture.agent.state, 'idle');
  assert.equal(fixture.agent.ready, false);
  await fixture.start();
  assert.equal(fixture.agent.state, 'holding');
  assert.equal(fixture.agent.ready, true);
  const [roots, identity] = fixture.secrets;
  assert.deepEqual(roots, { name: 'ROOTCA', validationContext: { trustedCa: { inlineString: fixture.ca.roots } } });
  assert.equal(identity!.name, 'default');
  const key = identity!.tlsCertificate!.privateKey.inlineString!;
  const leaf = new X509Certificate(fixture.certificate());
  assert.ok(leaf.checkPrivateKey(createPrivateKey(key)));
  assert.equal(svidFault(leaf.raw), undefined);
  assert.deepEqual(uriSans(leaf.raw), [REVIEWS]);
  createSecureContext({ cert: fixture.certificate(), key, ca: fixture.ca.roots });
});

test('S60 no line of the log holds a key or token', async (t) => {
  const fixture = new AgentFixture(t);
  await fixture.start();
  fixture.answer = async () => Promise.reject(new Error('down'));
  await fixture.pass(13 * HOUR_MS);
  const text = fixture.lines.join('\n');
  assert.match(text, /certificate for spiffe:.*until .* renewal at /);
  assert.ok(!text.includes('PRIVATE KEY') && !text.includes(fixture.shown[0]!));
});

test('S58 it renews at 50 to 60 % of the life with a new key and a freshly read token', async (t) => {
  const times: number[] = [];
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const fixture = new AgentFixture(t, seed);
    await fixture.start();
    const start = fixture.clock.wallMs();
    const token = await fixture.newToken();
    while (fixture.requests === 1) await fixture.pass(60_000);
    times.push((fixture.clock.wallMs() - start) / HOUR_MS);
    assert.equal(fixture.shown[1], token);
    const [first, second] = [0, 1].map((index) => new X509Certificate(fixture.certificate(index)));
    assert.ok(!first!.publicKey.equals(second!.publicKey));
    // The same roots are not told again.
    assert.equal(fixture.secrets.filter(({ name }) => name === 'ROOTCA').length, 1);
    assert.equal(fixture.agent.state, 'holding');
  }
  for (const hours of times) assert.ok(hours > 11.95 && hours < 14.5, String(hours));
  assert.ok(new Set(times.map((hours) => hours.toFixed(1))).size >= 3, times.join());
});

test('F22 an unreachable authority at the start is asked again, with growing and jittered pauses', async (t) => {
  const fixture = new AgentFixture(t);
  fixture.answer = async () => Promise.reject(new Error('connect ECONNREFUSED'));
  await fixture.start();
  assert.equal(fixture.agent.state, 'waiting');
  assert.match(fixture.lines[0]!, /^warning agent: no new certificate: connect ECONNREFUSED; there is none yet, next/);
  for (let second = 0; second < 60; second++) await fixture.pass(1000);
  assert.ok(fixture.requests >= 14 && fixture.requests <= 34, `${fixture.requests} requests in a minute`);
  const pauses = fixture.lines.map((line) => Number(/next attempt in ([\d.]+) s/.exec(line)![1]));
  assert.ok(pauses[0]! <= 0.3 && Math.max(...pauses) <= 5 && Math.max(...pauses) > 2.5, pauses.join());
  assert.ok(new Set(pauses.slice(-8)).size > 2, pauses.join());
  fixture.answer = async ({ csr }) => fixture.issue(csr);
  await fixture.pass(5000);
  assert.equal(fixture.agent.state, 'holding');
});

test('F22 an authority is down for a day: the old certificate stays, alarms come at 2/3, 9/10 and end', async (t) => {
  const fixture = new AgentFixture(t);
  await fixture.start();
  const gauge = fixture.stats.gauge({ flat: 'agent.certificate_seconds_to_expiry', family: '', labels: [] });
  assert.ok(gauge.value >= 86_399 && gauge.value <= 86_400, String(gauge.value)); // certificates end on a whole second
  fixture.answer = async () => Promise.reject(new Error('down'));
  const alarmsAt = new Map<string, number>();
  for (let minute = 0; minute < 26 * 60; minute += 10) {
    for (const line of fixture.lines) {
      const alarm = / (two thirds|nine tenths|all) of the/.exec(line)?.[1];
      if (alarm !== undefined && !alarmsAt.has(alarm)) alarmsAt.set(alarm, minute / 60);
    }
    await fixture.pass(600_000);
  }
  assert.deepEqual([...alarmsAt.keys()], ['two thirds', 'nine tenths', 'all']);
  const [twoThirds, nineTenths, all] = [...alarmsAt.values()];
  assert.ok(Math.abs(twoThirds! - 16) < 0.4 && Math.abs(nineTenths! - 21.6) < 0.4 && Math.abs(all! - 24) < 0.4);
  assert.equal(fixture.lines.filter((line) => line.includes('without renewal')).length, 3);
  assert.ok(fixture.lines.some((line) => /^error .*nine tenths/.test(line)));
  assert.equal(fixture.secrets.length, 2);
  assert.equal(fixture.agent.ready, false);
  assert.ok(gauge.value < 0);
  assert.ok(fixture.stats.counter({ flat: 'agent.certificate_failed', family: '', labels: [] }).value > 20);
  fixture.answer = async ({ csr }) => fixture.issue(csr);
  await fixture.newToken();
  await fixture.pass(60_000);
  assert.equal(fixture.agent.ready, true);
  assert.ok(gauge.value > 23 * 3600);
});

/** Leaves that are wrong in one way, for the key of the request. */
function wrongAnswers(fixture: AgentFixture): readonly (readonly [RegExp, (csr: string) => string[]])[] {
  const { roots } = fixture.ca;
  const { key: privateKey, certificate: x509 } = fixture.store;
  const own: TestIssuer = { der: x509.raw, privateKey, x509, chain: roots };
  const other = testRoot();
  const first = fixture.certificate();
  const forKey = (csr: string): LeafOptions => {
    const request = readCsr(csr);
    assert.ok('publicKey' in request);
    return { notAfterMs: 1e9, template: { publicKey: request.publicKey } };
  };
  const old = { notBeforeMs: -9e6, notAfterMs: -8e6 };
  return [
    [/is for spiffe:.*\/sa\/admin, not for spiffe:.*-reviews;/, (csr) => fixture.issue(csr, ADMIN)],
    [/is for another key/, () => [first, roots]],
    [/not a workload's: .*2 URI names/, (csr) => [twoUriLeaf(own, forKey(csr)).cert, roots]],
    [/not a workload's: .*is a CA certificate/, (csr) => [caLeaf(own, forKey(csr)).cert, roots]],
    [/roots of root_file: the chain does not lead/, (csr) => [testLeaf(other, forKey(csr)).cert, other.cert]],
    [/roots of the bundle that came with it: the chain/, (csr) => [fixture.issue(csr)[0]!, other.cert]],
    [/certificate 1 of the chain expired at/, (csr) => [testLeaf(own, { ...forKey(csr), ...old }).cert, roots]],
    [/holds no certificate that can be read/, () => ['nonsense']],
    [/holds no certificate that can be read/, () => []],
  ];
}

test('F22 wrong answers are refused by name, and the old certificate stays', async (t) => {
  const fixture = new AgentFixture(t);
  await fixture.start();
  const first = fixture.certificate();
  await fixture.pass(10 * HOUR_MS);
  for (const [expected, answer] of wrongAnswers(fixture)) {
    fixture.answer = async ({ csr }) => answer(csr);
    const seen = fixture.lines.length;
    while (fixture.lines.length === seen) await fixture.pass(60_000);
    assert.match(fixture.lines.slice(seen).join('\n'), expected);
    assert.equal(fixture.certificate(), first);
    assert.equal(fixture.agent.ready, true);
  }
});

test('F22 files that are missing or wrong are named, and read again at the next attempt', async (t) => {
  const fixture = new AgentFixture(t);
  fixture.agent.start();
  await fixture.settle();
  const [tokenPath, rootPath] = [fixture.tokenFile, fixture.rootFile];
  const next = async (): Promise<string> => {
    await fixture.pass(6000);
    return fixture.lines.at(-1)!;
  };
  assert.ok(fixture.lines[0]!.includes(`${tokenPath}: cannot be read: ENOENT`), fixture.lines[0]!);
  for (const bad of ['', 'x', 'a.b.c', 'x'.repeat(20_000), jwtOf({ sub: 'spiffe://other/a' }), jwtOf({}), jwtOf(7)]) {
    writeFileSync(tokenPath, bad);
    assert.ok((await next()).includes(`${tokenPath}: `));
  }
  await fixture.newToken();
  for (const bad of ['', 'nonsense']) {
    writeFileSync(rootPath, bad);
    assert.ok((await next()).includes(`${rootPath}: no root certificate in PEM`));
  }
  rmSync(rootPath);
  assert.ok((await next()).includes(`${rootPath}: cannot be read`));
  assert.equal(fixture.requests, 0);
  writeFileSync(rootPath, fixture.ca.roots);
  await fixture.pass(6000);
  assert.equal(fixture.agent.state, 'holding');
});

test('new roots are handed out before the certificate, and a plug-in chain goes with the leaf', async (t) => {
  const fixture = new AgentFixture(t);
  await fixture.start();
  const top = testRoot();
  const middle = testIntermediate(top);
  writeFileSync(fixture.rootFile, fixture.ca.roots + top.cert);
  fixture.answer = async ({ csr }) => {
    const request = readCsr(csr);
    assert.ok('publicKey' in request);
    const leaf = testLeaf(middle, { notAfterMs: 1e9, template: { publicKey: request.publicKey } });
    return [leaf.cert, middle.cert, top.cert + fixture.ca.roots];
  };
  await fixture.pass(14.6 * HOUR_MS);
  assert.deepEqual(fixture.secrets.map(({ name }) => name), ['ROOTCA', 'default', 'ROOTCA', 'default']);
  assert.equal(fixture.secrets[2]!.validationContext!.trustedCa!.inlineString, top.cert + fixture.ca.roots);
  assert.equal(readCertificates(fixture.certificate())!.length, 2);
});

test('a stopped agent asks nothing more and ends the request under way', async (t) => {
  const fixture = new AgentFixture(t);
  await fixture.newToken();
  let aborted = false;
  fixture.answer = ({ signal }) => new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      aborted = true;
      reject(new Error('cancelled'));
    });
  });
  fixture.agent.start();
  await until(() => fixture.requests === 1);
  fixture.agent.stop();
  await fixture.pass(HOUR_MS);
  assert.equal(aborted, true);
  assert.equal(fixture.agent.state, 'stopped');
  assert.equal(fixture.requests, 1);
  fixture.agent.start();
  assert.equal(fixture.agent.state, 'stopped');
});

test('a receiver that throws does not stop the renewals', async (t) => {
  const fixture = new AgentFixture(t);
  fixture.secrets.push = () => {
    throw new Error('no worker');
  };
  await fixture.start();
  assert.match(fixture.lines.at(-1)!, /^error agent: the certificate could not be handed out: no worker/);
  await fixture.pass(14.6 * HOUR_MS);
  assert.equal(fixture.requests, 2);
});

test('identities of tokens: SPIFFE ids of the trust domain and Kubernetes service accounts', () => {
  const of = (sub: string): string | undefined => {
    const identity = tokenIdentity(jwtOf({ sub }), 'td');
    return identity === undefined ? undefined : formatSpiffeId(identity);
  };
  assert.equal(of('spiffe://td/ns/a/sa/b'), 'spiffe://td/ns/a/sa/b');
  assert.equal(of('system:serviceaccount:shop:web'), 'spiffe://td/ns/shop/sa/web');
  const account = 'system:serviceaccount:';
  for (const bad of [`${account}shop`, `${account}a/b:web`, `${account}a:b:c`, 'web']) {
    assert.equal(of(bad), undefined, bad);
  }
});

function jwtOf(claims: unknown): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
}
