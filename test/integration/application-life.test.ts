// A proxy that begins before its application and ends with it, by one JSON line each way over a unix socket.
import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { EchoServer } from '../harness/echo-server.ts';
import { temporaryFolder } from '../harness/openssl.ts';
import { ServerProcess } from '../harness/process.ts';
import { until } from '../harness/until.ts';
import { bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const WEFT = fileURLToPath(new URL('../../cli/weft.mjs', import.meta.url));

interface Pod {
  readonly socket: string;
  readonly port: number;
  readonly proxy: ServerProcess;
  /** Another weft command. */
  weft(...args: string[]): ServerProcess;
}

async function pod(t: TestContext, fields: Record<string, unknown> = {}): Promise<Pod> {
  const folder = temporaryFolder(t);
  const upstream = await EchoServer.start('app');
  t.after(() => upstream[Symbol.asyncDispose]());
  const [port = 0] = await freePorts(1);
  const listener = httpListener([routeTo('app')]) as { address: { socket_address: { port_value: number } } };
  listener.address.socket_address.port_value = port;
  const socket = join(folder, 'life');
  const metadata = { WEFT_LIFECYCLE: { socket, ...fields } };
  const bootstrap = bootstrapOf([listener], [staticCluster('app', [upstream.port])]) as object;
  const file = join(folder, 'bootstrap.json');
  writeFileSync(file, JSON.stringify({ node: { id: 'n', cluster: 'c', metadata }, ...bootstrap }));
  const weft = (...args: string[]): ServerProcess => {
    const started = new ServerProcess(process.execPath, [WEFT, ...args]);
    t.after(() => started.stop());
    return started;
  };
  return { socket, port, weft, proxy: weft('proxy', '-c', file, '--concurrency', '1') };
}

interface Talk {
  readonly socket: Socket;
  said(): string;
  isOver(): boolean;
}

/** A peer that knows nothing but the socket: all that it was told, and when the proxy ended the connection. */
async function talk(path: string, line: string): Promise<Talk> {
  const socket = connect(path);
  let [said, isOver] = ['', false];
  socket.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  socket.on('error', () => undefined).on('close', () => (isOver = true));
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.write(line);
  return { socket, said: () => said, isOver: () => isOver };
}

const ready = ({ proxy }: Pod): Promise<void> => proxy.until(() => proxy.output.includes('serving with'));

test('weft run starts a job when the proxy is ready, and the proxy ends with it, whatever its status', async (t) => {
  const made = await pod(t);
  const job = `fetch('http://127.0.0.1:${made.port}/').then((r) => process.exit(r.status === 200 ? 3 : 1))`;
  const run = made.weft('run', '--socket', made.socket, '--', process.execPath, '-e', job);
  assert.equal(await run.ended, 3, run.output);
  assert.equal(await made.proxy.ended, 0, made.proxy.output);
  assert.match(made.proxy.output, /the application has ended/);
});

test('weft run passes signals on, and has the status of a command that one ends or that is not there', async (t) => {
  const made = await pod(t);
  const job = 'console.log("up"); setInterval(() => {}, 1000)';
  const run = made.weft('run', '--socket', made.socket, '--', process.execPath, '-e', job);
  await run.until(() => run.output.includes('up'));
  run.child.kill('SIGTERM');
  assert.equal(await run.ended, 143, run.output);
  assert.equal(await made.proxy.ended, 0, made.proxy.output);
  const vain = made.weft('run', '--socket', made.socket, '--timeout-s', '1', '--', 'true');
  assert.equal(await vain.ended, 2);
  assert.match(vain.output, /true is not started: no proxy at /);
});

test('weft wait holds, weft done ends; the socket says so to whoever speaks JSON (node:net)', async (t) => {
  const made = await pod(t);
  await until('the socket is there', () => statSync(made.socket, { throwIfNoEntry: false }) !== undefined);
  assert.equal(statSync(made.socket).mode & 0o777, 0o600);
  const wait = made.weft('wait', '--socket', made.socket);
  assert.equal(await wait.ended, 0, wait.output);
  const asked = await talk(made.socket, '{"app":"ready"}\n');
  await until('it is answered', asked.isOver);
  assert.equal(asked.said(), '{"state":"ready"}\n');
  const done = made.weft('done', '--socket', made.socket);
  assert.equal(await done.ended, 0, done.output);
  assert.equal(await made.proxy.ended, 0, made.proxy.output);
  assert.equal(statSync(made.socket, { throwIfNoEntry: false }), undefined);
});

test('F17 an application that is here is told of the drain, and may connect until it goes (node:http)', async (t) => {
  const made = await pod(t);
  await ready(made);
  const here = await talk(made.socket, '{"app":"here"}\n');
  await until('it knows', () => here.said() === '{"state":"ready"}\n');
  made.proxy.child.kill('SIGTERM');
  await until('it is told', () => here.said().endsWith('{"state":"draining"}\n'));
  for (let i = 0; i < 3; i++) {
    const status = await new Promise((resolve, reject) => {
      const agent = new Agent();
      get(`http://127.0.0.1:${made.port}/`, { agent }, (response) => resolve(response.resume().statusCode))
        .on('error', reject);
    });
    assert.equal(status, 200, 'nobody was connected before, and it has not ended for that');
  }
  here.socket.destroy();
  assert.equal(await made.proxy.ended, 0, made.proxy.output);
});

test('S88 what says too much, nothing that is known, or nothing at all is sent away (node:net)', async (t) => {
  const made = await pod(t, { socket_mode: '0660' });
  await ready(made);
  assert.equal(statSync(made.socket).mode & 0o777, 0o660);
  const sayings: readonly (readonly [string, RegExp])[] = [
    ['x'.repeat(2000), /"a line has at most 1024 bytes"/], ['{"app":"x"}\n', /"expected /], ['[]\n', /"expected /],
    ['{"app":{"toString":1}}\n', /"expected /], ['null\n', /"expected /],
  ];
  for (const [line, answer] of sayings) {
    const told = await talk(made.socket, line);
    await until('it is sent away', told.isOver);
    assert.match(told.said(), answer, line.slice(0, 40));
  }
  const silent = await talk(made.socket, '');
  await until('silence is', silent.isOver);
  assert.equal(made.proxy.child.exitCode, null, 'none of them was the application');
});
