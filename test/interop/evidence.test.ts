// `weft evidence` of the running demo with Bookinfo, where curl is the client that speaks in clear: it must be listed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Evidence } from '../../control/evidence/report.ts';
import type { Statement } from '../../control/evidence/statement.ts';
import { Demo } from '../../examples/demo/demo.ts';
import { until } from '../harness/until.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));
const IDS = ['AC-3', 'AC-4', 'AU-2', 'AU-3', 'AU-9', 'AU-10', 'IA-3', 'IA-5', 'SC-7', 'SC-8', 'SC-12', 'SC-13', 'SC-17',
  'SC-23'];

const NETWORK_POLICY = `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: details, namespace: default }
spec:
  podSelector: { matchLabels: { app: details } }
  ingress: [{ from: [{ podSelector: { matchLabels: { app: ratings } } }], ports: [{ port: http }] }]
`;

const PERMISSIVE = `---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: details, namespace: default }
spec: { selector: { matchLabels: { app: details } }, mtls: { mode: PERMISSIVE } }
`;

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
}

/** Asynchronous, since the mesh's processes are kept by this one. */
async function run(command: string, ...args: string[]): Promise<Ended> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 30_000 });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, stdout };
}

/** The status that curl gets, 000 for none. */
async function curl(url: string): Promise<string> {
  return (await run('curl', '-s', '-o', '/dev/null', '-m', '10', '-w', '%{http_code}', url)).stdout;
}

class Mesh {
  readonly demo: Demo;

  constructor(demo: Demo) {
    this.demo = demo;
  }

  static async start(t: TestContext): Promise<Mesh> {
    const demo = await Demo.plan({
      port: 0, conventionalPorts: false, configDir: undefined, zipkin: [], say: () => undefined,
    });
    t.after(() => demo.stop());
    await demo.start();
    return new Mesh(demo);
  }

  async evidence(...more: string[]): Promise<Ended> {
    const admins = this.demo.workloads.flatMap((workload) => ['--admin', this.demo.adminUrl(workload)]);
    const http = `127.0.0.1:${this.demo.httpPort}`;
    return run(process.execPath, WEFT, 'evidence', '--http', http, ...admins, ...more);
  }

  async statements(): Promise<Map<string, readonly Statement[]>> {
    const { stdout } = await this.evidence('--json');
    const { controls } = JSON.parse(stdout) as Evidence;
    assert.deepEqual(controls.map(({ id }) => id), IDS);
    return new Map(controls.map(({ id, statements }) => [id, statements]));
  }

  /** `holds …` of each statement of a control. */
  async lines(id: string): Promise<string> {
    return ((await this.statements()).get(id) ?? []).map(({ verdict, text }) => `${verdict} ${text}`).join('\n');
  }
}

test('weft evidence of the demo says what it saw, plaintext of curl too, and where it read it', async (t) => {
  const mesh = await Mesh.start(t);
  const { demo } = mesh;
  for (let i = 0; i < 3; i++) assert.equal(await curl(demo.productPageUrl), '200');
  const { pod } = demo.workload('details-v1');
  const details = `http://${pod.ip}:${pod.inboundPort}/details/0`;
  assert.equal(await curl(details), '000', 'mutual TLS alone');

  const first = await mesh.statements();
  for (const [id, statements] of first) {
    assert.ok(statements.length > 0, id);
    for (const { verdict, text, figures } of statements) {
      assert.ok(figures.length > 0 || verdict === 'unknown', `${id}: ${text} rests on nothing`);
      for (const { source } of figures) assert.notEqual(source, '', `${id}: ${text}`);
    }
  }
  const transmission = await mesh.lines('SC-8');
  assert.match(transmission, /fails Plaintext was observed: \d+ of \d+ connections to ingressgateway\.istio-system /);
  assert.match(transmission, /holds \d+ connections to details-v1\.default \S+ were refused before a handshake/);
  assert.doesNotMatch(transmission, /fails Plaintext was observed: \d+ of \d+ connections to details/);
  assert.match(transmission, /fails 7 proxies take their configuration in plaintext, from 127\.0\.0\.1:\d+\./);
  assert.match(await mesh.lines('AC-3'), /holds All 7 listeners of workloads ask an authorization policy/);
  assert.match(await mesh.lines('IA-3'), /holds All 8 proxies that answered have a certificate with a SPIFFE identity/);
  assert.match(await mesh.lines('SC-17'), /holds 1 roots are trusted, the same by every proxy/);

  const policy = join(demo.meshDir, 'network-policy.yaml');
  writeFileSync(policy, NETWORK_POLICY);
  const product = demo.productPageUrl.replace('/productpage', '/api/v1/products/0');
  const hasDetails = async (): Promise<boolean> => (await run('curl', '-s', product)).stdout.includes('publisher');
  assert.equal(await hasDetails(), true);
  await until('the product page is shut out', async () => !(await hasDetails()), 20_000);
  await until('it is in the figures', async () =>
    /1 of 8 listeners have a NetworkPolicy in front, by which [1-9]/.test(await mesh.lines('AC-4')), 20_000);
  rmSync(policy);
  await until('it is let in again', hasDetails, 20_000);

  writeFileSync(join(demo.meshDir, 'permissive.yaml'), PERMISSIVE);
  await until('curl is heard, and turned away', async () => (await curl(details)) === '403', 20_000);
  await until('it is in the log', async () =>
    /fails [1-9]\d* requests came to details\S* in plaintext, from somebody without an identity/.test(
      await mesh.lines('SC-8')) && /(\d+) of \1 records of decisions say who/.test(await mesh.lines('AU-3')), 20_000);
  assert.match(await mesh.lines('SC-8'), /fails Plaintext was observed: \d+ of \d+ connections to details-v1\.default/);
  const protection = await mesh.lines('AU-9');
  const whole = /^holds .* no line was altered, removed, moved or added; its key has mode 0600\.$/gm;
  assert.equal(protection.match(whole)?.length, 9);

  const log = join(demo.folder, 'audit', 'details-v1', 'audit.jsonl');
  writeFileSync(log, readFileSync(log, 'utf8').replace('"outcome":"denied"', '"outcome":"audited"'));
  assert.match(await mesh.lines('AU-9'), /fails The log of details-v1\.default: \d+ faults, the first: /);
  assert.match(await mesh.lines('AU-3'), /unknown What the logs of details-v1\.default say is left out/);

  const { status, stdout } = await mesh.evidence();
  assert.equal(status, 1, 'plaintext was seen');
  assert.match(stdout, /^# Evidence for NIST SP 800-53 Rev\. 5\n\nObserved \S+Z at \S+\/api\/status and at 8 of 8/);
  for (const id of IDS) assert.match(stdout, new RegExp(`^## ${id} `, 'm'));
});

test('weft evidence says who did not answer, and ends with 2 without a control plane', async () => {
  const { status } = await run(process.execPath, WEFT, 'evidence', '--http', '127.0.0.1:1');
  assert.equal(status, 2);
});
