// Network filters before the last of a chain: node:net through weft and through a real Envoy by the same bootstrap, the
// same answers, stats and log lines.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { request } from 'undici';
import { EchoServer } from '../harness/echo-server.ts';
import { startNamed } from '../harness/named-server.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';
import { ProxyProcess, type ProxyKind } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const skip = reasonToSkip(findEnvoy(false));
const FILTERS = 'type.googleapis.com/envoy.extensions.filters.network';
const FILE_LOG = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';
const LINE = '%RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% %BYTES_RECEIVED% %BYTES_SENT%\n';

type Filter = Record<string, unknown>;

const filter = (name: string, type: string, config: Filter): Filter =>
  ({ name, typed_config: { '@type': `${FILTERS}.${type}`, ...config } });
const rbac = (config: Filter, name = 'rbac'): Filter =>
  filter(name, 'rbac.v3.RBAC', { stat_prefix: 'gate', ...config });
const rate = (tokens: number, more: Filter = {}, name = 'rate'): Filter =>
  filter(name, 'local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: 'slow', token_bucket: { max_tokens: tokens, fill_interval: '3600s' }, ...more,
  });
const limit = (most: number, more: Filter = {}): Filter =>
  filter('limit', 'connection_limit.v3.ConnectionLimit', { stat_prefix: 'few', max_connections: most, ...more });
const OFF = { runtime_enabled: { default_value: false, runtime_key: 'x' } };
const policy = (action: string, principal: unknown, permission: unknown = { any: true }): Filter =>
  ({ action, policies: { 'my policy': { permissions: [permission], principals: [principal] } } });
const from = (address: string): unknown => ({ direct_remote_ip: { address_prefix: address, prefix_len: 32 } });

/** Speaks: `hi` is sent; silent: nothing is, and the client ends; held: open until all others are through. */
type Client = 'speaks' | 'silent' | 'held';

interface Scenario {
  readonly name: string;
  readonly filters: readonly Filter[];
  readonly clients: readonly Client[];
  /** To a second chain, on a listener of its own. */
  readonly other?: readonly Filter[];
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'a DENY that fits', filters: [rbac({ rules: policy('DENY', from('127.0.0.1')) })],
    clients: ['speaks', 'silent'] },
  { name: 'a DENY that does not', filters: [rbac({ rules: policy('DENY', from('127.0.0.9')) })], clients: ['speaks'] },
  { name: 'an ALLOW that fits', filters: [rbac({ rules: policy('ALLOW', { any: true }) })], clients: ['speaks'] },
  { name: 'an ALLOW that does not',
    filters: [rbac({ rules: policy('ALLOW', { any: true }, { destination_port: 1 }) })], clients: ['speaks'] },
  { name: 'no rules, shadow rules', filters: [rbac({ shadow_rules: policy('DENY', { any: true }) })],
    clients: ['speaks', 'speaks'] },
  { name: 'shadow rules with a prefix beside rules', clients: ['speaks'], filters: [
    rbac({ shadow_rules: policy('ALLOW', { any: true }), shadow_rules_stat_prefix: 'dry_', rules: { action: 'ALLOW' },
    }),
  ] },
  { name: 'DENY before ALLOW, as the control plane writes them', clients: ['speaks'], filters: [
    rbac({ rules: policy('DENY', from('127.0.0.9')) }, 'deny'),
    rbac({ rules: policy('ALLOW', { any: true }) }, 'allow'),
  ] },
  { name: 'what is judged before all that comes', clients: ['speaks', 'silent'], filters: [
    rbac({ rules: policy('ALLOW', { any: true }), enforcement_type: 'CONTINUOUS' }),
  ] },
  { name: 'what is denied before all that comes', clients: ['speaks', 'silent'], filters: [
    rbac({ rules: policy('DENY', { any: true }), enforcement_type: 'CONTINUOUS' }),
  ] },
  { name: 'what is only marked', clients: ['speaks'], filters: [rbac({ rules: policy('LOG', { any: true }) })] },
  { name: 'new connections by a bucket', filters: [rate(2)], clients: ['speaks', 'speaks', 'speaks', 'speaks'] },
  { name: 'a bucket that is off', filters: [rate(1, OFF)], clients: ['speaks', 'speaks'] },
  { name: 'a bucket that two chains share', filters: [rate(3, { share_key: 'k' })], clients: ['speaks', 'speaks'],
    other: [rate(3, { share_key: 'k' })] },
  { name: 'buckets of two chains', filters: [rate(1)], clients: ['speaks', 'speaks'], other: [rate(1)] },
  { name: 'connections at one time', filters: [limit(2)], clients: ['held', 'held', 'speaks', 'speaks'] },
  { name: 'connections one after the other', filters: [limit(1)], clients: ['speaks', 'speaks', 'speaks'] },
  { name: 'a limit that is off', filters: [limit(1, OFF)], clients: ['held', 'speaks'] },
  { name: 'a refused connection that is kept for a while', filters: [limit(1, { delay: '0.3s' })],
    clients: ['held', 'speaks'] },
  { name: 'all of them', clients: ['held', 'speaks', 'speaks'],
    filters: [limit(2), rate(2), rbac({ rules: policy('DENY', from('127.0.0.9')) })] },
];

function chain(name: string, filters: readonly Filter[], log: string): unknown {
  const proxy = filter('tcp', 'tcp_proxy.v3.TcpProxy', {
    stat_prefix: `to_${name}`, cluster: 'bytes', access_log: [{ name: 'file', typed_config: { '@type': FILE_LOG,
      path: log, log_format: { text_format_source: { inline_string: LINE } } } }],
  });
  return {
    name, address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [...filters, proxy] }],
  };
}

/** What a client hears until its connection ends, or it has heard all that it waits for. */
function visit(port: number, client: Client): { heard: Promise<string>; end(): void } {
  const socket = connect({ host: '127.0.0.1', port });
  let text = '';
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on('connect', () => (client === 'silent' ? socket.end() : socket.write('hi')));
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (!text.endsWith('hi')) return;
    resolve(text);
    if (client !== 'held') socket.destroy();
  });
  socket.on('error', () => undefined).on('close', () => resolve(text));
  return { heard: promise, end: () => socket.destroy() };
}

/** Waits until so many connections are open. */
async function open(proxy: ProxyProcess, count: number): Promise<void> {
  const active = /^listener\.127[0-9._]+\.downstream_cx_active: ([0-9]+)/gm;
  await until(`${count} open connections`, async () => {
    const found = [...(await proxy.admin('/stats')).matchAll(active)].map(([, value]) => Number(value));
    return found.reduce((sum, value) => sum + value, 0) === count;
  });
}

const STATS = /^(connection_limit|local_rate_limit|gate|tcp\.to_)/;
const SERIES = /^envoy_(connection_limit|local_rate_limit|rbac|gate)/;
const TCP_STATS = /downstream_cx_(total|rx_bytes_total|tx_bytes_total)/;

async function outcome(t: TestContext, kind: ProxyKind, scenario: Scenario): Promise<unknown> {
  const { filters, other } = scenario;
  const log = join(temporaryFolder(t), 'log');
  const upstream = await startNamed(t, 'bytes');
  const listeners = [chain('one', filters, log), ...(other === undefined ? [] : [chain('two', other, log)])];
  const proxy = await ProxyProcess.start(kind, bootstrapOf(listeners, [staticCluster('bytes', [upstream])]));
  try {
    const seen = await meet(proxy, scenario);
    // Lines are written when the proxy ends.
    await proxy[Symbol.asyncDispose]();
    return { ...seen, lines: readFileSync(log, 'utf8').trim().split('\n').toSorted() };
  } finally {
    await proxy[Symbol.asyncDispose]();
  }
}

async function meet(proxy: ProxyProcess, { clients, other }: Scenario): Promise<object> {
  const heard: string[] = [];
  const held: { end(): void }[] = [];
  for (const name of other === undefined ? ['one'] : ['one', 'two']) {
    for (const client of clients) {
      const visitor = visit(proxy.port(name), client);
      heard.push(await visitor.heard);
      if (client === 'held') held.push(visitor);
      else await open(proxy, held.length);
    }
  }
  for (const visitor of held) visitor.end();
  await open(proxy, 0);
  const stats = (await proxy.admin('/stats')).split('\n').filter((line) =>
    STATS.test(line) && (!line.startsWith('tcp.') || TCP_STATS.test(line)));
  const series = (await proxy.admin('/stats/prometheus')).split('\n').filter((line) => SERIES.test(line));
  return { heard, stats: stats.toSorted(), series: series.toSorted() };
}

for (const scenario of SCENARIOS) {
  void test(`network filters: ${scenario.name}: node:net meets the same by weft and Envoy`, { skip }, async (t) => {
    const [weft, envoy] = [await outcome(t, 'weft', scenario), await outcome(t, 'envoy', scenario)];
    // A limit that is off does not add to Envoy's gauge, but takes from it: 2^64 less the connections so far.
    const below = (text: string): unknown => JSON.parse(text.replaceAll(/ 1844674407370955161[0-9]"/g, ' 0"'));
    assert.deepEqual(weft, below(JSON.stringify(envoy)));
  });
}

for (const kind of ['weft', 'envoy'] as const) {
  void test(`network filters before HTTP: undici meets ${kind}`, { skip }, async () => {
    await using server = await EchoServer.start('web');
    const listener = httpListener([routeTo('web')]) as { filter_chains: { filters: unknown[] }[] };
    listener.filter_chains[0]!.filters.unshift(rate(2), rbac({ rules: policy('DENY', from('127.0.0.9')) }));
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([listener], [staticCluster('web', [server.port])]));
    const ask = async (): Promise<number> => {
      const answer = await request(`http://127.0.0.1:${proxy.port('http')}/`, { headers: { connection: 'close' } });
      await answer.body.dump();
      return answer.statusCode;
    };
    assert.deepEqual([await ask(), await ask()], [200, 200]);
    await assert.rejects(ask());
  });
}
