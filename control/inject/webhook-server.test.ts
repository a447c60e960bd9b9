// The webhooks as an API server calls them (undici over TLS): answers, bounds, and a certificate that is renewed.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { test, type TestContext } from 'node:test';
import { Agent, request } from 'undici';
import { CertificateAuthority } from '../../certs/ca.ts';
import { openStore } from '../../certs/store.ts';
import { ManualClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { until } from '../../test/harness/until.ts';
import type { AdmissionAnswer } from './admission.ts';
import { Webhooks } from './webhooks.ts';

const HOUR_MS = 3_600_000;
const POD = { metadata: { name: 'web', labels: { app: 'web' } }, spec: { containers: [{ name: 'web',
  image: 'web' }] } };

class Fixture {
  readonly clock = new ManualClock();
  readonly wheel = new TimerWheel(this.clock);
  readonly lines: string[] = [];
  readonly ca: CertificateAuthority;
  readonly values: string;
  webhooks!: Webhooks;
  #agent!: Agent;

  constructor(folder: string) {
    this.ca = new CertificateAuthority({
      store: openStore({ dir: join(folder, 'ca'), clock: this.clock }), clock: this.clock, audit: () => {},
    });
    this.values = join(folder, 'values.yaml');
    writeFileSync(this.values, 'global: { hub: first.example, tag: v1 }\n');
  }

  async start(): Promise<this> {
    const say = (line: string): void => void this.lines.push(line);
    this.webhooks = await Webhooks.start(
      { listen: { host: '127.0.0.1', port: 0 }, name: 'weft', values: this.values, given: {} },
      { ca: this.ca, hosts: ['weft-control.weft-system.svc'], kubernetes: undefined, clock: this.clock,
        wheel: this.wheel, log: { info: say, warning: say } });
    // The clock of the certificates is the test's.
    this.#agent = new Agent({ connect: { ca: this.ca.roots, rejectUnauthorized: false } });
    return this;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
    await this.webhooks.close();
  }

  async post(path: string, body: string | object,
    type = 'application/json'): Promise<{ status: number; text: string }> {
    const { statusCode, body: answer } = await request(`https://127.0.0.1:${this.webhooks.address.port}${path}`, {
      method: 'POST', dispatcher: this.#agent, headers: { 'content-type': type },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: statusCode, text: await answer.text() };
  }

  async review(path: string, kind: string, object: unknown, more: object = {}): Promise<AdmissionAnswer['response']> {
    const { status, text } = await this.post(path, {
      apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview',
      request: { uid: 'u-1', operation: 'CREATE', namespace: 'shop', kind: { kind }, object, ...more },
    });
    assert.equal(status, 200, text);
    return (JSON.parse(text) as AdmissionAnswer).response;
  }

  /** Serial number of the certificate that is shown now. */
  serial(): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.webhooks.address.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  }
}

async function fixture(t: TestContext): Promise<Fixture> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-webhook-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const started = await new Fixture(folder).start();
  t.after(() => started.close());
  return started;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value: { readonly name?: string; readonly image?: string }[];
}

function patchOf({ patch = '' }: AdmissionAnswer['response']): Operation[] {
  return JSON.parse(Buffer.from(patch, 'base64').toString()) as Operation[];
}

test('a pod is answered with its patch, a dry run alike, another kind and a pod that will not with none', async (t) => {
  const webhook = await fixture(t);
  const answer = await webhook.review('/inject', 'Pod', POD);
  assert.deepEqual([answer.uid, answer.allowed, answer.patchType], ['u-1', true, 'JSONPatch']);
  const init = patchOf(answer).find(({ path }) => path === '/spec/initContainers');
  assert.deepEqual(init?.value.map(({ name, image }) => [name, image]), [
    ['istio-init', 'first.example/weft-init:v1'], ['istio-proxy', 'first.example/weft:v1'],
  ]);
  assert.deepEqual(await webhook.review('/inject', 'Pod', POD, { dryRun: true }), answer);
  assert.deepEqual(await webhook.review('/inject', 'Pod', { ...POD, spec: { ...POD.spec, hostNetwork: true } }), {
    uid: 'u-1', allowed: true });
  assert.deepEqual(await webhook.review('/inject', 'Service', {}), { uid: 'u-1', allowed: true });
  const annotations = { 'sidecar.istio.io/proxyCPU': 'lots', 'sidecar.istio.io/extraStatTags': 'x' };
  const refused = await webhook.review('/inject', 'Pod', { ...POD, metadata: { annotations } });
  assert.equal(refused.allowed, false);
  assert.match(refused.status?.message ?? '', /proxyCPU: must be a quantity/);
  assert.deepEqual(webhook.webhooks.counters, {
    injected: 2, left: 2, refused: 1, validated: 0, invalid: 0, malformed: 0, tooLarge: 0 });
});

test('an object of Istio\'s API that is wrong is refused in the words that a file would get', async (t) => {
  const webhook = await fixture(t);
  const object = {
    apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'web', namespace: 'shop' },
    spec: { hosts: ['web'], http: [{ route: [{ destination: { host: 'web' } }] }] },
  };
  assert.deepEqual(await webhook.review('/validate', 'VirtualService', object), { uid: 'u-1', allowed: true });
  const wrong = { ...object, spec: { ...object.spec, http: [{ rout: [] }] } };
  const { allowed, status } = await webhook.review('/validate', 'VirtualService', wrong);
  assert.equal(allowed, false);
  assert.match(status?.message ?? '', /^VirtualService shop\/web spec\.http\[0\]\.rout: unknown field.*route/);
  assert.deepEqual(await webhook.review('/validate', 'VirtualService', wrong, { operation: 'DELETE' }), {
    uid: 'u-1', allowed: true });
});

test('what is no question is refused and counted, and a body has its bound', async (t) => {
  const webhook = await fixture(t);
  const head = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' };
  const bodies: readonly (string | object)[] = ['', '{', '[]', '"x"', {}, head, { ...head, request: {} },
    { ...head, request: { uid: 'x'.repeat(300), kind: { kind: 'Pod' } } }, { ...head, request: { uid: 'u' } },
    { ...head, apiVersion: 'admission.k8s.io/v1beta1' }, '['.repeat(100_000)];
  for (const body of bodies) assert.equal((await webhook.post('/inject', body)).status, 400, JSON.stringify(body));
  assert.equal((await webhook.post('/inject', '{}', 'text/plain')).status, 415);
  assert.equal((await webhook.post('/other', {})).status, 404);
  assert.equal((await webhook.post('/inject', `"${'x'.repeat(5_000_000)}"`)).status, 413);
  assert.equal(webhook.webhooks.counters.malformed, bodies.length + 1);
  assert.equal(webhook.webhooks.counters.tooLarge, 1);
  const odd: readonly unknown[] = [null, 7, { spec: null }, { spec: { containers: [null] } }, { metadata: [],
    spec: {} }];
  for (const pod of odd) assert.equal((await webhook.review('/inject', 'Pod', pod)).allowed, false,
    JSON.stringify(pod));
  const deep = `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
  const { status } = await webhook.post('/validate', `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",`
    + `"request":{"uid":"u","operation":"CREATE","kind":{"kind":"Gateway"},"object":${deep}}}`);
  assert.equal(status, 200);
  assert.equal((await webhook.review('/inject', 'Pod', POD)).allowed, true, 'it serves on');
});

test('the certificate is renewed at half of its life, and when the authority changes', async (t) => {
  const webhook = await fixture(t);
  const first = await webhook.serial();
  webhook.clock.advance(13 * HOUR_MS);
  webhook.wheel.advance();
  const second = await webhook.serial();
  assert.notEqual(second, first);
  webhook.ca.use(openStore({ dir: join(webhook.values, '../ca'), clock: webhook.clock }));
  assert.notEqual(await webhook.serial(), second);
});

test('settings are read again when their file has changed; one that is wrong changes nothing and is said',
  async (t) => {
  const webhook = await fixture(t);
  const image = async (): Promise<string | undefined> => {
    const init = patchOf(await webhook.review('/inject', 'Pod', POD)).find(({
      path }) => path === '/spec/initContainers');
    return init?.value[1]?.image;
  };
  writeFileSync(webhook.values, 'global: { hub: second.example, tag: v2-longer }\n');
  await until('the new hub', async () => await image() === 'second.example/weft:v2-longer');
  writeFileSync(webhook.values, 'global: { hob: third.example }\n');
  await until('it is said', async () => {
    await image();
    return webhook.lines.some((line) => /injection goes on as before: .*hob/.test(line));
  });
  assert.equal(await image(), 'second.example/weft:v2-longer');
});
