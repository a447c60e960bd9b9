// An API server's list and watch with its faults: cut lines, expired versions, resources that are missing or not ours.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../proxy/base/clock.ts';
import { SeededRandom } from '../../proxy/base/random.ts';
import { until } from '../../test/harness/until.ts';
import { WatchApi, type ApiObject } from '../../test/harness/watch-api.ts';
import { findingText } from '../model/mesh-object.ts';
import { KubeClient } from './kube-client.ts';
import { EventLines } from './kube-events.ts';
import { pluralOf } from './kube-resource.ts';
import { KubernetesSource, type KubernetesSourceOptions } from './kubernetes.ts';
import type { SourceState } from './source.ts';

const service = (name: string, namespace = 'default'): ApiObject => ({
  apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { ports: [{ name: 'http', port: 80 }] },
});
const rule = (name: string): ApiObject => ({
  apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name, namespace: 'default' },
  spec: { hosts: [name], http: [{ route: [{ destination: { host: name } }] }] },
});
const namespace = (name: string, labels: Record<string, string> = {}): ApiObject => (
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });

class Cluster {
  readonly api: WatchApi;
  readonly lines: string[] = [];
  state: SourceState = { objects: [], refused: [], warnings: [], units: 0 };
  changes = 0;
  source!: KubernetesSource;

  constructor(api: WatchApi) {
    this.api = api;
  }

  async open(t: TestContext, options: Partial<KubernetesSourceOptions> = {}): Promise<Promise<void>[]> {
    this.source = new KubernetesSource({
      client: await KubeClient.load({ kubeconfig: this.api.kubeconfig() }), clock: systemClock,
      random: new SeededRandom(7), log: { info: (line) => this.lines.push(line), warning: (l) => this.lines.push(l) },
      rootNamespace: 'istio-system', quietMs: 5, waitMaxMs: 20, pace: { absentMs: 100 }, ...options,
    });
    t.after(() => this.source.close());
    // In an array, so that awaiting this does not wait for it.
    return [this.source.start((state) => {
      this.state = state;
      this.changes++;
    }).then((state) => {
      this.state = state;
    })];
  }

  async start(t: TestContext, options: Partial<KubernetesSourceOptions> = {}): Promise<void> {
    await Promise.all(await this.open(t, options));
    await until('a watch', () => this.api.watching('services') > 0);
  }

  names(kind = 'Service'): string {
    return this.state.objects.filter((object) => object.kind === kind).map(({ name }) => name).join(' ');
  }

  watch(resource: string): ReturnType<KubernetesSource['watches']>[number] | undefined {
    return this.source.watches().find((watch) => watch.resource === resource);
  }
}

async function cluster(t: TestContext, ...objects: ApiObject[]): Promise<Cluster> {
  const api = await WatchApi.start(t);
  for (const object of objects) api.put(object);
  return new Cluster(api);
}

test('an event is the same wherever its bytes are split', () => {
  const text = `{"type":"ADDED","object":{"metadata":{"name":"h\u00e9"}}}\n{"type":"DELETED","object":{}}\n`;
  const bytes = Buffer.from(text);
  const whole = new EventLines().push(bytes);
  assert.equal(whole.length, 2);
  for (let at = 0; at <= bytes.length; at++) {
    const lines = new EventLines();
    assert.deepEqual([...lines.push(bytes.subarray(0, at)), ...lines.push(bytes.subarray(at))], whole);
  }
});

test('a line without end is given up at its limit, and what is no event is said to be none', () => {
  const lines = new EventLines(10);
  assert.deepEqual(lines.push(Buffer.from('12345')), []);
  assert.throws(() => lines.push(Buffer.from('678901')), /larger than 10 bytes/);
  for (const text of ['nonsense', '[]', 'null', '{"type":1,"object":{}}', '{"type":"ADDED"}']) {
    assert.throws(() => new EventLines().push(Buffer.from(`${text}\n`)), /not JSON|no type or object/);
  }
});

test('names of resources are formed as Kubernetes forms them', () => {
  const kinds = ['Service', 'NetworkPolicy', 'ServiceEntry', 'Gateway', 'Telemetry', 'GatewayClass', 'Sidecar'];
  assert.deepEqual(kinds.map(pluralOf), [
    'services', 'networkpolicies', 'serviceentries', 'gateways', 'telemetries', 'gatewayclasses', 'sidecars',
  ]);
});

test('F02 a watch that is cut in the middle of a line goes on where it was (node:http)', async (t) => {
  const mesh = await cluster(t, service('a'));
  await mesh.start(t);
  mesh.api.silently(() => mesh.api.put(service('b')));
  mesh.api.cut('services', '{"type":"ADDED","object":{"kind":"Service","metadata":{"name":"half');
  await until('b', () => mesh.names() === 'a b');
  assert.equal(mesh.api.lists('services').length, 1, 'it was not listed again');
  assert.equal(mesh.watch('services')?.state, 'current');
});

test('F02 while nothing can be reached what is known stays, and is said to be old (node:http)', async (t) => {
  const mesh = await cluster(t, service('a'));
  await mesh.start(t);
  mesh.api.refuseAll = 503;
  mesh.api.cut('services');
  await until('broken', () => /503/.test(mesh.watch('services')?.reason ?? ''));
  assert.equal(mesh.watch('services')?.state, 'broken');
  assert.equal(mesh.names(), 'a');
  assert.match(mesh.lines.join('\n'), /503 for all; what is known stays in force/);
  mesh.api.silently(() => mesh.api.put(service('b')));
  mesh.api.refuseAll = undefined;
  await until('b', () => mesh.names() === 'a b');
});

test('an expired version is listed anew: what went meanwhile is gone (node:http)', async (t) => {
  const mesh = await cluster(t, service('a'), service('b'));
  await mesh.start(t);
  mesh.api.silently(() => mesh.api.remove(service('a')));
  mesh.api.compact();
  mesh.api.cut('services');
  await until('a is gone', () => mesh.names() === 'b');
  assert.equal(mesh.watch('services')?.relists, 2);
});

test('a page of a list that has expired begins the list anew (node:http)', async (t) => {
  const mesh = await cluster(t, service('a'), service('b'), service('c'));
  let expired = 0;
  mesh.api.onList = ({ plural, query }, response) => {
    if (plural !== 'services' || !query.has('continue') || ++expired > 1) return false;
    response.writeHead(410).end('{"kind":"Status","code":410,"reason":"Expired","message":"too old"}');
    return true;
  };
  await mesh.start(t, { pace: { pageObjects: 2 } });
  assert.equal(mesh.names(), 'a b c');
  assert.deepEqual(mesh.api.lists('services').map(({ query }) => query.has('continue')), [false, true, false, true]);
});

test('a bookmark is where the next watch begins (node:http)', async (t) => {
  const mesh = await cluster(t, service('a'));
  await mesh.start(t);
  mesh.api.bookmark('services');
  mesh.api.compact();
  mesh.api.bookmark('services');
  mesh.api.put(service('b'));
  await until('b', () => mesh.names() === 'a b');
  mesh.api.cut('services');
  await until('watched again', () => mesh.api.watching('services') === 1);
  assert.equal(mesh.api.lists('services').length, 1);
});

test('nonsense in a watch ends it, and is counted; nothing of it is taken (node:http)', async (t) => {
  const mesh = await cluster(t, service('a'));
  await mesh.start(t);
  for (const text of ['nonsense\n', '{"type":"WHAT","object":{}}\n', '{"type":"ERROR","object":{"code":500}}\n']) {
    await until('watched', () => mesh.api.watching('services') === 1);
    mesh.api.write('services', text);
    await until('no more', () => mesh.api.watching('services') === 0);
    mesh.api.put(service('a'));
  }
  await until('watched', () => mesh.api.watching('services') === 1);
  assert.equal(mesh.watch('services')?.failures, 3);
  assert.equal(mesh.names(), 'a');
});

test('a resource that nobody has defined is said to be missing once, and found when it is there', async (t) => {
  const mesh = await cluster(t, service('a'), rule('a'));
  mesh.api.absent.add('virtualservices');
  await mesh.start(t);
  await until('asked again', () => mesh.api.lists('virtualservices').length > 6);
  const said = mesh.lines.filter((line) => line.includes('virtualservices'));
  assert.match(said.join('\n'), /^\S+: virtualservices\.networking\.istio\.io: not defined here/);
  assert.equal(said.length, 1);
  mesh.api.absent.delete('virtualservices');
  await until('the rule', () => mesh.names('VirtualService') === 'a');
});

test('an older version is watched where the first is not served', async (t) => {
  const mesh = await cluster(t, rule('a'));
  mesh.api.absent.add('virtualservices/v1');
  await mesh.start(t);
  assert.equal(mesh.names('VirtualService'), 'a');
  assert.equal(mesh.state.refused.length, 0);
});

test('without the right to read policies nothing is served; without that to read nodes the rest is', async (t) => {
  const mesh = await cluster(t, service('a'));
  for (const plural of ['authorizationpolicies', 'nodes', 'secrets']) mesh.api.denied.add(plural);
  const [started] = await mesh.open(t);
  const isDenied = (resource: string): boolean => mesh.watch(resource)?.state === 'denied';
  await until('denied', () => isDenied('authorizationpolicies.security.istio.io') && isDenied('secrets'));
  const lines = mesh.lines.join('\n');
  assert.match(lines, /authorizationpolicies\.security\.istio\.io: needs the verbs list and watch.*nothing is served/);
  assert.match(lines, /nodes: needs the verbs list and watch: .*"test" cannot list.*; the mesh does without/);
  assert.equal(mesh.changes + mesh.state.objects.length, 0);
  mesh.api.denied.delete('authorizationpolicies');
  await started;
  assert.equal(mesh.names(), 'a');
});

test('of the namespaces that are named alone objects are asked for, and of the root namespace', async (t) => {
  const mesh = await cluster(t, service('a', 'one'), service('b', 'two'), service('c', 'istio-system'));
  await mesh.start(t, { namespaces: ['one'] });
  assert.equal(mesh.names(), 'c a');
  const asked = new Set(mesh.api.requests.filter(({ plural }) => plural === 'services').map((ask) => ask.namespace));
  assert.deepEqual([...asked], ['istio-system', 'one']);
});

test('discoverySelectors of the ConfigMap istio say which namespaces the mesh is in, as labels change', async (t) => {
  const configMap: ApiObject = {
    apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' },
    data: {
      mesh: 'discoverySelectors:\n- matchLabels: { mesh: "yes" }\naccessLogFile: /dev/stdout\ntrustDomain: other\n'
        + 'rootNamespace: istio-system\n',
    },
  };
  const mesh = await cluster(t, configMap, namespace('one', { mesh: 'yes' }), namespace('two'),
    service('a', 'one'), service('b', 'two'));
  await mesh.start(t);
  assert.equal(mesh.names(), 'a');
  assert.match(mesh.state.warnings.map(findingText).join('\n'),
    /^\S+: MeshConfig accessLogFile: has no effect.*\n\S+: MeshConfig trustDomain: has no effect.*--trust-domain$/);
  mesh.api.put(namespace('two', { mesh: 'yes' }));
  await until('b', () => mesh.names() === 'a b');
  mesh.api.put(namespace('one'));
  await until('a is gone', () => mesh.names() === 'b');
  mesh.api.remove(configMap);
  await until('all', () => mesh.names() === 'a b');
});

test('a kind that would change traffic and is not supported is refused by name', async (t) => {
  const mesh = await cluster(t, {
    apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter', metadata: { name: 'x', namespace: 'default' },
    spec: { configPatches: [] },
  });
  await mesh.start(t);
  assert.match(findingText(mesh.state.refused[0]!.errors[0]!), /kubernetes:EnvoyFilter\/default\/x: .*not supported/);
});

test('what has no bearing on the mesh is not kept, and its changes are none', async (t) => {
  const pod = (status: object, managedFields: unknown): ApiObject => ({
    apiVersion: 'v1', kind: 'Pod', metadata: {
      name: 'p', namespace: 'default', managedFields, labels: { app: 'p' },
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': 'x'.repeat(1000) },
    },
    spec: { containers: [{ name: 'c', image: 'i', env: [{ name: 'S', value: 'x'.repeat(1000) }] }], volumes: [{}] },
    status: { podIP: '10.0.0.1', ...status },
  });
  const secret: ApiObject = {
    apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', namespace: 'default' }, data: { password: 'eA==' },
  };
  const mesh = await cluster(t, pod({}, [{}]), secret);
  await mesh.start(t);
  assert.equal(mesh.names('Secret'), '');
  assert.ok(JSON.stringify(mesh.state.objects.find(({ kind }) => kind === 'Pod')?.body).length < 500);
  mesh.api.put(pod({ startTime: 'now', conditions: [{ type: 'Initialized', status: 'True' }] }, [{ time: 'later' }]));
  mesh.api.put(service('b'));
  await until('b', () => mesh.names() === 'b');
  assert.equal(mesh.changes, 1);
});

test('more objects than there is room for are left out, and counted', async (t) => {
  const mesh = await cluster(t, service('a'), service('b'), service('c'));
  await mesh.start(t, { objectsMax: 2 });
  assert.equal(mesh.state.objects.length, 2);
  assert.match(mesh.state.warnings.map(findingText).join(), /1 objects are left out: there are more than 2/);
});
