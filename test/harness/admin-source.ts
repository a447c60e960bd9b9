// An AdminSource with fixed configuration, for tests of the admin interface; actions are kept to be looked at.
import type { AdminSource, ConfigSnapshot, DumpResource } from '../../proxy/admin/admin-source.ts';
import { configDumpResponse } from '../../proxy/admin/config-dump.ts';
import { systemClock } from '../../proxy/base/clock.ts';
import { StatsMerger } from '../../proxy/supervisor/stats-merger.ts';
import { Logger } from '../../proxy/telemetry/log.ts';
import type { ServerState } from '../../proxy/telemetry/server-stats.ts';
import { Stats } from '../../proxy/telemetry/stats.ts';

export interface FakeSource {
  readonly source: AdminSource;
  readonly stats: Stats;
  readonly actions: string[];
  state: ServerState;
}

export function dumpResource(name: string, resource: unknown, changes: Partial<DumpResource> = {}): DumpResource {
  return { name, resource, origin: 'static', version: '', updatedWallMs: 1_700_000_000_000, ...changes };
}

export function fakeSource(config: Partial<ConfigSnapshot> = {}): FakeSource {
  const merger = new StatsMerger();
  const logger = new Logger('off');
  logger.component('upstream');
  logger.component('xds');
  const actions: string[] = [];
  const fake: FakeSource = {
    actions,
    state: 'LIVE',
    stats: new Stats(merger.source()),
    source: {
      clock: systemClock, version: '0.1.0', startedWallMs: systemClock.wallMs() - 65_000, concurrency: 2,
      node: { id: 'sidecar~1<script>', cluster: 'reviews.default', metadata: { NAMESPACE: 'default' } },
      options: { config_path: 'envoy.yaml' },
      state: () => fake.state,
      waitingFor: () => (fake.state === 'LIVE' ? [] : ['listener in']),
      config: () => ({
        bootstrap: {}, bootstrapWallMs: 1_700_000_000_000,
        clusters: [], endpoints: [], listeners: [], routes: [], secrets: [], ...config,
      }),
      configDump: async (query) => configDumpResponse(fake.source.config(), query),
      listeners: () => [{ name: 'in', address: '127.0.0.1', port: 8080 }, { name: 'six', address: '::1', port: 8081 }],
      stats: () => merger.snapshot(),
      readStat: (flat) => merger.read(flat),
      logLevels: () => logger.levels(),
      setLogLevel: (level, component) => logger.setLevel(level, component),
      drainListeners: ({ inboundOnly, graceful, skipExit }) =>
        void actions.push(`drain ${inboundOnly} ${graceful} ${skipExit}`),
      failHealthCheck: (fail) => void actions.push(fail ? 'fail' : 'ok'),
      reopenLogs: () => void actions.push('reopen'),
      quit: () => void actions.push('quit'),
    },
  };
  return fake;
}
