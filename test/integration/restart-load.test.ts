// Restarts, upgrades and rollbacks under load of every kind (faults.md F18). WEFT_RESTART_REQUESTS=1000000 makes it the
// million that the promise speaks of, with a restart for each fiftieth of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answers } from '../harness/process.ts';
import { RestartLoad } from '../harness/restart-load.ts';
import { restartScene } from '../harness/restart-scene.ts';
import type { NamedListener } from '../harness/restart-scene.ts';
import { SERVER } from '../harness/tls-listener.ts';
import { until } from '../harness/until.ts';
import { httpListener, routeTo } from '../harness/weft.ts';

const REQUESTS = Number(process.env['WEFT_RESTART_REQUESTS'] ?? 2000);
const RESTARTS = REQUESTS > 100_000 ? 50 : 4;
const TYPE = 'type.googleapis.com/envoy.extensions';
const skip = process.platform !== 'linux' && 'sockets are handed over on Linux only';

function https(): NamedListener {
  const listener = httpListener([routeTo('app')], {}, 'https') as NamedListener & { filter_chains: object[] };
  const { chain: shown, key } = SERVER;
  const certificate = { certificate_chain: { inline_string: shown }, private_key: { inline_string: key } };
  const tls = {
    '@type': `${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext`,
    common_tls_context: { tls_certificates: [certificate], alpn_protocols: ['h2', 'http/1.1'] },
  };
  const [chain] = listener.filter_chains;
  return { ...listener, filter_chains: [{ ...chain, transport_socket: { name: 'tls', typed_config: tls } }] } as never;
}

const tcp = (): NamedListener => ({
  name: 'tcp', address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  filter_chains: [{ filters: [{
    name: 'tcp',
    typed_config: { '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'tcp', cluster: 'app' },
  }] }],
}) as NamedListener;

test(`F18 ${RESTARTS} restarts, upgrades and rollbacks under ${REQUESTS} requests refuse no connection, fail nothing (`
  + 'node:http, node:https, node:http2, node:net)', { skip, timeout: 60_000 + REQUESTS * 5 }, async (t) => {
  const made = await restartScene(t, [https(), tcp()]);
  // The version that is upgraded to differs in what it says of itself and in its number of workers.
  const versions = [{}, { node: { id: 'one', cluster: 'next', metadata: { VERSION: '2' } } }];
  let running = made.start(0, 1);
  await running.until(() => answers(`http://127.0.0.1:${made.admin}/ready`));
  const load = new RestartLoad({ http: made.port, https: made.ports.get('https')!, tcp: made.ports.get('tcp')! });
  t.after(() => load.stop());
  const enough = (wanted: number): Promise<void> => until(`${wanted} requests are made`,
    () => load.done >= wanted || load.failures.length > 0, 60_000 + REQUESTS * 5);
  for (let epoch = 1; epoch <= RESTARTS; epoch++) {
    await enough(REQUESTS / (RESTARTS + 1) * epoch);
    if (load.failures.length > 0) break;
    const next = made.start(epoch, 1 + epoch % 2, versions[epoch % 2]);
    await next.until(async () => await made.stat('server.hot_restart_epoch').catch(() => 0) === epoch);
    assert.equal(await running.ended, 0, running.output);
    running = next;
    // It takes minutes then.
    const said = `${load.done} requests, ${epoch} restarts, ${load.failures.length} failed\n`;
    if (REQUESTS > 100_000) process.stderr.write(said);
  }
  await enough(REQUESTS);
  await load.stop();
  t.diagnostic(`${load.done} requests, ${RESTARTS} restarts, ${load.failures.length} failed: `
    + [...load.byKind].map(([kind, count]) => `${kind} ${count}`).join('; '));
  assert.deepEqual(load.failures, [], running.output);
  assert.equal(load.byKind.size, 7);
});
