// The two proxies of a scenario: a real Envoy in real time, and weft's workers in a time that the test moves.
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { HeldProxy } from './held-proxy.ts';
import { scenarioBootstrap, startHosts } from './over-time.ts';
import type { Outcome, Scenario, TimedProxy } from './over-time.ts';
import { ProxyProcess } from './proxy-process.ts';
import { ScenarioRun } from './scenario-run.ts';

const TICK_MS = 10;

export async function throughEnvoy(scenario: Scenario): Promise<Outcome[]> {
  return withHosts(scenario, async (bootstrap, run) => {
    await using envoy = await ProxyProcess.start('envoy', bootstrap);
    return await run({
      port: () => Promise.resolve(envoy.port('http')),
      stat: (name) => envoy.stat(name),
      nowMs: () => performance.now(),
      pass: (ms) => delay(ms),
      turn: () => delay(2),
      tick: () => delay(TICK_MS),
    });
  });
}

export async function throughWeft(scenario: Scenario): Promise<Outcome[]> {
  return withHosts(scenario, async (bootstrap, run) => {
    await using weft = await HeldProxy.start(bootstrap);
    return await run(heldTime(weft));
  });
}

export function heldTime(weft: HeldProxy, worker = 0): TimedProxy {
  return {
    port: () => weft.port(worker),
    stat: (name) => Promise.resolve(weft.stat(name)),
    nowMs: () => weft.clock.nowMs(),
    pass: async (ms) => {
      for (let passed = 0; passed < ms; passed += TICK_MS) await weft.tick();
    },
    turn: () => nextTurn(),
    tick: () => weft.tick(),
  };
}

async function withHosts(
  scenario: Scenario, use: (bootstrap: unknown, run: (proxy: TimedProxy) => Promise<Outcome[]>) => Promise<Outcome[]>,
): Promise<Outcome[]> {
  const hosts = await startHosts(scenario);
  for (const host of hosts) host.checkDoes = scenario.firstChecks?.[host.name] ?? '200';
  try {
    return await use(scenarioBootstrap(scenario, hosts), (proxy) => new ScenarioRun(scenario, hosts, proxy).run());
  } finally {
    await Promise.all(hosts.map((host) => host.stop()));
  }
}
