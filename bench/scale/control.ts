// What a mesh of 10,000 services costs our control plane (`npm run bench:control`): from files to resources for a
// proxy, by stage, with the longest time that its event loop was held.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MeshState } from '../../control/mesh-state.ts';
import type { MeshObject } from '../../control/model/mesh-object.ts';
import { SnapshotBuilder } from '../../control/push/snapshot.ts';
import { FileSource } from '../../control/source/files.ts';
import { MESH_DEFAULTS } from '../../control/translate/mesh-settings.ts';
import type { ProxyNode } from '../../control/translate/proxy-node.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { Wire } from '../../proxy/config/wire.ts';
import { nodeOf } from '../../test/harness/mesh-fixture.ts';

const { values: given } = parseArgs({ options: { services: { type: 'string', default: '10000' } } });
const services = Number(given.services);
const PER_FILE = 100;
/** As in control/push/push-server.ts. */
const SLICE_MS = 5;

const document = (apiVersion: string, kind: string, name: string, more: object): string => (
  `${JSON.stringify({ apiVersion, kind, metadata: { name, namespace: 'shop', ...labelsOf(name) }, ...more })}\n---\n`);

function labelsOf(name: string): object {
  const pod = /^(svc-\d+)-(\d+)$/.exec(name);
  return pod === null ? {} : { labels: { app: pod[1], version: `v${pod[2]}` } };
}

/** A Service with two pods and the slice that names them; each tenth with rules. */
function serviceText(i: number): string {
  const name = `svc-${i}`;
  const ports = [{ name: 'http', port: 9080 }];
  const pods = [0, 1].map((k) => document('v1', 'Pod', `${name}-${k}`, {
    spec: { serviceAccountName: name, containers: [{ name: 'app' }] },
    status: { podIP: `10.${i >> 8}.${i & 255}.${k + 1}`, phase: 'Running' },
  }));
  return document('v1', 'Service', name, { spec: { selector: { app: name }, ports } }) + pods.join('')
    + sliceText(name, i) + (i % 10 === 0 ? rulesText(name) : '');
}

function sliceText(name: string, i: number): string {
  const endpoints = [0, 1].map((k) => ({
    addresses: [`10.${i >> 8}.${i & 255}.${k + 1}`], targetRef: { kind: 'Pod', name: `${name}-${k}` },
  }));
  return `${JSON.stringify({
    apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', endpoints,
    metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
    ports: [{ name: 'http', port: 9080 }],
  })}\n---\n`;
}

function rulesText(host: string): string {
  const http = [
    { match: [{ headers: { 'end-user': { exact: 'jason' } } }], route: [{ destination: { host, subset: 'v0' } }] },
    { route: [{ destination: { host } }], timeout: '5s' },
  ];
  return document('networking.istio.io/v1', 'VirtualService', host, { spec: { hosts: [host], http } })
    + document('networking.istio.io/v1', 'DestinationRule', host, {
      spec: { host, subsets: [{ name: 'v0', labels: { version: 'v0' } }] },
    });
}

/** Prints what a stage took: wall time, CPU time, and the longest turn of the loop. */
async function stage<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  let [longest, last, isOn] = [0, performance.now(), true];
  const look = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (isOn) setImmediate(look);
  };
  look();
  const [begin, cpu] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  await new Promise((resolve) => setImmediate(resolve));
  isOn = false;
  const figures = [performance.now() - begin, (user + system) / 1000, longest, process.memoryUsage().rss / 1_048_576];
  process.stdout.write(`${name.padEnd(28)}${figures.map((figure) => figure.toFixed(0).padStart(10)).join('')}\n`);
  return result;
}

/** As the push server does it. */
async function inSlices(steps: Iterator<unknown>): Promise<void> {
  for (let isDone = false; !isDone;) {
    const untilMs = performance.now() + SLICE_MS;
    while (!isDone && performance.now() < untilMs) isDone = steps.next().done === true;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function nodeIn(namespace: string, app: string): ProxyNode {
  return nodeOf({ NAMESPACE: namespace, LABELS: { app, version: 'v0' }, WEFT_OUTBOUND_LISTEN: '127.0.0.1:15001' });
}

const folder = await mkdtemp(join(tmpdir(), 'weft-control-'));
try {
  for (let file = 0; file * PER_FILE < services; file++) {
    const texts = Array.from({ length: PER_FILE }, (_, i) => serviceText(file * PER_FILE + i));
    await writeFile(join(folder, `part-${file}.yaml`), texts.join(''));
  }
  process.stdout.write(`${services} services, ${2 * services} pods\n${' '.repeat(28)}${
    ['wall ms', 'CPU ms', 'longest', 'RSS MB'].map((title) => title.padStart(10)).join('')}\n`);
  const source = new FileSource({ folder, clock: systemClock });
  const objects = await stage('files read', () => source.start(() => undefined));
  let inForce = Promise.withResolvers<void>();
  const log = { info: (): void => undefined, warning: (): void => undefined };
  const state = new MeshState({
    sourceName: 'bench', settings: MESH_DEFAULTS, log, clock: systemClock, onChange: () => inForce.resolve(),
  });
  await stage('services and findings', () => state.start(objects));
  const builder = new SnapshotBuilder(new Wire());
  const serve = async (what: string, node: ProxyNode): Promise<void> => {
    const { translator } = state;
    await stage(`${what}: translated`, () => inSlices(translator.steps(node)));
    await stage(`${what}: encoded`, () => inSlices(builder.steps(translator.resourcesFor(node))));
    await stage(`${what}: snapshot`, () => builder.build(translator.resourcesFor(node)));
  };
  await serve('first proxy', nodeIn('shop', 'svc-0'));
  await serve('another workload', nodeIn('shop', 'svc-1'));
  await serve('another namespace', nodeIn('other', 'svc-1'));
  const change = async (what: string, changed: typeof objects.objects): Promise<void> => {
    inForce = Promise.withResolvers<void>();
    state.update({ ...objects, objects: changed });
    await stage(`${what}: services`, () => inForce.promise);
    await serve(what, nodeIn('shop', 'svc-0'));
  };
  const ofKind = (wanted: string): MeshObject => objects.objects.find(({ kind }) => kind === wanted)!;
  const without = (gone: MeshObject): MeshObject[] => objects.objects.filter((object) => object !== gone);
  await change('a slice', without(ofKind('EndpointSlice')));
  await change('a pod', without(ofKind('Pod')));
  await change('a rule', without(ofKind('VirtualService')));
  source.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
