// Two workers know together how endpoints are: failures are counted and checks made as by one, whichever worker dies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { HttpHealthServer } from '../harness/health-server.ts';
import { HeldProxy } from '../harness/held-proxy.ts';
import { ScriptHost } from '../harness/script-hosts.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const NO_PANIC = { common_lb_config: { healthy_panic_threshold: { value: 0 } } };

class TwoWorkers implements AsyncDisposable {
  readonly proxy: HeldProxy;
  readonly hosts: readonly ScriptHost[];

  constructor(proxy: HeldProxy, hosts: readonly ScriptHost[]) {
    this.proxy = proxy;
    this.hosts = hosts;
  }

  static async start(names: string, fields: Record<string, unknown>): Promise<TwoWorkers> {
    const hosts = await Promise.all(names.split('').map((name) => ScriptHost.start(name)));
    const cluster = staticCluster('app', hosts.map(({ port }) => port), { ...NO_PANIC, ...fields });
    const proxy = await HeldProxy.start(bootstrapOf([httpListener([routeTo('app')])], [cluster]), 2);
    return new TwoWorkers(proxy, hosts);
  }

  /** Statuses of requests through one worker. */
  async ask(worker: number, times: number): Promise<number[]> {
    const statuses: number[] = [];
    for (let i = 0; i < times; i++) {
      const { statusCode, body } = await request(`http://127.0.0.1:${await this.proxy.port(worker)}/`);
      await body.dump();
      statuses.push(statusCode);
    }
    return statuses;
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) await this.proxy.tick();
  }

  stat(name: string): number {
    return this.proxy.stat(`cluster.app.${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await Promise.all(this.hosts.map((host) => host.stop()));
  }
}

const OUTLIERS = {
  outlier_detection: { interval: '1s', base_ejection_time: '5s', max_ejection_percent: 100, enforcing_success_rate: 0 },
};

test('five errors in a row eject for both workers, whichever saw them, and time brings back (undici)', async () => {
  await using two = await TwoWorkers.start('a', OUTLIERS);
  await two.hosts[0]!.set('500');
  assert.deepEqual(await two.ask(0, 3), [500, 500, 500]);
  await two.hosts[0]!.set('200');
  assert.deepEqual(await two.ask(1, 1), [200]);
  await two.hosts[0]!.set('500');
  await two.ask(0, 3);
  assert.equal(two.stat('outlier_detection.ejections_active'), 0);
  await two.ask(1, 2);
  assert.equal(two.stat('outlier_detection.ejections_enforced_total'), 1);
  await two.pass(100);
  assert.deepEqual([await two.ask(0, 1), await two.ask(1, 1)], [[503], [503]]);
  assert.equal(two.stat('outlier_detection.ejections_active'), 1);
  await two.hosts[0]!.set('200');
  await two.pass(7000);
  assert.deepEqual([await two.ask(0, 1), await two.ask(1, 1)], [[200], [200]]);
  assert.equal(two.stat('outlier_detection.ejections_active'), 0);
});

test('max_ejection_percent holds over both workers (undici)', async () => {
  const detection = { ...OUTLIERS.outlier_detection, consecutive_5xx: 1, max_ejection_percent: 50 };
  await using two = await TwoWorkers.start('abcd', { outlier_detection: detection });
  for (const host of two.hosts) await host.set('500');
  await Promise.all([two.ask(0, 20), two.ask(1, 20)]);
  assert.equal(two.stat('outlier_detection.ejections_enforced_total'), 2);
  assert.ok(two.stat('outlier_detection.ejections_overflow') > 0);
});

test('success rates are of what both workers saw (undici)', async () => {
  const detection = {
    ...OUTLIERS.outlier_detection, consecutive_5xx: 100, enforcing_failure_percentage: 100,
    failure_percentage_minimum_hosts: 1, failure_percentage_request_volume: 10, failure_percentage_threshold: 80,
  };
  await using two = await TwoWorkers.start('a', { outlier_detection: detection });
  await two.hosts[0]!.set('500');
  await two.ask(0, 5);
  await two.ask(1, 4);
  await two.hosts[0]!.set('200');
  await two.ask(1, 1);
  await two.pass(1100);
  assert.equal(two.stat('outlier_detection.ejections_enforced_failure_percentage'), 1);
});

for (const dies of [0, 1]) {
  test(`F19 worker ${dies} dies, and the ejected return as they would have (undici)`, async () => {
    await using two = await TwoWorkers.start('a', OUTLIERS);
    const lives = 1 - dies;
    await two.hosts[0]!.set('500');
    await two.ask(dies, 4);
    await two.ask(lives, 1);
    await two.pass(100);
    assert.deepEqual(await two.ask(lives, 1), [503]);
    two.proxy.kill(dies);
    await two.hosts[0]!.set('200');
    await two.pass(7000);
    assert.deepEqual(await two.ask(lives, 1), [200]);
  });
}

const CHECKS = {
  health_checks: [{
    timeout: '1s', interval: '1s', no_traffic_interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1,
    http_health_check: { path: '/health' },
  }],
};

test('one worker asks how endpoints are, and both know; it dies, and the other one asks (undici)', async () => {
  await using two = await TwoWorkers.start('a', CHECKS);
  const [host] = two.hosts;
  await two.pass(10_000);
  assert.equal(two.stat('health_check.attempt'), 10);
  assert.deepEqual([await two.ask(0, 1), await two.ask(1, 1)], [[200], [200]]);
  host!.checkDoes = '503';
  await two.pass(1500);
  assert.deepEqual([await two.ask(0, 1), await two.ask(1, 1)], [[503], [503]]);
  assert.equal(two.stat('membership_healthy'), 0);
  two.proxy.kill(0);
  host!.checkDoes = '200';
  await two.pass(1500);
  assert.deepEqual(await two.ask(1, 1), [200]);
  const before = two.stat('health_check.success');
  await two.pass(10_000);
  assert.equal(two.stat('health_check.success') - before, 10);
});

test('a response that takes its endpoint out does so for both workers, until its checks pass (undici)', async () => {
  await using two = await TwoWorkers.start('a', CHECKS);
  await two.pass(1500);
  await two.hosts[0]!.set('immediate');
  assert.deepEqual(await two.ask(1, 1), [200]);
  await two.hosts[0]!.set('200');
  await two.pass(50);
  assert.equal(two.stat('membership_excluded'), 1);
  assert.equal(two.stat('health_check.passive_failure'), 1);
  await two.pass(1500);
  assert.deepEqual([await two.ask(0, 1), await two.ask(1, 1)], [[200], [200]]);
});

test('F19 threads: one of two asks a server, also when the one that did is killed (node:http)', async () => {
  await using server = await HttpHealthServer.start();
  const often = { ...CHECKS.health_checks[0], interval: '0.05s', no_traffic_interval: '0.05s' };
  const cluster = staticCluster('app', [server.port], { ...NO_PANIC, health_checks: [often] });
  const bootstrap = bootstrapOf([httpListener([routeTo('app')])], [cluster]);
  await using proxy = await TestProxy.start(bootstrap, { concurrency: 2 });
  const attempts = (): number => proxy.stat('cluster.app.health_check.attempt');
  await until('ten checks', () => attempts() >= 10);
  // Each worker by itself would have a connection.
  assert.equal(server.connections, 1);
  for (const worker of [0, 1]) {
    await proxy.running.supervisor.pool.killWorker(worker);
    const before = server.asked.length;
    await until(`checks without worker ${worker}`, () => server.asked.length > before + 5);
  }
  server.status = 503;
  await until('it is out', () => proxy.stat('cluster.app.membership_healthy') === 0);
});
