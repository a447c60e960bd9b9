// Resources from files (faults.md F28): moved, flipped, cut off, written in place, taken away, without events.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '../../test/harness/openssl.ts';
import type { Raw } from '../../test/harness/raw-xds.ts';
import { until } from '../../test/harness/until.ts';
import { FakeProxy, staticCluster, xds, xdsCluster } from '../../test/harness/xds-client-fixture.ts';

const assignment = (name: string, port: number): Raw => ({
  '@type': 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment', cluster_name: name,
  endpoints: [{ lb_endpoints: [{
    endpoint: { address: { socket_address: { address: '10.0.0.1', port_value: port } } },
  }] }],
});
const response = (...resources: Raw[]): string => JSON.stringify({ version_info: '1', resources }, undefined, 1);

/** A proxy with static clusters `a` and `b` whose endpoints come from one file; no management server is there. */
function proxyOf(t: TestContext, pathConfigSource: Raw): FakeProxy {
  const eds = (name: string): Raw => ({ name, type: 'EDS', eds_cluster_config: { eds_config: {
    path_config_source: pathConfigSource } } });
  const proxy = new FakeProxy(1, { extra: { clusters: [xdsCluster('xds', 1), eds('a'), eds('b')] } });
  t.after(() => proxy.config.stop());
  proxy.config.start();
  return proxy;
}

interface Scene {
  readonly folder: string;
  readonly file: string;
  /** Puts a file there as one should: written beside it, and moved over it. */
  move(text: string): void;
}

function scene(t: TestContext, text: string, ending = 'json'): Scene {
  const folder = temporaryFolder(t);
  const file = join(folder, `eds.${ending}`);
  writeFileSync(file, text);
  const move = (next: string): void => {
    writeFileSync(join(folder, '.next'), next);
    renameSync(join(folder, '.next'), file);
  };
  return { folder, file, move };
}

const portOf = (proxy: FakeProxy): unknown =>
  /"portValue":(\d+)/.exec(JSON.stringify(proxy.batches.at(-1) ?? {}))?.[1];
const applied = async (proxy: FakeProxy, port: number): Promise<void> =>
  until(`port ${port} is in force\n${proxy.lines.join('\n')}`, () => portOf(proxy) === String(port));

test('F28 a file that is moved to its place is read, its resources by name, and one without them warned about',
  async (t) => {
    const { file, move } = scene(t, response(assignment('a', 1), assignment('b', 1), assignment('stranger', 1)));
    const proxy = proxyOf(t, { path: file });
    await until('both are in force', () => proxy.applied.join() === 'eds +a +b');
    move(response(assignment('a', 2)));
    await applied(proxy, 2);
    assert.deepEqual(proxy.applied, ['eds +a +b', 'eds +a']);
    assert.match(proxy.lines.join('\n'), /no endpoints 'b'; what is in force stays/);
    assert.equal(proxy.count('xds.eds.update_success'), 2);
  });

test('F28 half a file is refused with its place, whole files after it are taken, and nothing is half in force',
  async (t) => {
    const yaml = 'resources:\n- "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment\n'
      + '  cluster_name: a\n  endpoints: []\n';
    const { file, move } = scene(t, yaml, 'yaml');
    const proxy = proxyOf(t, { path: file });
    await until('it is in force', () => proxy.applied.length === 1);
    const cases: [string, RegExp][] = [
      [response(assignment('a', 2)).slice(0, -20), /eds\.yaml:\d+:\d+: /],
      [`${yaml}  endpoint: []\n`, /eds\.yaml:5:3: resources\[0\]\.endpoint: unknown field/],
      ['', /eds\.yaml: is empty/],
      ['version_info: "2"\n', /eds\.yaml:1:1: resources: expected a list, which may be empty/],
      [`${yaml}- 7\n`, /eds\.yaml:5:3: resources\[1\]: expected an object with @type/],
      [`${yaml}${yaml.slice(yaml.indexOf('-'))}`, /resources\[1\]: 'a' is in the file twice/],
      [yaml.replaceAll('ClusterLoadAssignment', 'Nothing'), /is a type\.googleapis\.com\/.*Nothing, not a /],
      [`${yaml}---\n${yaml}`, /the file holds one document/],
      [`${yaml}resource: []\n`, /eds\.yaml:5:1: resource: is no field of a DiscoveryResponse/],
    ];
    for (const [index, [text, message]] of cases.entries()) {
      move(text);
      await until(`it is refused: ${message.source}\n${proxy.lines.at(-1)}`,
        () => proxy.count('xds.eds.update_rejected') === index + 1);
      assert.match(proxy.lines.join('\n'), message);
    }
    assert.deepEqual(proxy.applied, ['eds +a']);
    move(response(assignment('a', 3)));
    await applied(proxy, 3);
  });

test('F28 what was cut off is read again when it is written to, what is whole is not: no half of it is seen',
  async (t) => {
    const { file, move } = scene(t, response(assignment('a', 1)));
    const proxy = proxyOf(t, { path: file });
    await applied(proxy, 1);
    writeFileSync(file, response(assignment('a', 2)));
    await until('it is told', () => /was written to in place; it is not read/.test(proxy.lines.join('\n')));
    assert.equal(portOf(proxy), '1');
    move('{"resources": [');
    await until('it is refused', () => proxy.count('xds.eds.update_rejected') === 1);
    writeFileSync(file, response(assignment('a', 3)));
    await applied(proxy, 3);
  });

/** Makes a folder with another file, and has a link lead to it, as a kubelet does. */
function flip(folder: string, link: string, port: number): void {
  const name = `..${port}`;
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, 'eds.json'), response(assignment('a', port)));
  symlinkSync(name, join(folder, '..tmp'));
  renameSync(join(folder, '..tmp'), join(folder, link));
}

test('F28 a link that flips, as Kubernetes\' ..data does, brings the other file, with watched_directory and without',
  async (t) => {
    for (const isWatched of [true, false]) {
      const folder = temporaryFolder(t);
      flip(folder, '..data', 1);
      symlinkSync('..data/eds.json', join(folder, 'eds.json'));
      const proxy = proxyOf(t, {
        path: join(folder, 'eds.json'), ...(isWatched && { watched_directory: { path: folder } }),
      });
      await applied(proxy, 1);
      for (const port of [2, 3, 4]) {
        flip(folder, '..data', port);
        rmSync(join(folder, `..${port - 1}`), { recursive: true });
        await applied(proxy, port);
      }
    }
  });

test('F28 what happens in the watched directory has the file read, though it was written in place', async (t) => {
  const { file } = scene(t, response(assignment('a', 1)));
  const watched = temporaryFolder(t);
  const proxy = proxyOf(t, { path: file, watched_directory: { path: watched } });
  await applied(proxy, 1);
  writeFileSync(file, response(assignment('a', 2)));
  writeFileSync(join(watched, 'ready'), '');
  await applied(proxy, 2);
});

test('F28 a file or a folder that is gone is told once, what is in force stays, and it is read when it is back',
  async (t) => {
    const { folder, file } = scene(t, response(assignment('a', 1)));
    const proxy = proxyOf(t, { path: file });
    await applied(proxy, 1);
    unlinkSync(file);
    const told = (): number => proxy.lines.filter((line) => line.includes('there is no such file')).length;
    await until('it is told', () => told() === 1);
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    writeFileSync(file, response(assignment('a', 2)));
    await applied(proxy, 2);
    // The watcher is the new folder's.
    writeFileSync(join(folder, '.next'), response(assignment('a', 3)));
    renameSync(join(folder, '.next'), file);
    await applied(proxy, 3);
    assert.equal(told(), 1);
  });

test('F28 a change that no system event tells of is seen by looking', async (t) => {
  const folder = temporaryFolder(t);
  flip(folder, 'current', 1);
  // What is watched is the folder behind the link, and nothing happens there.
  const proxy = proxyOf(t, { path: join(folder, 'current', 'eds.json') });
  await applied(proxy, 1);
  flip(folder, 'current', 2);
  await applied(proxy, 2);
});

test('F28 a file that this user may not read is told, and read when it may',
  { skip: process.getuid?.() === 0 && 'root may read everything' }, async (t) => {
    const { file, move } = scene(t, response(assignment('a', 1)));
    const proxy = proxyOf(t, { path: file });
    await applied(proxy, 1);
    move(response(assignment('a', 2)));
    chmodSync(file, 0);
    await until('it is told', () => proxy.lines.join('\n').includes('may not be read by this user'));
    chmodSync(file, 0o600);
    await applied(proxy, 2);
  });

test('a file of protobuf is taken, and one of text protobuf refused by name (peer: @grpc/proto-loader)', async (t) => {
  const cluster = xds.any('envoy.service.discovery.v3.DiscoveryResponse', {
    version_info: '7', resources: [staticCluster('c')],
  }).value;
  const { file, folder } = scene(t, '', 'pb');
  writeFileSync(file, cluster);
  const eds = { name: 'a', type: 'EDS', eds_cluster_config: { eds_config: { path: join(folder, 'a.pb_text') } } };
  writeFileSync(join(folder, 'a.pb_text'), 'resources {}');
  const proxy = new FakeProxy(1, { cds: { path: file }, extra: { clusters: [xdsCluster('xds', 1), eds] } });
  t.after(() => proxy.config.stop());
  proxy.config.start();
  await until('it is in force', () => proxy.applied.join() === 'cds +c');
  await until('the other is refused', () => proxy.lines.some((line) => line.includes('text protobuf is not read')));
  writeFileSync(join(folder, 'next'), cluster.subarray(0, -3));
  renameSync(join(folder, 'next'), file);
  await until('a half is refused', () => proxy.count('cluster_manager.cds.update_rejected') === 1);
  writeFileSync(join(folder, 'next'), '');
  renameSync(join(folder, 'next'), file);
  await until('none at all is refused', () => proxy.count('cluster_manager.cds.update_rejected') === 2);
  const none = xds.any('envoy.service.discovery.v3.DiscoveryResponse', { version_info: '8' });
  writeFileSync(join(folder, 'next'), none.value);
  renameSync(join(folder, 'next'), file);
  await until('nothing is left', () => proxy.applied.at(-1) === 'cds -c');
});

test('a file or a watched directory that is not there at start is told at once, as Envoy does', (t) => {
  const { file, folder } = scene(t, response());
  assert.throws(() => proxyOf(t, { path: join(folder, 'none.json') }), /path_config_source: there is no .*none\.json/);
  const watched = { path: file, watched_directory: { path: join(folder, 'none') } };
  assert.throws(() => proxyOf(t, watched), /there is no .*none/);
});
