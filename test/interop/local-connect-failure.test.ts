// Connections that this machine has nothing to make with: told as such, and not held against endpoints.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { inOwnNetwork } from '../harness/own-network.ts';
import { candidates, ProxyProcess, type ProxyKind } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const JUDGED = {
  outlier_detection: {
    consecutive_5xx: 1, enforcing_consecutive_5xx: 100, consecutive_gateway_failure: 1,
    enforcing_consecutive_gateway_failure: 100, max_ejection_percent: 100,
  },
};
const EVERYWHERE = { address: { socket_address: { address: '0.0.0.0', port_value: 0 } } };

const LOCAL = 'upstream connect error or disconnect/reset before headers. reset reason: local connection failure 503';
const REMOTE = LOCAL.replace('local', 'remote');
const PORTS = '/proc/sys/net/ipv4/ip_local_port_range';
const curl = promisify(execFile);

/** The proxy is called at another address each time: the client's ports are few, too. */
async function ask(port: number, host: number): Promise<string> {
  return (await curl('curl', ['-s', '-m', '10', '-w', ' %{http_code}', `http://127.0.0.${host}:${port}/`])).stdout;
}

/** It holds against endpoints what the system lacks, as it does what they do. */
const ENVOY = { failed: 1, local: undefined, ejected: 1 };

async function counts(proxy: ProxyProcess): Promise<{ failed: number; local: number | undefined; ejected: number }> {
  const { kind } = proxy;
  return {
    failed: await proxy.stat('cluster.app.upstream_cx_connect_fail'),
    local: kind === 'weft' ? await proxy.stat('cluster.app.upstream_cx_local_connect_fail') : undefined,
    ejected: await proxy.stat('cluster.app.outlier_detection.ejections_enforced_total'),
  };
}

/** Each test has a server of its own: a port that rests after a connection to one is free for another. */
class HoldingServer {
  readonly held: ServerResponse[] = [];
  readonly #server = createServer((request, response) => {
    if (request.url === '/held') this.held.push(response);
    else response.end('here');
  });

  static async start(): Promise<HoldingServer> {
    const server = new HoldingServer();
    await new Promise<void>((resolve) => { server.#server.listen(0, '127.0.0.1', resolve); });
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function start(kind: ProxyKind, { port }: HoldingServer, fields: object): Promise<ProxyProcess> {
  const listener = { ...httpListener([routeTo('app')]) as object, ...EVERYWHERE };
  return ProxyProcess.start(kind, bootstrapOf([listener],
    [{ ...staticCluster('app', [port]) as object, ...JUDGED, ...fields }]));
}

inOwnNetwork(import.meta.url, () => {
  for (const { kind, skip } of candidates()) {
    void test(`F27 ${kind} cannot connect from an address that is not here (curl)`, { skip }, async () => {
      const source_address = { address: '10.255.255.254', port_value: 0 };
      await using server = await HoldingServer.start();
      await using proxy = await start(kind, server, { upstream_bind_config: { source_address } });
      assert.equal(await ask(proxy.port('http'), 1), LOCAL);
      assert.deepEqual(await counts(proxy), kind === 'weft' ? { failed: 1, local: 1, ejected: 0 } : ENVOY);
    });

    void test(`F27 ${kind} has no port left, and others when one is free (curl, ip_local_port_range)`, { skip },
      async () => {
        await using server = await HoldingServer.start();
        await using proxy = await start(kind, server, {});
        const port = proxy.port('http');
        const before = readFileSync(PORTS, 'utf8');
        writeFileSync(PORTS, '32768\t32768');
        try {
          const waits = fetch(`http://127.0.0.3:${port}/held`).then((response) => response.text());
          await until('the only port is in use', () => server.held.length > 0);
          assert.equal(await ask(port, 4), kind === 'weft' ? LOCAL : REMOTE);
          assert.deepEqual(await counts(proxy), kind === 'weft' ? { failed: 1, local: 1, ejected: 0 } : ENVOY);
          server.held.pop()?.end('held');
          assert.equal(await waits, 'held');
          if (kind === 'weft') assert.equal(await ask(port, 5), 'here 200');
        } finally {
          writeFileSync(PORTS, before);
        }
      });
  }
});
