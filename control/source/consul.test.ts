// Consul's catalog as services: what comes of it, what changes, and what happens while it is away. The server answers
// in the shapes of Consul's documented HTTP API: no Consul itself is to be had here.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../proxy/base/clock.ts';
import { PooledRandom } from '../../proxy/base/random.ts';
import { ConsulServer, type ConsulRegistration } from '../../test/harness/consul-server.ts';
import { until } from '../../test/harness/until.ts';
import { Inventory } from '../model/inventory.ts';
import { findingText } from '../model/mesh-object.ts';
import { Registry } from '../registry/registry.ts';
import type { MeshService } from '../registry/service.ts';
import { ConsulSource, type ConsulSourceOptions } from './consul.ts';
import type { SourceState } from './source.ts';

const random = new PooledRandom();

/** A source beside its server; `service` is what the mesh makes of the state now. */
class Catalog {
  readonly server = new ConsulServer();
  state: SourceState = { objects: [], refused: [], warnings: [], units: 0 };
  changes = 0;

  async start(t: TestContext, options: Partial<ConsulSourceOptions> = {}): Promise<void> {
    const url = await this.server.listen();
    const source = new ConsulSource({ url, clock: systemClock, random, ...options });
    t.after(async () => {
      source.close();
      await this.server.close();
    });
    this.state = await source.start((state) => {
      this.state = state;
      this.changes++;
    });
  }

  service(host: string): MeshService | undefined {
    return new Registry(new Inventory(this.state.objects), 'cluster.local').byHost(host);
  }

  endpoints(host: string): string[] {
    const found = this.service(host)?.endpoints ?? [];
    return found.map(({ address, port, workload }) => `${address}:${port}*${workload.weight}`);
  }

  refusals(): string[] {
    return this.state.refused.flatMap(({ errors }) => errors.map(findingText));
  }
}

const reviews = (id: string, more: Partial<ConsulRegistration> = {}): ConsulRegistration => ({
  id, service: 'reviews', address: `10.0.0.${id}`, port: 9080, meta: { protocol: 'http', version: `v${id}` }, ...more,
});

test('services of the catalog are hosts, with ports, labels, weights and locality', async (t) => {
  const catalog = new Catalog();
  catalog.server.register(
    reviews('1', {
      tags: ['color=red', 'version=v9', 'plain'], zone: 'a',
      meta: { protocol: 'http', version: 'v1', 'service-account': 'reviews' },
    }),
    reviews('2', { weights: { Passing: 7, Warning: 2 }, virtual: '240.0.0.5' }),
    { id: 'db', service: 'db', address: '', port: 5432 });
  await catalog.start(t);
  const service = catalog.service('reviews.service.consul')!;
  assert.deepEqual(service.ports, [{ number: 9080, name: 'http', protocol: 'http' }]);
  assert.deepEqual(catalog.endpoints('reviews.service.consul'), ['10.0.0.1:9080*1', '10.0.0.2:9080*7']);
  assert.deepEqual(catalog.endpoints('reviews.service.dc1.consul'), catalog.endpoints('reviews.service.consul'));
  assert.deepEqual(service.addresses, ['240.0.0.5']);
  const [first, second] = service.endpoints.map(({ workload }) => workload);
  assert.deepEqual([...first!.labels], [['color', 'red'], ['version', 'v1'], ['consul.weft.dev/node', 'node-1']]);
  assert.deepEqual([first!.locality, first!.tlsMode, first!.serviceAccount], ['eu/a', 'istio', 'reviews']);
  assert.deepEqual([second!.locality, second!.tlsMode], ['dc1', 'disabled']);
  assert.deepEqual(catalog.endpoints('db.service.consul'), ['127.0.0.1:5432*1'], 'the address of its node');
});

test('instances that fail a check take nothing, those with a warning what Consul says', async (t) => {
  const catalog = new Catalog();
  catalog.server.register(reviews('1', { checks: ['critical'] }), reviews('2', { checks: ['maintenance'] }),
    reviews('3', { checks: ['warning'], weights: { Passing: 9, Warning: 3 } }),
    reviews('4', { checks: ['warning'], weights: { Passing: 9, Warning: 0 } }));
  await catalog.start(t);
  assert.deepEqual(catalog.endpoints('reviews.service.consul'), ['10.0.0.3:9080*3']);
  catalog.server.register(reviews('3', { checks: ['critical'] }));
  await until('all are out', () => catalog.endpoints('reviews.service.consul').length === 0);
  assert.equal(catalog.service('reviews.service.consul')?.ports[0]?.number, 9080, 'the port stays: 503, not 404');
});

test('instances on ports of their own stand behind one port of the service', async (t) => {
  const catalog = new Catalog();
  catalog.server.register(reviews('1', { port: 21_001, meta: { 'service-port': '80', protocol: 'http' } }),
    reviews('2', { port: 20_500 }), { ...reviews('3', { port: 31_000 }), service: 'ratings' },
    { ...reviews('4', { port: 30_000 }), service: 'ratings' });
  await catalog.start(t);
  assert.equal(catalog.service('reviews.service.consul')?.ports[0]?.number, 80);
  assert.deepEqual(catalog.endpoints('reviews.service.consul'), ['10.0.0.1:21001*1', '10.0.0.2:20500*1']);
  assert.equal(catalog.service('ratings.service.consul')?.ports[0]?.number, 30_000, 'nobody says: the lowest');
});

test('parts of Consul\'s own mesh are no services, nor are those without a port', async (t) => {
  const catalog = new Catalog();
  catalog.server.register({ ...reviews('1', { kind: 'connect-proxy' }), service: 'reviews-sidecar-proxy' },
    { ...reviews('2', { kind: 'mesh-gateway' }), service: 'gateway' },
    { ...reviews('3', { port: 0 }), service: 'job' });
  await catalog.start(t);
  assert.deepEqual(catalog.state.objects, []);
  assert.deepEqual(catalog.refusals(), []);
});

test('a change is one question answered, and what did not change is not told', async (t) => {
  const catalog = new Catalog();
  catalog.server.register(reviews('1'));
  await catalog.start(t);
  catalog.server.register(reviews('2'));
  await until('the second instance', () => catalog.endpoints('reviews.service.consul').length === 2);
  const changes = catalog.changes;
  catalog.server.register(reviews('2'));
  catalog.server.register({ id: 'new', service: 'new', address: '10.0.0.9', port: 80 });
  await until('the new service', () => catalog.service('new.service.consul') !== undefined);
  assert.equal(catalog.changes, changes + 1);
  catalog.server.deregister('new');
  await until('the service that is gone', () => catalog.service('new.service.consul') === undefined);
  catalog.server.deregister('1');
  const left = '10.0.0.2:9080*1';
  await until('who is left', () => catalog.endpoints('reviews.service.consul').join() === left);
});

test('F02 while Consul is away what it said is served and the fault is shown; then its new state', async (t) => {
  const catalog = new Catalog();
  catalog.server.register(reviews('1'));
  await catalog.start(t);
  await catalog.server.close();
  await until('the fault', () => catalog.refusals().length > 0);
  assert.match(catalog.refusals().join('\n'),
    /^consul 127\.0\.0\.1:\d+: cannot be asked: .*what it said before is used$/);
  assert.deepEqual(catalog.endpoints('reviews.service.consul'), ['10.0.0.1:9080*1']);
  catalog.server.deregister('1');
  catalog.server.register(reviews('2'));
  await catalog.server.listen();
  await until('the new state', () => catalog.endpoints('reviews.service.consul').join() === '10.0.0.2:9080*1');
  await until('no fault', () => catalog.refusals().length === 0);
});

test('F30 an index that goes backwards is another history: all is asked anew', async (t) => {
  const catalog = new Catalog();
  catalog.server.register(reviews('1'));
  await catalog.start(t);
  catalog.server.rewind(3);
  catalog.server.register(reviews('2'));
  await until('the change after it', () => catalog.endpoints('reviews.service.consul').length === 2);
});

test('a refused token is said with the rights that are missing, a good one is taken without a restart', async (t) => {
  const catalog = new Catalog();
  catalog.server.register(reviews('1'));
  catalog.server.token = 'secret';
  let token = 'wrong';
  await catalog.start(t, { token: () => token });
  assert.match(catalog.refusals().join('\n'), /refuses the token \(403.*service:read and node:read/);
  assert.doesNotMatch(catalog.refusals().join('\n'), /wrong|secret/);
  token = 'secret';
  await until('the services', () => catalog.endpoints('reviews.service.consul').length === 1);
});

test('more services than questions take turns, and none is forgotten', async (t) => {
  const catalog = new Catalog();
  const many = Array.from({ length: 12 }, (_, at) => (
    { id: `s${at}`, service: `s${at}`, address: '10.0.1.1', port: 80 + at }));
  catalog.server.register(...many.slice(0, 3));
  await catalog.start(t, { questionsMax: 4 });
  catalog.server.register(...many.slice(3));
  await until('all services', () => catalog.state.objects.length === 12);
  catalog.server.register({ ...many[11]!, address: '10.0.1.2' });
  await until('the last change', () => catalog.endpoints('s11.service.consul').join() === '10.0.1.2:91*1');
  assert.ok(catalog.server.waitingMost <= 5, `${catalog.server.waitingMost} questions waited: four and the catalog's`);
});

test('services beyond the limit are refused by number, and a service that cannot be a host by name', async (t) => {
  const catalog = new Catalog();
  catalog.server.register(reviews('1'), { ...reviews('2'), service: 'Bad_Name' }, { ...reviews('3'), service: 'zeta' });
  await catalog.start(t, { servicesMax: 3 });
  assert.deepEqual(catalog.state.objects.map(({ name }) => name), ['reviews']);
  assert.match(catalog.refusals().join('\n'), /has 1 services more than the 3 that are watched/);
  assert.match(catalog.refusals().join('\n'), /Bad_Name.*lower-case letters/);
});
