// max_active_faults over several workers, through the whole proxy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { serve } from '../harness/http-service.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';

test('all workers together hold no more requests than max_active_faults (undici, node:http)', async () => {
  let served = 0;
  await using upstream = await serve((_, outgoing) => {
    served++;
    outgoing.end();
  });
  const config = {
    '@type': FAULT, max_active_faults: 3, delay: { fixed_delay: '1000s', percentage: { numerator: 100 } },
  };
  const listener = httpListener([routeTo('app')], { http_filters: [{ name: 'fault', typed_config: config }] });
  const cluster = staticCluster('app', [upstream.port]);
  await using proxy = await TestProxy.start(bootstrapOf([listener], [cluster]), { concurrency: 2 });
  const leave = new AbortController();
  const asked = Array.from({ length: 20 }, () =>
    request(`http://127.0.0.1:${proxy.port()}/`, { signal: leave.signal, reset: true }).catch(() => undefined));
  await until('all but three are served', () => served === 17);
  assert.equal(proxy.stat('http.http.fault.active_faults'), 3);
  assert.equal(proxy.stat('http.http.fault.faults_overflow'), 17);
  leave.abort();
  await Promise.all(asked);
  await until('no fault is active', () => proxy.stat('http.http.fault.active_faults') === 0);
});
