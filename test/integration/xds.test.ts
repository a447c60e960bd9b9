// Our xDS client and our xDS server together, over mutual TLS: pushes, receipts, refusals, reconnections.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ServerCredentials } from '@grpc/grpc-js';
import type { Server } from '@grpc/grpc-js';
import { spiffeIdOf } from '../../certs/x509.ts';
import { formatSpiffeId } from '../../certs/spiffe.ts';
import { listenXds, makeXdsServer } from '../../control/push/listen.ts';
import { PushServer } from '../../control/push/push-server.ts';
import { SnapshotBuilder } from '../../control/push/snapshot.ts';
import type { SnapshotInput } from '../../control/push/snapshot.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { PooledRandom } from '../../proxy/base/random.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { Bootstrap } from '../../proxy/config/bootstrap.ts';
import { decode } from '../../proxy/config/decode.ts';
import type { ResourceRefusal } from '../../proxy/config/discovery.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import { CLUSTER_TYPE, ROUTE_TYPE, ROUTER_TYPE, HTTP_CONNECTION_MANAGER_TYPE, UPSTREAM_TLS_TYPE }
  from '../../proxy/config/type-url.ts';
import { Wire } from '../../proxy/config/wire.ts';
import { Stats } from '../../proxy/telemetry/stats.ts';
import { grpcClientTls } from '../../proxy/tls/grpc-client-tls.ts';
import { SecretStore } from '../../proxy/tls/secret-store.ts';
import { DynamicConfig } from '../../proxy/xds/dynamic-config.ts';
import { discoveryNode } from '../../proxy/xds/node.ts';
import { decodeResponse } from '../../proxy/xds/resource-decode.ts';
import { nameOfType } from '../../proxy/xds/resource-type.ts';
import type { ResourceBatch } from '../../proxy/xds/resource-client.ts';
import { REVIEWS, testLeaf, testRoot } from '../harness/certificates.ts';
import type { TestCertificate } from '../harness/certificates.ts';
import { until } from '../harness/until.ts';

type NetworkFilterConfig = NonNullable<NonNullable<Listener['filterChains']>[number]['filters']>[number]['typedConfig'];

const wire = new Wire();
const wheel = new TimerWheel(systemClock);
const root = testRoot();
const CONTROL = 'spiffe://cluster.local/ns/weft-system/sa/control';
const quiet = (): void => undefined;

function meshOf(domain: string, clusters: readonly string[], port = 80): SnapshotInput {
  const address = { socketAddress: { address: '10.0.0.1', portValue: port } };
  const rds = { routeConfigName: 'r', configSource: { ads: {} } } as const;
  const typedConfig = {
    '@type': HTTP_CONNECTION_MANAGER_TYPE, statPrefix: 'in', rds,
    httpFilters: [{ name: 'router', typedConfig: { '@type': ROUTER_TYPE } }],
  } satisfies NetworkFilterConfig;
  const endpoints = [{ lbEndpoints: [{ endpoint: { address } }] }];
  return {
    clusters: clusters.map((name) => ({ name, type: 'EDS', edsClusterConfig: { edsConfig: { ads: {} } } })),
    endpoints: clusters.map((clusterName) => ({ clusterName, endpoints })),
    listeners: [{ name: 'l', address, filterChains: [{ filters: [{ name: 'http', typedConfig }] }] }],
    routes: [{ name: 'r', virtualHosts: [{ name: 'v', domains: [domain] }] }],
  };
}

/** A control plane that shows `CONTROL`, and serves reviews only. */
class ControlPlane {
  readonly push: PushServer;
  mesh: SnapshotInput;
  port = 0;
  #server: Server | undefined = undefined;

  constructor(mesh: SnapshotInput) {
    this.mesh = mesh;
    const builder = new SnapshotBuilder(wire);
    this.push = new PushServer({
      wire, wheel, clock: systemClock, log: { info: quiet, warning: quiet },
      snapshotFor: () => builder.build(this.mesh),
      authorise: (_node, { certificate }) => {
        const id = certificate === undefined ? undefined : spiffeIdOf(certificate);
        return id !== undefined && formatSpiffeId(id) === REVIEWS ? undefined : 'this is not reviews';
      },
    });
  }

  async listen(): Promise<void> {
    const { chain, key } = testLeaf(root, { identity: CONTROL });
    const pair = { cert_chain: Buffer.from(chain), private_key: Buffer.from(key) };
    this.#server = makeXdsServer(this.push);
    const credentials = ServerCredentials.createSsl(Buffer.from(root.cert), [pair], true);
    this.port = await listenXds(this.#server, `127.0.0.1:${this.port}`, credentials);
  }

  kill(): void {
    this.#server?.forceShutdown();
  }

  set(mesh: SnapshotInput): void {
    this.mesh = mesh;
    this.push.refresh();
  }
}

class Proxy {
  readonly batches: ResourceBatch[] = [];
  readonly refuse = new Map<string, string>();
  readonly lines: string[] = [];
  readonly config: DynamicConfig;

  constructor(port: number, leaf: TestCertificate, serverName = CONTROL) {
    const commonTlsContext = {
      tlsCertificates: [{ certificateChain: { inlineString: leaf.chain }, privateKey: { inlineString: leaf.key } }],
      validationContext: {
        trustedCa: { inlineString: root.cert },
        matchTypedSubjectAltNames: [{ sanType: 'URI', matcher: { exact: serverName } }],
      },
    };
    const address = { socketAddress: { address: '127.0.0.1', portValue: port } };
    const endpoints = [{ lbEndpoints: [{ endpoint: { address } }] }];
    const { value: bootstrap, errors } = decode(Bootstrap, {
      node: { id: 'sidecar~reviews' },
      dynamicResources: {
        adsConfig: { apiType: 'DELTA_GRPC', grpcServices: [{ envoyGrpc: { clusterName: 'xds' } }] },
        cdsConfig: { ads: {} }, ldsConfig: { ads: {} },
      },
      staticResources: {
        clusters: [{
          name: 'xds', loadAssignment: { clusterName: 'xds', endpoints },
          transportSocket: { name: 'tls', typedConfig: { '@type': UPSTREAM_TLS_TYPE, commonTlsContext } },
        }],
      },
    });
    assert.deepEqual(errors, []);
    const log = (line: string): void => void this.lines.push(line);
    this.config = new DynamicConfig({
      bootstrap: bootstrap!, node: discoveryNode(bootstrap!.node!, '0.1.0'), handler: this, ownSecrets: new Set(),
      tls: (context) => grpcClientTls(context, new SecretStore(), systemClock),
      wire, decode: (response) => decodeResponse({ wire, clock: systemClock }, response),
      decodeFile: () => Promise.reject(new Error('no files here')),
      wheel, clock: systemClock, random: new PooledRandom(),
      stats: new Stats({ chunk: quiet, register: quiet }),
      log: { trace: log, debug: log, info: log, warning: log, error: log, critical: log, enabled: () => true },
    });
  }

  apply(batch: ResourceBatch): Promise<{ refused: ResourceRefusal[] }> {
    this.batches.push(batch);
    const refused = batch.updated.filter(({ name }) => this.refuse.has(name));
    return Promise.resolve({ refused: refused.map(({ name }) => ({ name, reason: this.refuse.get(name)! })) });
  }

  get applied(): string[] {
    return this.batches.map(({ type, updated, removed }) => [
      nameOfType(type).service, ...updated.map(({ name }) => `+${name}`), ...removed.map((name) => `-${name}`),
    ].join(' '));
  }
}

async function start(t: TestContext, mesh: SnapshotInput): Promise<{ control: ControlPlane; proxy: Proxy }> {
  const control = new ControlPlane(mesh);
  await control.listen();
  const proxy = new Proxy(control.port, testLeaf(root));
  t.after(() => {
    proxy.config.stop();
    control.kill();
  });
  proxy.config.start();
  await until('synced', () => isSynced(control));
  return { control, proxy };
}

function isSynced({ push }: ControlPlane): boolean {
  const types = push.receipts.list()[0]?.types ?? [];
  return types.length === 4 && types.every(({ sent, acked, pending }) => !pending && sent === acked);
}

test('F04 a push arrives in an order that breaks nothing, and its receipts say so', async (t) => {
  const { control, proxy } = await start(t, meshOf('*', ['a', 'b']));
  assert.deepEqual(proxy.applied, ['cds +a +b', 'eds +a +b', 'lds +l', 'rds +r']);
  control.set(meshOf('c.example', ['a', 'c']));
  await until('all applied', () => proxy.applied.length >= 9);
  assert.deepEqual(proxy.applied.slice(4), ['cds +c', 'eds +c', 'rds +r', 'cds -b', 'eds -b']);
  await until('synced', () => isSynced(control));
  const [receipt] = control.push.receipts.list();
  assert.deepEqual(receipt!.types.map(({ type, resources, nack }) => [type, resources, nack]), [
    ['cds', 2, undefined], ['lds', 1, undefined], ['eds', 2, undefined], ['rds', 1, undefined],
  ]);
  assert.equal(receipt!.userAgent, 'weft 0.1.0');
});

test('F03 a refused resource is in the receipt by name and reason, and the proxy keeps the one before', async (t) => {
  const { control, proxy } = await start(t, meshOf('*', ['a']));
  const before = control.push.receipts.get('sidecar~reviews')!.running(ROUTE_TYPE).get('r');
  proxy.refuse.set('r', 'virtualHosts[0].domains: a worker says no');
  control.set(meshOf('bad.example', ['a'], 81));
  await until('refused', () => control.push.counts.refused === 1);
  const rds = control.push.receipts.list()[0]!.types.find(({ type }) => type === 'rds')!;
  const told = rds.refused.map(({ name, reason }) => [name, reason]);
  assert.deepEqual(told, [['r', 'virtualHosts[0].domains: a worker says no']]);
  assert.equal(control.push.receipts.get('sidecar~reviews')!.running(ROUTE_TYPE).get('r'), before);
  proxy.refuse.clear();
  control.set(meshOf('good.example', ['a'], 81));
  await until('synced', () => isSynced(control));
});

test('F02 a control plane that comes back sends nothing that the proxy has', async (t) => {
  const { control, proxy } = await start(t, meshOf('*', ['a', 'b']));
  control.kill();
  await until('lost', () => proxy.config.status()[0]?.state === 'waiting');
  const next = new ControlPlane(meshOf('*', ['a', 'b']));
  next.port = control.port;
  await next.listen();
  t.after(() => next.kill());
  await until('synced again', () => isSynced(next));
  assert.equal(proxy.applied.length, 4);
  assert.equal(next.push.receipts.get('sidecar~reviews')!.running(CLUSTER_TYPE).size, 2);
  next.set(meshOf('*', ['a', 'b'], 81));
  await until('more applied', () => proxy.applied.length > 4);
  assert.deepEqual(proxy.applied.slice(4, 5), ['eds +a +b']);
});

test('S100 a server with another name, and a proxy with another, get no further', async (t) => {
  const control = new ControlPlane(meshOf('*', ['a']));
  await control.listen();
  const stranger = new Proxy(control.port, testLeaf(root, { identity: 'spiffe://cluster.local/ns/default/sa/other' }));
  const careful = new Proxy(control.port, testLeaf(root), 'spiffe://cluster.local/ns/default/sa/control');
  t.after(() => {
    for (const proxy of [stranger, careful]) proxy.config.stop();
    control.kill();
  });
  for (const proxy of [stranger, careful]) proxy.config.start();
  await until('both refused', () => stranger.lines.length > 0 && careful.lines.length > 0);
  assert.match(stranger.lines[0]!, /this is not reviews/);
  assert.match(careful.lines[0]!, /spiffe:\/\/cluster\.local/);
  assert.deepEqual([stranger.batches, careful.batches, control.push.receipts.list()], [[], [], []]);
});
