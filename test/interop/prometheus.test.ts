// What the admin interface exposes for Prometheus, read by Prometheus's own promtool.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { runCommand } from '../../proxy/admin/commands.ts';
import { clusterScope, labelledName, statName } from '../../proxy/telemetry/stat-name.ts';
import { fakeSource } from '../harness/admin-source.ts';
import { findProgram, reasonToSkip } from '../harness/peers.ts';

const promtool = findProgram('promtool');

/** promtool's exit status for text that it can read, with names that it would have chosen otherwise (Envoy's). */
const LINT = 3;

const skip = reasonToSkip(promtool);

test('promtool reads the exposition, names with quotes and line breaks included', { skip }, async () => {
  const { source, stats } = fakeSource();
  for (const cluster of ['reviews', 'outbound|9080|v1|a.svc', 'quote " back \\ line\nbreak', 'caf\u00e9']) {
    stats.counter(statName(clusterScope(cluster), 'upstream_rq_200')).inc();
    stats.histogram(statName(clusterScope(cluster), 'upstream_rq_time')).record(3);
    stats.gauge(statName(clusterScope(cluster), 'upstream_cx_active')).set(-1);
  }
  stats.counter(labelledName('istio_requests_total', [['reporter', 'source'], ['grpc_response_status', '']])).inc();
  const { body } = await runCommand(source, { method: 'GET', path: '/stats/prometheus', query: new URLSearchParams() });
  const { status, stderr } = spawnSync(promtool!, ['check', 'metrics'], { input: body, encoding: 'utf8' });
  assert.ok(status === 0 || status === LINT, stderr);
});
