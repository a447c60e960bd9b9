// One proxy process after the other on the same sockets (faults.md F18): no connection is refused, no request fails, no
// count is lost, and a successor that fails changes nothing.
import assert from 'node:assert/strict';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { ServerProcess, answers } from '../harness/process.ts';
import { WEFT, restartScene } from '../harness/restart-scene.ts';
import { until } from '../harness/until.ts';

const skip = process.platform !== 'linux' && 'sockets are handed over on Linux only';
const RESTARTS = 3;
const REQUESTS_BETWEEN = 300;

/** Clients that connect for each request, and one that keeps its connection. */
class Load {
  done = 0;
  readonly failures: string[] = [];
  readonly #port: number;
  readonly #clients: readonly Promise<void>[];
  #stop = false;

  constructor(port: number) {
    this.#port = port;
    const each = (): Agent => new Agent({ keepAlive: false });
    this.#clients = [this.#run(each()), this.#run(each()), this.#run(new Agent({ keepAlive: true, maxSockets: 1 }))];
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#clients);
  }

  async #run(agent: Agent): Promise<void> {
    while (!this.#stop) {
      const outcome = await this.#ask(agent);
      if (outcome === 200) this.done++;
      else this.failures.push(String(outcome));
    }
    agent.destroy();
  }

  #ask(agent: Agent): Promise<number | Error> {
    return new Promise((resolve) => {
      get({ host: '127.0.0.1', port: this.#port, agent }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0)).on('error', resolve);
      }).on('error', resolve);
    });
  }
}

test('F18 restarts under load refuse no connection, fail no request and lose no count (node:http)',
  { skip, timeout: 90_000 }, async (t) => {
    const made = await restartScene(t);
    let running = made.start(0, 2);
    await running.until(() => answers(`http://127.0.0.1:${made.admin}/ready`));
    const load = new Load(made.port);
    for (let epoch = 1; epoch <= RESTARTS; epoch++) {
      const before = load.done;
      await until('requests are made', () => load.done > before + REQUESTS_BETWEEN || load.failures.length > 0);
      // More workers, then fewer: each socket has somebody who accepts from it.
      const next = made.start(epoch, epoch % 2 === 1 ? 3 : 1);
      await next.until(async () => await made.stat('server.hot_restart_epoch').catch(() => 0) === epoch);
      assert.equal(await running.ended, 0, running.output);
      running = next;
    }
    const before = load.done;
    await until('requests are made after it', () => load.done > before + REQUESTS_BETWEEN || load.failures.length > 0);
    await load.stop();
    assert.deepEqual(load.failures, [], running.output);
    assert.ok(load.done > (RESTARTS + 1) * REQUESTS_BETWEEN);
    await until('nothing is in flight', async () => await made.stat('http.http.downstream_rq_active') === 0);
    assert.equal(await made.stat('http.http.downstream_rq_total'), load.done);
    assert.equal(await made.stat('http.http.downstream_rq_2xx'), load.done);
  });

test('F18 a connection that waits to be accepted during a restart is accepted by the successor (node:net)',
  { skip, timeout: 60_000 }, async (t) => {
    const made = await restartScene(t);
    const first = made.start(0, 1);
    await first.until(() => answers(`http://127.0.0.1:${made.admin}/ready`));
    first.child.kill('SIGSTOP');
    const waiting = connect(made.port, '127.0.0.1');
    let said = '';
    waiting.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    await new Promise((resolve) => waiting.once('connect', resolve));
    const second = made.start(1, 1);
    first.child.kill('SIGCONT');
    waiting.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    await until('it is answered', () => said.startsWith('HTTP/1.1 200'));
    assert.equal(await first.ended, 0, first.output);
    assert.ok(await answers(`http://127.0.0.1:${made.port}/`), second.output);
  });

test('F18 a successor that cannot start, is ended or killed, or is another node\'s changes nothing (node:http)',
  { skip, timeout: 60_000 }, async (t) => {
    const made = await restartScene(t);
    const first = made.start(0, 1);
    await first.until(() => answers(`http://127.0.0.1:${made.admin}/ready`));
    const load = new Load(made.port);
    const admin = { address: { socket_address: { address: '192.0.2.1', port_value: made.admin } } };
    const broken = made.start(1, 1, { admin });
    assert.equal(await broken.ended, 2, broken.output);
    await until('the first one has its addresses again', () => answers(`http://127.0.0.1:${made.admin}/ready`));

    const never = {
      api_config_source: { api_type: 'GRPC', transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'app' } }] },
      initial_fetch_timeout: '0s', resource_api_version: 'V3',
    };
    const cold = async (signal: NodeJS.Signals): Promise<void> => {
      const count = (): number => first.output.split('was to take over has ended').length;
      const before = count();
      const successor = made.start(1, 1, { dynamic_resources: { lds_config: never } });
      await successor.until(() => successor.output.includes('serving with'));
      successor.child.kill(signal);
      await until('the first one serves on', () => count() > before);
      await until('and has its addresses', () => answers(`http://127.0.0.1:${made.admin}/ready`));
    };
    await cold('SIGTERM');

    const stranger = made.start(1, 1, { node: { id: 'two', cluster: 'c' } });
    assert.equal(await stranger.ended, 2);
    assert.match(stranger.output, /it is node 'two', not 'one'/);
    const nobody = new ServerProcess(process.execPath,
      [WEFT, 'proxy', '-c', join(made.folder, 'bootstrap-0.json'), '--restart-epoch', '1', '--base-id', '7'],
      { env: { XDG_RUNTIME_DIR: made.folder } });
    assert.equal(await nobody.ended, 2);
    assert.match(nobody.output, /no process serves there: begin with --restart-epoch 0/);
    const before = load.done;
    await until('requests are made', () => load.done > before + 20);
    await load.stop();
    assert.deepEqual(load.failures, [], first.output);
    // What a process has accepted dies with it; what it has not is the first one's again.
    await cold('SIGKILL');
    assert.ok(await answers(`http://127.0.0.1:${made.port}/`), first.output);
  });
