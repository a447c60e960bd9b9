// What a change of the mesh costs, by counts: what is made anew, what stays the same object, and how often others get
// their turn meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../proxy/base/random.ts';
import { nodeOf, objectsOf } from '../test/harness/mesh-fixture.ts';
import { buildMesh } from './mesh-build.ts';
import { MeshState } from './mesh-state.ts';
import type { MeshObject } from './model/mesh-object.ts';
import { atOnce } from './model/steps.ts';
import type { SourceState } from './source/source.ts';
import { MESH_DEFAULTS } from './translate/mesh-settings.ts';
import type { ProxyResources } from './translate/proxy-resources.ts';

const NODE = nodeOf({ WEFT_OUTBOUND_LISTEN: '127.0.0.1:15001', LABELS: { app: 'a', tier: 'web' } });
const PARTS = { settings: MESH_DEFAULTS, keySets: undefined };

const service = (name: string): string => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80 }] }
`;

const slice = (name: string, ...addresses: string[]): string => `
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-x, namespace: default, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: http, port: 80 }]
endpoints: [${addresses.map((address) => `{ addresses: ['${address}'] }`).join(', ')}]
`;

const pod = (name: string, app: string, address: string): string => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: ${app}, version: v1 } }
spec: { containers: [{ name: app }] }
status: { podIP: ${address}, phase: Running }
`;

const rules = (host: string): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${host}, namespace: default }
spec:
  hosts: [${host}]
  http:
  - match: [{ sourceLabels: { tier: web } }]
    route: [{ destination: { host: ${host}, subset: v1 } }]
  - route: [{ destination: { host: ${host} } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host}, namespace: default }
spec: { host: ${host}, subsets: [{ name: v1, labels: { version: v1 } }] }
`;

const stateOf = (objects: readonly MeshObject[]): SourceState => ({ objects, refused: [], warnings: [], units: 1 });

/** A state whose clock says at each look that 2 ms have passed. */
class Mesh {
  readonly state: MeshState;
  changes = 0;
  #next = Promise.withResolvers<void>();

  constructor(objects: readonly MeshObject[]) {
    let nowMs = 0;
    const clock = { nowMs: () => (nowMs += 2), wallMs: () => 0 };
    const log = { info: () => undefined, warning: (line: string) => void this.lines.push(line) };
    this.state = new MeshState({
      sourceName: 'test', settings: MESH_DEFAULTS, log, clock,
      onChange: () => {
        this.changes++;
        this.#next.resolve();
      },
    });
    this.state.start(stateOf(objects));
  }

  readonly lines: string[] = [];

  get resources(): ProxyResources {
    return this.state.translator.resourcesFor(NODE);
  }

  /** Counts turns of the loop until it is in force. */
  async change(objects: readonly MeshObject[]): Promise<number> {
    this.#next = Promise.withResolvers();
    this.state.update(stateOf(objects));
    let [isOver, turns] = [false, 0];
    void this.#next.promise.then(() => (isOver = true));
    for (; !isOver; turns++) await new Promise((resolve) => setImmediate(resolve));
    return turns;
  }
}

const names = Array.from({ length: 20 }, (_, i) => `svc-${i}`);
const MESH = objectsOf(names.map((name, i) => service(name) + slice(name, `10.0.0.${i}`)).join('') + rules('svc-3'));

/** With the object of that kind and name in the place of what `objects` has. */
function replaced(objects: readonly MeshObject[], yaml: string): MeshObject[] {
  const [changed] = objectsOf(yaml);
  return objects.map((object) => (object.kind === changed!.kind && object.name === changed!.name ? changed! : object));
}

test('F25 a change of one EndpointSlice makes one service anew, and its endpoints alone', async () => {
  const mesh = new Mesh(MESH);
  const before = mesh.resources;
  const changed = replaced(MESH, slice('svc-7', '10.0.0.7', '10.0.1.7'));
  const built = atOnce(buildMesh(stateOf(changed), PARTS, atOnce(buildMesh(stateOf(MESH), PARTS))));
  assert.deepEqual([built.view.registry.made, built.sameRules], [1, true]);
  await mesh.change(changed);
  const after = mesh.resources;
  assert.equal(after.routes[0], before.routes[0], 'the route table is the same object');
  const made = after.clusters.filter((cluster) => !before.clusters.includes(cluster)).map(({ name }) => name);
  const outbound = made.filter((name) => name.startsWith('outbound'));
  assert.deepEqual(outbound, ['outbound|80||svc-7.default.svc.cluster.local']);
  const moved = after.endpoints.filter((endpoints) => !before.endpoints.includes(endpoints));
  assert.deepEqual(moved.map(({ endpoints }) => endpoints?.[0]?.lbEndpoints?.length), [2]);
  assert.deepEqual(after.clusters, before.clusters, 'what is sent of clusters is equal, so that none is sent again');
});

test('F25 a change of one Pod leaves the route table and the clusters of other services as they are', async () => {
  const pods = names.map((name, i) => service(name) + pod(`${name}-0`, name, `10.0.0.${i}`)).join('');
  const objects = objectsOf(pods + rules('svc-3'));
  const mesh = new Mesh(objects);
  const before = mesh.resources;
  await mesh.change(replaced(objects, pod('svc-5-0', 'svc-5', '10.0.9.9')));
  const after = mesh.resources;
  assert.equal(after.routes[0], before.routes[0]);
  assert.deepEqual(after.endpoints.filter((endpoints) => !before.endpoints.includes(endpoints))
    .map(({ clusterName }) => clusterName), ['outbound|80||svc-5.default.svc.cluster.local']);
});

test('F25 a change of a rule is taken in slices, between which the loop turns', async () => {
  const mesh = new Mesh(MESH);
  const turns = await mesh.change(replaced(MESH, rules('svc-3').replace('tier: web', 'tier: other')));
  assert.ok(turns > MESH.length / 3, `${turns} turns for ${MESH.length} objects`);
  const routes = mesh.resources.routes[0]?.virtualHosts?.find(({ name }) => name.startsWith('svc-3.'))?.routes;
  assert.equal(routes?.length, 1);
});

test('F25 of what comes while a change is taken the newest is in force in the end', async () => {
  const mesh = new Mesh(MESH);
  const versions = ['10.0.5.1', '10.0.5.2', '10.0.5.3'].map((address) => replaced(MESH, slice('svc-7', address)));
  for (const version of versions.slice(0, 2)) mesh.state.update(stateOf(version));
  await mesh.change(versions[2]!);
  while (mesh.changes < 2) await new Promise((resolve) => setImmediate(resolve));
  const endpoints = mesh.resources.endpoints.find(({ clusterName }) => clusterName.includes('svc-7'));
  const address = endpoints?.endpoints?.[0]?.lbEndpoints?.[0]?.endpoint.address.socketAddress?.address;
  assert.deepEqual([address, mesh.changes], ['10.0.5.3', 2]);
});

test('F25 a mesh that was changed step by step is the one that is made of the last objects at once', async () => {
  const seed = Number(process.env['SEED'] ?? Math.trunc(performance.now() * 1000));
  const random = new SeededRandom(seed);
  const draw = (below: number): number => Math.trunc(random.float() * below);
  const pick = (): string => `svc-${draw(5)}`;
  const makers = [
    () => slice(pick(), ...Array.from({ length: draw(3) }, () => `10.0.${draw(2)}.${draw(5)}`)),
    () => pod(`pod-${draw(6)}`, pick(), `10.0.${draw(2)}.${draw(5)}`),
    () => service(pick()),
    () => rules(pick()),
    () => service('alias').replace(/selector: [^}]*}/,
      `type: ExternalName, externalName: ${pick()}.default.svc.cluster.local`),
  ];
  let objects: readonly MeshObject[] = objectsOf(service('svc-0') + service('svc-1') + slice('svc-0', '10.0.0.1'));
  const mesh = new Mesh(objects);
  for (let i = 0; i < 120; i++) {
    const title = ({ kind, name }: MeshObject): string => `${kind} ${name}`;
    const come = random.float() < 0.2 ? [] : objectsOf(makers[draw(random.float() < 0.7 ? 2 : makers.length)]!());
    const gone = new Set([...come.map(title), ...(come.length === 0 ? [title(objects[draw(objects.length)]!)] : [])]);
    objects = [...objects.filter((object) => !gone.has(title(object))), ...come];
    await mesh.change(objects);
    const { clusters, endpoints, routes } = new Mesh(objects).resources;
    const now = mesh.resources;
    assert.deepEqual(now.clusters, clusters, `seed ${seed}, change ${i}`);
    assert.deepEqual(now.endpoints, endpoints, `seed ${seed}, change ${i}`);
    assert.deepEqual(now.routes, routes, `seed ${seed}, change ${i}`);
    assert.deepEqual(mesh.state.status().warnings.toSorted(), new Mesh(objects).state.status().warnings.toSorted());
  }
});
