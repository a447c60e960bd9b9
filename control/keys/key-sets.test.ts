// Issuers' keys: fetched once for all who name them, kept while they cannot be fetched, and from nowhere private.
import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { testLeaf, testRoot } from '../../test/harness/certificates.ts';
import { keySet, makeKey } from '../../test/harness/token-keys.ts';
import { until } from '../../test/harness/until.ts';
import { ManualClock } from '../../proxy/base/clock.ts';
import { TimerWheel } from '../../proxy/base/timers.ts';
import { FetchedKeySets, STALE_MS_MAX } from './key-sets.ts';
import type { Fetch } from './key-sets.ts';
import { SafeFetch } from './safe-fetch.ts';

const KEYS = keySet(makeKey('ES256'));
const OTHER_KEYS = keySet(makeKey('ES256'));

interface Fetching {
  readonly sets: FetchedKeySets;
  readonly lines: string[];
  readonly asked: string[];
  changes: number;
  advance(ms: number): Promise<void>;
}

function fetching(answer: (uri: string) => string | Error): Fetching {
  const clock = new ManualClock();
  const wheel = new TimerWheel(clock);
  const lines: string[] = [];
  const asked: string[] = [];
  const fetch: Fetch = async (uri) => {
    asked.push(uri);
    const said = answer(uri);
    if (said instanceof Error) throw said;
    return Buffer.from(said);
  };
  const log = { info: (line: string) => void lines.push(line), warning: (line: string) => void lines.push(line) };
  const settled = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  const made: Fetching = {
    sets: new FetchedKeySets({ fetch, clock, wheel, log, onChange: () => void made.changes++ }),
    lines, asked, changes: 0,
    advance: async (ms) => {
      clock.advance(ms);
      wheel.advance();
      await settled();
    },
  };
  return made;
}

const rule = { issuer: 'https://a.test', jwksUri: 'https://a.test/keys' };

test('S71 rules that name the same keys have them fetched once, and a change is told', async () => {
  const run = fetching(() => KEYS);
  assert.equal(run.sets.get(rule), undefined);
  run.sets.watch([rule, { ...rule }, { issuer: 'https://b.test', jwksUri: rule.jwksUri }]);
  await run.advance(0);
  assert.deepEqual([run.asked, run.sets.get(rule), run.changes], [[rule.jwksUri], KEYS, 1]);
  run.sets.watch([rule]);
  await run.advance(5 * 60_000);
  assert.deepEqual([run.asked.length, run.changes], [2, 1]);
  run.sets.watch([]);
  assert.equal(run.sets.get(rule), undefined);
  run.sets.close();
});

test('S71 old keys hold while new ones cannot be fetched, for a day; the failure is said once', async () => {
  let answer: string | Error = KEYS;
  const run = fetching(() => answer);
  run.sets.watch([rule]);
  await run.advance(0);
  answer = new Error('is down');
  await run.advance(5 * 60_000);
  for (let i = 0; i < 20; i++) await run.advance(60_000);
  assert.equal(run.sets.get(rule), KEYS);
  assert.deepEqual(run.lines, [
    'keys of https://a.test cannot be fetched: https://a.test/keys is down; old ones stay in use']);
  await run.advance(STALE_MS_MAX);
  assert.equal(run.sets.get(rule), undefined);
  answer = OTHER_KEYS;
  await run.advance(60_000);
  assert.equal(run.sets.get(rule), OTHER_KEYS);
  run.sets.close();
});

test('S71 without a fetch there are no keys, and what is no key set is none', async () => {
  for (const answer of [new Error('is down'), '', '{}', '{"keys":[]}', '{"keys":[{"kty":"RSA"}]}', '<html>']) {
    const run = fetching(() => answer);
    run.sets.watch([rule]);
    await run.advance(0);
    assert.equal(run.sets.get(rule), undefined);
    assert.match(run.lines[0] ?? '', /its tokens are refused until there are some/);
    run.sets.close();
  }
});

test('without a place the issuer is asked where its keys are; it must speak of itself', async () => {
  const document = { issuer: 'https://a.test/t', jwks_uri: 'https://keys.test/k' };
  const discovered = fetching((uri) => (uri === 'https://keys.test/k' ? KEYS : JSON.stringify(document)));
  const own = { issuer: 'https://a.test/t' };
  discovered.sets.watch([own]);
  await discovered.advance(0);
  assert.equal(discovered.sets.get(own), KEYS);
  assert.deepEqual(discovered.asked, ['https://a.test/t/.well-known/openid-configuration', 'https://keys.test/k']);
  discovered.sets.close();
  for (const bad of [{ ...document, issuer: 'https://evil.test' }, { issuer: document.issuer }, [], null]) {
    const run = fetching((uri) => (uri === 'https://keys.test/k' ? KEYS : JSON.stringify(bad)));
    run.sets.watch([own]);
    await run.advance(0);
    assert.equal(run.sets.get(own), undefined);
    run.sets.close();
  }
});

async function listen(t: TestContext, server: Server, host = '127.0.0.1'): Promise<number> {
  server.listen(0, host);
  await until('listening', () => server.listening);
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const ROOT = testRoot();
const LEAF = testLeaf(ROOT, { names: [{ dns: 'issuer.test' }] });

const https = (t: TestContext, handler: RequestListener): Promise<number> =>
  listen(t, createServer({ cert: LEAF.chain, key: LEAF.key }, handler));

/** Every name is at these addresses. */
const at = (...addresses: string[]) => ((_host: string, _options: unknown, found: (
  error: null, all: { address: string; family: number }[]) => void) =>
  found(null, addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))) as never;

const NETWORKS = ['127.0.0.0/8'];

test('S71 keys come over TLS from an issuer that is known (node:https)', async (t) => {
  const port = await https(t, (_request, response) => response.end(KEYS));
  const options = { networks: NETWORKS, roots: [ROOT.cert], resolve: at('127.0.0.1') };
  const fetch = new SafeFetch(options);
  t.after(() => fetch.close());
  assert.equal((await fetch.get(`https://issuer.test:${port}/keys`, 5000)).toString(), KEYS);
  await assert.rejects(fetch.get(`https://other.test:${port}/keys`, 5000), /altnames|certificate/i);
  const stranger = new SafeFetch({ ...options, roots: [testRoot().cert] });
  t.after(() => stranger.close());
  await assert.rejects(stranger.get(`https://issuer.test:${port}/keys`, 5000), /certificate|issuer/i);
});

test('S71 redirects, sizes, slowness and other answers are no keys (node:https)', async (t) => {
  const port = await https(t, ({ url }, response) => {
    if (url === '/redirect') response.writeHead(302, { location: `https://issuer.test:${port}/keys` }).end();
    else if (url === '/large') response.end(Buffer.alloc(1024 * 1024 + 1, 32));
    else if (url === '/slow') response.write('{');
    else response.writeHead(url === '/keys' ? 200 : 500).end(KEYS);
  });
  const fetch = new SafeFetch({ networks: NETWORKS, roots: [ROOT.cert], resolve: at('127.0.0.1') });
  t.after(() => fetch.close());
  const get = (path: string, timeoutMs = 5000): Promise<Buffer> => fetch.get(`https://issuer.test:${port}${path}`,
    timeoutMs);
  await assert.rejects(get('/redirect'), /302: redirects are not followed/);
  await assert.rejects(get('/large'), /more than 1048576 bytes/);
  await assert.rejects(get('/slow', 50), /within 50 ms/);
  await assert.rejects(get('/error'), /answers 500/);
});

test('S71 nothing private is asked, whatever its name or spelling', async (t) => {
  let asked = 0;
  const port = await listen(t, createHttpServer((_request, response) => {
    asked++;
    response.end(KEYS);
  }));
  const fetch = new SafeFetch({ resolve: at('127.0.0.1') });
  t.after(() => fetch.close());
  const hosts = ['127.0.0.1', 'localhost', '127.1', '2130706433', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0',
    '169.254.169.254', '10.0.0.1', '192.168.1.1', '172.16.0.1', '100.64.0.1', '[fe80::1]', '[fd00::1]',
    '[64:ff9b::7f00:1]', '[2002:7f00:1::]', 'metadata.test'];
  for (const host of hosts) {
    await assert.rejects(fetch.get(`https://${host}:${port}/`, 5000), /is not a public address/, host);
    await assert.rejects(fetch.get(`http://${host}:${port}/`, 5000), /is not https/, host);
  }
  for (const uri of ['file:///etc/passwd', 'ftp://a.test/', 'data:,x', 'https://u:p@a.test/', 'x', '']) {
    await assert.rejects(fetch.get(uri, 5000), /is not an https|user and password/, uri);
  }
  assert.equal(asked, 0);
});

test('S71 of several addresses only public ones are asked; a network that is allowed needs no TLS', async (t) => {
  const port = await listen(t, createHttpServer((_request, response) => response.end(KEYS)));
  const mixed = new SafeFetch({ networks: NETWORKS, resolve: at('10.0.0.1', '127.0.0.1') });
  const allowed = new SafeFetch({ networks: NETWORKS, resolve: at('127.0.0.1') });
  t.after(() => mixed.close());
  t.after(() => allowed.close());
  await assert.rejects(mixed.get(`http://issuer.test:${port}/`, 5000), /is not https/);
  assert.equal((await allowed.get(`http://issuer.test:${port}/`, 5000)).toString(), KEYS);
  assert.equal((await allowed.get(`http://127.0.0.1:${port}/`, 5000)).toString(), KEYS);
  assert.throws(() => new SafeFetch({ networks: ['x'] }), /jwksNetworks/);
});
