// The admin server: who may ask, what takes POST, what a failure says.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fakeSource } from '../../test/harness/admin-source.ts';
import type { FakeSource } from '../../test/harness/admin-source.ts';
import { isLoopback } from '../base/cidr.ts';
import { ConfigError } from '../base/error.ts';
import type { Address } from '../config/address.ts';
import { Logger } from '../telemetry/log.ts';
import type { AdminHandler } from './admin-server.ts';
import { AdminServer } from './admin-server.ts';
import { adminTokenFile } from './change-permission.ts';
import { runCommand } from './commands.ts';
import { isTrustedHost } from './host-check.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Ask {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
}

interface Bench {
  readonly fake: FakeSource;
  readonly lines: string[];
  readonly server: AdminServer;
  ask(path: string, how?: Ask): Promise<Answer>;
}

const LOOPBACK: Address = { socketAddress: { address: '127.0.0.1', portValue: 0 } };

async function start(
  t: TestContext, address: Address = LOOPBACK, handler?: AdminHandler, tokenFile?: string,
): Promise<Bench> {
  const fake = fakeSource();
  const lines: string[] = [];
  const log = new Logger('info', undefined, (line) => lines.push(line) > 0).component('admin');
  const server = await AdminServer.start(address, handler ?? ((asked) => runCommand(fake.source, asked)), log, {
    tokenFile,
  });
  t.after(() => server.close());
  const target = address.pipe === undefined
    ? { host: '127.0.0.1', port: Number(server.address.slice(server.address.lastIndexOf(':') + 1)) }
    : { socketPath: address.pipe.path };
  return { fake, lines, server, ask: (path, how = {}) => ask({ ...target, path }, how) };
}

function ask(target: object, { method = 'GET', headers = {}, body }: Ask): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request({ ...target, method, headers, agent: false }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
  });
  sent.on('error', reject).end(body);
  return promise;
}

test('readiness is 200 LIVE, or 503 with the state and its reasons', async (t) => {
  const { ask, fake } = await start(t);
  assert.deepEqual([(await ask('/ready')).status, (await ask('/ready')).body], [200, 'LIVE\n']);
  for (const state of ['PRE_INITIALIZING', 'DRAINING'] as const) {
    fake.state = state;
    const { status, body } = await ask('/ready');
    assert.deepEqual([status, body], [503, `${state}\n- listener in\n`]);
  }
  assert.deepEqual(JSON.parse((await ask('/init_dump')).body), {
    unready_targets_dumps: [{ name: 'listener in', target_names: ['listener in'] }],
  });
});

test('unknown paths get 404 with the list, HEAD is a GET without a body', async (t) => {
  const { ask } = await start(t);
  const unknown = await ask('/nope');
  assert.equal(unknown.status, 404);
  assert.match(unknown.body, /^invalid path. admin commands are:\n {2}\/: /);
  assert.match(unknown.body, / {2}\/quitquitquit \(POST\): exit the server\n/);
  const head = await ask('/ready', { method: 'HEAD' });
  assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '5']);
});

const CHANGES = [
  '/healthcheck/fail', '/healthcheck/ok', '/drain_listeners', '/reopen_logs', '/quitquitquit', '/logging',
];

test('S99 what changes something takes POST alone, and a GET says how', async (t) => {
  const { ask, fake } = await start(t);
  for (const path of CHANGES) {
    const { status, body } = await ask(path);
    assert.equal(status, 405, path);
    assert.match(body, /takes POST: curl -X POST/);
  }
  assert.equal((await ask('/stats', { method: 'POST' })).status, 405);
  assert.deepEqual(fake.actions, []);
  for (const path of CHANGES.slice(0, -1)) {
    const { body } = await ask(`${path}?inboundonly&graceful`, { method: 'POST', body: 'x=1' });
    assert.equal(body, 'OK\n', path);
  }
  assert.deepEqual(fake.actions, ['fail', 'ok', 'drain true true false', 'reopen', 'quit']);
});

test('S99 a name that is rebound to loopback, or a page of another origin, gets nothing', async (t) => {
  const { ask, fake, server } = await start(t);
  for (const host of ['evil.example', 'evil.example:80', '127.0.0.1.nip.io', 'localhost.evil.example']) {
    assert.equal((await ask('/config_dump', { headers: { host } })).status, 403, host);
  }
  for (const host of ['localhost', 'LOCALHOST:15000', '127.0.0.1', '[::1]:15000', 'admin.localhost']) {
    assert.equal((await ask('/ready', { headers: { host } })).status, 200, host);
  }
  for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:1']) {
    const { status } = await ask('/quitquitquit', { method: 'POST', headers: { origin } });
    assert.equal(status, 403, origin);
  }
  assert.deepEqual(fake.actions, []);
  const own = { origin: `http://${server.address}`, host: server.address };
  assert.equal((await ask('/healthcheck/ok', { method: 'POST', headers: own })).status, 200);
});

test('S99 an address that others reach is served and warned about once', async (t) => {
  const { lines, ask } = await start(t, { socketAddress: { address: '0.0.0.0', portValue: 0 } });
  assert.equal((await ask('/ready')).status, 200);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /\[warning\]\[admin\] the admin interface on 0\.0\.0\.0:\d+ can be reached by other hosts/);
  assert.deepEqual(['127.0.0.1', '127.9.9.9', '::1'].map(isLoopback), [true, true, true]);
  assert.deepEqual(['10.0.0.1', '::', 'localhost'].map(isLoopback), [false, false, false]);
  assert.deepEqual([isTrustedHost(undefined), isTrustedHost('10.0.0.1:15000')], [false, true]);
});

/** An address of this machine that is not loopback; none in a namespace without a network. */
function otherAddress(): string | undefined {
  return Object.values(networkInterfaces()).flat().find((own) => own?.internal === false && own.family === 'IPv4')
    ?.address;
}

test('S99 over another address than loopback nothing is changed without the token (peer: node:http)', async (t) => {
  const host = otherAddress();
  if (host === undefined) return t.skip('this machine has no address but loopback');
  const everywhere: Address = { socketAddress: { address: '0.0.0.0', portValue: 0 } };
  const { fake, server, ask: askHere } = await start(t, everywhere);
  const port = server.address.slice(server.address.lastIndexOf(':') + 1);
  const there = { host, port, path: '/healthcheck/fail' };
  const refused = await ask(there, { method: 'POST' });
  assert.deepEqual([refused.status, fake.actions], [403, []]);
  assert.match(refused.body, /on a loopback address or a unix socket, or by the token of WEFT_ADMIN/);
  assert.equal((await ask({ ...there, path: '/ready' }, {})).status, 200);
  assert.equal((await askHere('/healthcheck/fail', { method: 'POST' })).status, 200);

  const folder = mkdtempSync(join(tmpdir(), 'weft-admin-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'token');
  const guarded = await start(t, everywhere, undefined, file);
  const here = { ...there, port: guarded.server.address.slice(guarded.server.address.lastIndexOf(':') + 1) };
  const show = (authorization: string): Promise<Answer> => ask(here, { method: 'POST', headers: { authorization } });
  assert.equal((await show('Bearer undefined')).status, 401, 'there is no file');
  writeFileSync(file, 'short\n');
  assert.equal((await show('Bearer short')).status, 401, 'a token that can be guessed is none');
  writeFileSync(file, 'x'.repeat(5000));
  assert.equal((await show(`Bearer ${'x'.repeat(5000)}`)).status, 401, 'a file that is no token');
  writeFileSync(file, 'correct horse battery\n'.replaceAll(' ', '-'));
  for (const wrong of ['', 'correct-horse-battery', 'Bearer correct-horse-batterY', 'Basic correct-horse-battery']) {
    assert.equal((await show(wrong)).status, 401, wrong);
  }
  assert.deepEqual(guarded.fake.actions, []);
  assert.equal((await show('Bearer correct-horse-battery')).status, 200);
  assert.deepEqual(guarded.fake.actions, ['fail']);
  assert.ok(!guarded.lines.join('\n').includes('correct-horse'), 'no token in the log');
});

test('S99 where the token is, is said in full', () => {
  assert.equal(adminTokenFile({}), undefined);
  assert.equal(adminTokenFile({ WEFT_ADMIN: { token_file: '/t' } }), '/t');
  assert.throws(() => adminTokenFile({ WEFT_ADMIN: '/t' }), /WEFT_ADMIN: expected an object with token_file/);
  assert.throws(() => adminTokenFile({ WEFT_ADMIN: { tokenfile: '/t' } }), /unknown field.*token_file/);
  assert.throws(() => adminTokenFile({ WEFT_ADMIN: { token_file: '' } }), /token_file: expected a file/);
});

test('a unix socket takes any Host, since no page reaches it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-admin-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'admin.sock');
  const { ask, server, lines } = await start(t, { pipe: { path } });
  assert.equal(server.address, path);
  assert.equal((await ask('/ready', { headers: { host: 'whatever' } })).status, 200);
  assert.deepEqual(lines, []);
});

test('a port in use is an error with its field', async (t) => {
  const { server } = await start(t);
  const portValue = Number(server.address.split(':')[1]);
  await assert.rejects(start(t, { socketAddress: { address: '127.0.0.1', portValue } }), (error: unknown) => {
    return error instanceof ConfigError && error.path === 'admin.address' && error.reason.includes(String(portValue));
  });
});

test('S88 output is escaped, and no answer can be taken for a page', async (t) => {
  const { ask } = await start(t);
  const index = await ask('/');
  assert.match(index.body, /sidecar~1&lt;script&gt;/);
  assert.equal(index.body.includes('<script'), false);
  assert.match(index.body, /<form method="post" action="\/quitquitquit">/);
  const unknown = await ask('/<script>alert(1)</script>');
  assert.equal(unknown.headers['content-type'], 'text/plain; charset=UTF-8');
  assert.equal(unknown.headers['x-content-type-options'], 'nosniff');
  assert.match(String(index.headers['content-security-policy']), /default-src 'none'/);
});

test('F20 a command that fails is told as 500, logged, and ends nothing', async (t) => {
  const { ask, lines } = await start(t, LOOPBACK, () => Promise.reject(new Error('secret reason')));
  const { status, body } = await ask('/stats');
  assert.deepEqual([status, body], [500, 'this failed; the log says why\n']);
  assert.match(lines[0]!, /\[error\]\[admin\] GET \/stats failed: secret reason/);
  assert.equal((await ask('/stats')).status, 500);
});
