// Listeners, clusters, endpoints, routes and secrets from files (faults.md F28): one set under a real Envoy and
// under weft. A link flips as Kubernetes' ..data does, half a file comes, certificates are renewed under load.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { testLeaf, testRoot } from '../harness/certificates.ts';
import type { TestCertificate } from '../harness/certificates.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { askOverTls } from '../harness/tls-requests.ts';
import { until } from '../harness/until.ts';

const TYPE = 'type.googleapis.com/envoy';
type Json = Readonly<Record<string, unknown>>;
type Resources = Readonly<Record<string, readonly Json[]>>;

/** What a mounted volume looks like: files are links through `..data`, which is one to the newest folder. */
class Volume {
  readonly folder: string;
  #turn = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  source(name: string): Json {
    return { path_config_source: {
      path: join(this.folder, '..data', name), watched_directory: { path: this.folder },
    } };
  }

  put(files: Readonly<Record<string, string>>): void {
    const name = `..${++this.#turn}`;
    mkdirSync(join(this.folder, name));
    for (const [file, text] of Object.entries(files)) {
      writeFileSync(join(this.folder, name, file), text, { mode: 0o600 });
    }
    symlinkSync(name, join(this.folder, '..tmp'));
    renameSync(join(this.folder, '..tmp'), join(this.folder, '..data'));
    rmSync(join(this.folder, `..${this.#turn - 1}`), { recursive: true, force: true });
  }
}

function resourcesOf(volume: Volume, port: number, upstream: number, leaf: TestCertificate): Resources {
  const address = (portValue: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: portValue } });
  const secret = { name: 'leaf', sds_config: volume.source('sds.json') };
  const tls = { '@type': `${TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
    common_tls_context: { tls_certificate_sds_secret_configs: [secret] } };
  const manager = { '@type': `${TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'in', rds: { route_config_name: 'routes', config_source: volume.source('rds.json') },
    http_filters: [{ name: 'router', typed_config: { '@type': `${TYPE}.extensions.filters.http.router.v3.Router` } }] };
  const chain = {
    filters: [{ name: 'http', typed_config: manager }], transport_socket: { name: 'tls', typed_config: tls },
  };
  const route = { match: { prefix: '/' }, route: { cluster: 'app' } };
  return {
    'lds.json': [{ '@type': `${TYPE}.config.listener.v3.Listener`, name: 'in', address: address(port),
      filter_chains: [chain] }],
    'cds.json': [{ '@type': `${TYPE}.config.cluster.v3.Cluster`, name: 'app', type: 'EDS',
      eds_cluster_config: { eds_config: volume.source('eds.json') } }],
    'eds.json': [{ '@type': `${TYPE}.config.endpoint.v3.ClusterLoadAssignment`, cluster_name: 'app',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstream) } }] }] }],
    'rds.json': [{ '@type': `${TYPE}.config.route.v3.RouteConfiguration`, name: 'routes',
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] }],
    'sds.json': [{ '@type': `${TYPE}.extensions.transport_sockets.tls.v3.Secret`, name: 'leaf', tls_certificate: {
      certificate_chain: { inline_string: leaf.chain }, private_key: { inline_string: leaf.key } } }],
  };
}

function texts(resources: Resources): Record<string, string> {
  return Object.fromEntries(Object.entries(resources).map(([name, each]) => (
    [name, JSON.stringify({ version_info: '1', resources: each }, undefined, 1)])));
}

async function shownAt(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerX509Certificate()!;
  socket.destroy();
  return fingerprint256;
}

for (const { kind, skip } of candidates()) {
  test(`F28 S61 ${kind} takes all from files, follows flips under load, and keeps what half a file would take away`,
    { skip }, async (t) => {
      await using one = await EchoServer.start('one');
      await using two = await EchoServer.start('two');
      const root = testRoot();
      const [first, second] = [testLeaf(root), testLeaf(root)];
      const volume = new Volume(temporaryFolder(t));
      const [port = 0] = await freePorts(1);
      volume.put(texts(resourcesOf(volume, port, one.port, first)));
      await using proxy = await ProxyProcess.start(kind, {
        node: { id: 'files', cluster: 'c' },
        dynamic_resources: { lds_config: volume.source('lds.json'), cds_config: volume.source('cds.json') },
      });
      const load = askOverTls(port);
      t.after(() => load.stop());
      await until('requests are made', () => load.servers.get('one')! > 20);
      assert.equal(await shownAt(port), first.x509.fingerprint256);

      volume.put(texts(resourcesOf(volume, port, two.port, second)));
      await until('the renewed certificate is shown', async () => await shownAt(port) === second.x509.fingerprint256);
      await until('the other endpoint is asked', () => (load.servers.get('two') ?? 0) > 20);

      const whole = texts(resourcesOf(volume, port, one.port, first));
      volume.put(Object.fromEntries(Object.entries(whole).map(([name, text]) => [name, text.slice(0, -30)])));
      const scopes = ['cluster_manager.cds', 'listener_manager.lds'];
      // What cannot be parsed Envoy counts as a failure, as rejected only what is wrong by its content; weft makes no
      // such difference.
      const counter = kind === 'envoy' ? 'update_failure' : 'update_rejected';
      for (const scope of scopes) {
        await until(`${scope} refuses it`, async () => await proxy.stat(`${scope}.${counter}`) > 0);
      }
      const before = load.servers.get('two')!;
      await until('requests go on', () => load.servers.get('two')! > before + 20);
      assert.equal(await shownAt(port), second.x509.fingerprint256);

      volume.put(whole);
      await until('a whole one is taken', async () => await shownAt(port) === first.x509.fingerprint256);
      const asked = load.servers.get('one')!;
      await until('and its endpoint asked', () => load.servers.get('one')! > asked + 20);
      await load.stop();
      assert.deepEqual(load.failures, []);
    });
}
