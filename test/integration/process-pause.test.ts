// A proxy that stands still and goes on (faults.md F29): what was answered meanwhile has not timed out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { EchoServer } from '../harness/echo-server.ts';
import { ProxyProcess } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const ROUNDS = 2;
/** Longer than every timeout here, which are long enough for a busy machine. */
const PAUSE_MS = 2000;

test('F29 SIGSTOP and SIGCONT: no request times out that was answered, no endpoint fails its checks (undici)',
  { timeout: 60_000 }, async () => {
    await using app = await EchoServer.start('app');
    const checks = [{
      timeout: '1.5s', interval: '0.05s', no_traffic_interval: '0.05s', unhealthy_threshold: 1, healthy_threshold: 1,
      http_health_check: { path: '/' },
    }];
    const bootstrap = bootstrapOf(
      [httpListener([routeTo('app', { timeout: '1.5s' })])],
      [staticCluster('app', [app.port], { health_checks: checks, common_lb_config: { healthy_panic_threshold: {} } })],
    );
    await using proxy = await ProxyProcess.start('weft', bootstrap);
    const url = `http://127.0.0.1:${proxy.port('http')}/`;
    const healthy = async (): Promise<boolean> => await proxy.stat('cluster.app.membership_healthy') === 1;
    await until('the endpoint is healthy', healthy);
    for (let round = 0; round < ROUNDS; round++) {
      const before = app.requests;
      const slow = request(url, { headers: { 'x-delay-ms': '200' } });
      await until('the request is under way', () => app.requests > before);
      proxy.process.child.kill('SIGSTOP');
      await pause(PAUSE_MS);
      proxy.process.child.kill('SIGCONT');
      const { statusCode, body } = await slow;
      await body.dump();
      assert.equal(statusCode, 200);
      const checked = await proxy.stat('cluster.app.health_check.attempt');
      await until('it is checked again',
        async () => await proxy.stat('cluster.app.health_check.attempt') > checked + 2);
      assert.equal(await proxy.stat('cluster.app.health_check.failure'), 0);
      assert.ok(await healthy());
    }
    assert.equal(await proxy.stat('server.worker_deaths'), 0);
    assert.equal(await proxy.stat('server.watchdog_mega_miss'), 0);
  });
