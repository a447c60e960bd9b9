// Evidence of meshes that are odd: nobody answers, names are markup, logs are not what was written.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { AUDIT_FILE, AuditLog } from '../../proxy/base/audit-log.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { temporaryFolder } from '../../test/harness/openssl.ts';
import type { ControlStatus } from '../status.ts';
import { auditFacts } from './audit-facts.ts';
import type { Observation } from './observe.ts';
import { evidenceOf, markdown } from './report.ts';

const STATUS: ControlStatus = {
  proxies: [], config: { source: 'files', files: 0, objects: 0, warnings: [] }, refusedFiles: [],
  traces: { accepted: 0, dropped: 0, rejected: 0, kept: 0 } as unknown as ControlStatus['traces'],
};

function observed(more: Partial<Observation> = {}): Observation {
  return {
    nowMs: 0, controlUrl: 'http://c/api/status', status: STATUS, proxies: [], silent: [], audits: [], withoutAudit: [],
    ...more,
  };
}

/** `AU-9 fails …` of each statement. */
function said(observation: Observation): string[] {
  return evidenceOf(observation).controls.flatMap(({ id, statements }) =>
    statements.map(({ verdict, text }) => `${id} ${verdict} ${text}`));
}

test('of a mesh in which nobody answers nothing is known, and nothing is claimed', () => {
  const silent = [{ id: 'sidecar~10.0.0.1~a-1.default~d', url: 'http://10.0.0.1:15000', reason: 'timeout' }];
  const { controls, fails } = evidenceOf(observed({ silent, withoutAudit: ['control plane'] }));
  const holding = controls.flatMap(({ id, statements }) => statements.filter(({ verdict }) => verdict === 'holds')
    .map(({ text }) => `${id} ${text}`));
  assert.deepEqual(holding, []);
  assert.equal(fails, 1, 'the control plane keeps no log');
  assert.ok(said(observed({ silent })).includes('SC-7 unknown a-1.default could not be asked: timeout.'));
});

test('what a policy and its filter have counted alike is counted once, dry runs not at all', () => {
  const stats = new Map([
    ['http.inbound_10.0.0.1_80.rbac.denied', 3], ['http.inbound_10.0.0.1_80.rbac.allowed', 5],
    ['http.inbound_10.0.0.1_80.rbac.policy.ns[a]-policy[b.c]-rule[0].denied', 2],
    ['http.inbound_10.0.0.1_80.rbac.policy.ns[a]-policy[d]-rule[0].allowed', 5],
    ['http.inbound_10.0.0.1_80.rbac.own.denied', 10], ['http.inbound_10.0.0.1_80.rbac.own.policy.x.denied', 10],
    ['http.inbound_10.0.0.1_80.rbac.istio_dry_run_deny_.shadow_denied', 100], ['tcp.rbac.denied', 1000],
  ]);
  const proxy = {
    id: 'sidecar~10.0.0.1~a-1.default~d', url: 'http://10.0.0.1:15000', isGateway: false, stats,
    listeners: [], leaves: [], roots: [], requests: [], auditFolder: undefined, plaintextControl: undefined,
  };
  const lines = said(observed({ proxies: [proxy] }));
  assert.ok(lines.includes('AC-3 holds Since they started, proxies have let 5 requests or connections on by policy and '
    + 'turned 1013 away.'), lines.join('\n'));
});

async function written(t: TestContext): Promise<string> {
  const folder = join(temporaryFolder(t), 'log');
  const log = AuditLog.open({ folder, clock: systemClock, onFault: () => undefined });
  log.append({ type: 'decision', outcome: 'denied', ip: '10.0.0.1', count: 3 });
  await log.close();
  return folder;
}

test('a log that its process is ahead of is not whole', async (t) => {
  const folder = await written(t);
  const facts = (sequence: number): string =>
    said(observed({ audits: [auditFacts('control plane', folder, sequence)] }))
      .find((line) => line.startsWith('AU-9')) ?? '';
  assert.match(facts(3), /^AU-9 holds The log of control plane: no line was altered/);
  assert.match(facts(5), /^AU-9 fails .*; the last 2 lines that the process has written are not there/);
});

test('records that do not say who and by which configuration are counted out', async (t) => {
  const lines = said(observed({ audits: [auditFacts('p', await written(t), 3)] }));
  assert.ok(lines.some((line) => line.startsWith('AU-3 fails 0 of 1 records of decisions say who')), lines.join('\n'));
  assert.ok(lines.some((line) => line.startsWith('AU-3 holds They stand for 3 denials')));
});

test('a log that cannot be read is not known, and no fault of anybody', (t) => {
  const folder = join(temporaryFolder(t), 'odd');
  mkdirSync(folder);
  writeFileSync(join(folder, AUDIT_FILE), 'x\n');
  const lines = said(observed({ audits: [auditFacts('p', folder, 0), auditFacts('q', '/nowhere', 0)] }));
  assert.ok(lines.some((line) => /^AU-9 unknown The log of q could not be read/.test(line)), lines.join('\n'));
  assert.ok(lines.some((line) => /^AU-3 unknown What the logs of p, q say is left out/.test(line)));
});

test('S88 names of others are text on the page', () => {
  const id = 'sidecar~10.0.0.1~<img src=x>|**a**\n# b\u001b[2J~d';
  const page = markdown(evidenceOf(observed({ silent: [{ id, url: 'http://x', reason: '`y`' }] })));
  assert.ok(page.includes('\\<img src=x\\>\\|\\*\\*a\\*\\*\ufffd\\# b\ufffd\\[2J'), page);
  assert.doesNotMatch(page, /^# b|(?<!\\)<img/m);
  assert.ok(!page.includes('\u001b'));
});
