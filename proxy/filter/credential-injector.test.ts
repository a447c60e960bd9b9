// Credentials that requests are given: from a secret, and tokens whose server and clock are held in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CountedStats } from '../../test/harness/counted.ts';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import { ManualClock } from '../base/clock.ts';
import { ProxyError } from '../base/error.ts';
import { TimerWheel } from '../base/timers.ts';
import type { CredentialInjector } from '../config/credential-injector.ts';
import { GENERIC_CREDENTIAL_TYPE, OAUTH2_CREDENTIAL_TYPE } from '../config/type-url.ts';
import { Headers } from '../http/headers.ts';
import { ResponseHead } from '../http/message.ts';
import type { RequestHead } from '../http/message.ts';
import { httpScope } from '../telemetry/stat-name.ts';
import { SecretStore } from '../tls/secret-store.ts';
import type { AttemptSink, ClusterSet } from '../upstream/upstream.ts';
import { CredentialInjectorFilter } from './credential-injector.ts';
import { TOKEN_WAITING_MAX } from './oauth-credential.ts';
import { FILTER_ON } from './route-filter-config.ts';
import { readToken } from './token-answer.ts';

type Changes = Partial<Pick<CredentialInjector, 'overwrite' | 'allowRequestWithoutCredential'>>;
type Typed = CredentialInjector['credential']['typedConfig'];

const OAUTH: Typed = {
  '@type': OAUTH2_CREDENTIAL_TYPE, scopes: ['read', 'write'],
  tokenEndpoint: { uri: 'https://idp.test/token?a=b', cluster: 'idp', timeout: '1s' },
  clientCredentials: { clientId: 'shop:1', clientSecret: { name: 'secret' } },
  endpointParams: [{ name: 'audience', value: 'a b' }],
};
const GENERIC: Typed = { '@type': GENERIC_CREDENTIAL_TYPE, credential: { name: 'secret' } };

/** A fetch that the held server was asked for. */
interface Fetch {
  readonly head: RequestHead;
  body: string;
  readonly sink: AttemptSink;
}

class Setting {
  readonly clock = new ManualClock();
  readonly counted = new CountedStats();
  readonly secrets = new SecretStore();
  readonly fetches: Fetch[] = [];
  readonly kept = new Map<string, unknown>();
  hasCluster = true;
  readonly #timers = new TimerWheel(this.clock);

  constructor(secret = 'hush&hush') {
    this.keep(secret);
  }

  keep(inlineString: string): void {
    this.secrets.apply({ name: 'secret', genericSecret: { secret: { inlineString } } });
  }

  filter(typedConfig: Typed, changes: Changes = {}, isDisabled = false): CredentialInjectorFilter {
    const { clock, secrets, kept } = this;
    return new CredentialInjectorFilter('c', { credential: { name: 'c', typedConfig }, ...changes }, {
      clock, secrets, kept, isDisabled, timers: this.#timers, stats: this.counted.stats, scope: httpScope('p'),
      clusters: { get: () => (this.hasCluster ? this.#cluster() : undefined) } as unknown as ClusterSet,
    });
  }

  answer(status: number, body: string): void {
    const { sink } = this.fetches.at(-1)!;
    sink.onResponseHead(new ResponseHead(status, new Headers()), false);
    sink.onResponseData(Buffer.from(body), true);
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.#timers.advance();
  }

  get counts(): Record<string, number> {
    const cut = (name: string): string => name.replace('http.p.credential_injector.', '');
    return Object.fromEntries(Object.entries(this.counted.counts).map(([name, value]) => [cut(name), value]));
  }

  #cluster(): unknown {
    const endpoint = { done: () => undefined };
    return {
      pick: () => endpoint,
      startAttempt: (_endpoint: unknown, sink: AttemptSink, head: RequestHead) => {
        const fetch: Fetch = { head, sink, body: '' };
        this.fetches.push(fetch);
        return { endpoint, sendData: (chunk: Buffer) => { fetch.body += String(chunk); }, cancel: () => undefined };
      },
    };
  }
}

function ask(filter: CredentialInjectorFilter, fields: readonly string[] = []): HeldFilterStream & { said: string } {
  const stream = new HeldFilterStream({ fields });
  return Object.assign(stream, { said: filter.onRequestHead(stream) });
}

const sentOf = (stream: HeldFilterStream): string | undefined => stream.request.headers.get('authorization');
const token = (name: string, seconds = 100): string =>
  JSON.stringify({ access_token: name, expires_in: seconds, token_type: 'bearer' });

test('a secret is attached as it is now, under its header and behind its prefix', () => {
  const setting = new Setting('Basic abc\n');
  assert.equal(sentOf(ask(setting.filter(GENERIC))), 'Basic abc');
  const filter = setting.filter({ ...GENERIC, header: 'X-Key', headerValuePrefix: 'k=' } as Typed);
  const value = (): string | undefined => ask(filter).request.headers.get('x-key');
  assert.equal(value(), 'k=Basic abc');
  setting.keep('two');
  assert.equal(value(), 'k=two');
  setting.keep('cut\r\nx: y');
  assert.equal(value(), undefined);
});

test('a header of the request stays, or is replaced where configuration says so', () => {
  const setting = new Setting('ours');
  const theirs = ['authorization', 'theirs'];
  assert.equal(sentOf(ask(setting.filter(GENERIC), theirs)), 'theirs');
  assert.equal(sentOf(ask(setting.filter(GENERIC, { overwrite: true }), theirs)), 'ours');
  assert.deepEqual(setting.counts, { injected: 1, already_exists: 1 });
});

test('one that is listed as disabled does nothing but where a route turns it on', () => {
  const filter = new Setting('ours').filter(GENERIC, {}, true);
  assert.equal(sentOf(ask(filter)), undefined);
  const stream = new HeldFilterStream({ perFilterConfig: new Map([['c', FILTER_ON]]) });
  assert.equal(filter.onRequestHead(stream), 'continue');
  assert.equal(sentOf(stream), 'ours');
});

test('without a credential a request is answered 401, or goes on where that is allowed', () => {
  const setting = new Setting('');
  const refused = ask(setting.filter(GENERIC));
  assert.deepEqual([refused.said, refused.replies.map(({ status, body }) => [status, body])],
    ['replied', [[401, 'Failed to inject credential.']]]);
  const allowed = ask(setting.filter(GENERIC, { allowRequestWithoutCredential: true }));
  assert.deepEqual([allowed.said, sentOf(allowed)], ['continue', undefined]);
  assert.deepEqual(setting.counts, { failed: 2 });
});

test('one fetch is for all requests that wait, and its token for those after', () => {
  const setting = new Setting();
  const filter = setting.filter(OAUTH);
  const streams = [ask(filter), ask(filter)];
  assert.deepEqual([streams.map(({ said }) => said), setting.fetches.length], [['pause', 'pause'], 1]);
  const { head, body } = setting.fetches[0]!;
  assert.deepEqual([head.method, head.authority, head.path], ['POST', 'idp.test', '/token?a=b']);
  assert.equal(body, 'grant_type=client_credentials&scope=read+write&audience=a+b');
  assert.equal(head.headers.get('authorization'), `Basic ${btoa('shop%3A1:hush%26hush')}`);
  setting.answer(200, token('t1'));
  assert.deepEqual(streams.map((stream) => [sentOf(stream), stream.resumed]), [['Bearer t1', 1], ['Bearer t1', 1]]);
  assert.deepEqual([ask(filter).said, setting.fetches.length], ['continue', 1]);
  assert.deepEqual(setting.counts, { injected: 3, 'oauth2.token_requested': 1, 'oauth2.token_fetched': 1 });
});

test('client and secret stand in the body where configuration says so', () => {
  const setting = new Setting();
  const { clientCredentials } = OAUTH as Extract<Typed, { clientCredentials: unknown }>;
  setting.filter({ ...OAUTH, clientCredentials: { ...clientCredentials, authType: 'URL_ENCODED_BODY' } } as Typed);
  const { head, body } = setting.fetches[0]!;
  assert.match(body, /^grant_type=client_credentials&client_id=shop%3A1&client_secret=hush%26hush&/);
  assert.equal(head.headers.get('authorization'), undefined);
});

test('after half of its life a token is renewed while it serves; after all of it nothing goes on', () => {
  const setting = new Setting();
  const filter = setting.filter(OAUTH);
  setting.answer(200, token('t1'));
  setting.advance(49_000);
  assert.deepEqual([sentOf(ask(filter)), setting.fetches.length], ['Bearer t1', 1]);
  setting.advance(2000);
  assert.deepEqual([sentOf(ask(filter)), setting.fetches.length], ['Bearer t1', 2]);
  setting.answer(503, 'down');
  assert.deepEqual([sentOf(ask(filter)), setting.fetches.length], ['Bearer t1', 2]);
  setting.advance(2000);
  assert.deepEqual([sentOf(ask(filter)), setting.fetches.length], ['Bearer t1', 3]);
  setting.answer(200, 'not JSON');
  setting.advance(60_000);
  const waits = ask(filter);
  assert.deepEqual([waits.said, setting.fetches.length], ['pause', 4]);
  setting.fetches.at(-1)!.sink.onResponseError(new ProxyError('upstream-reset', 'upstream', 'x'));
  assert.deepEqual([waits.replies[0]?.status, waits.resumed], [401, 0]);
  assert.equal(ask(filter).said, 'replied');
  setting.advance(2000);
  ask(filter);
  setting.answer(200, token('t2'));
  assert.equal(sentOf(ask(filter)), 'Bearer t2');
  assert.deepEqual(setting.counts, {
    injected: 6, failed: 2, 'oauth2.token_requested': 5, 'oauth2.token_fetched': 2,
    'oauth2.token_fetch_failed_on_bad_response_code': 1, 'oauth2.token_fetch_failed_on_bad_token': 1,
    'oauth2.token_fetch_failed_on_stream_reset': 1,
  });
});

test('without its secret or its cluster nothing is fetched, and requests are refused', () => {
  const setting = new Setting('');
  setting.hasCluster = false;
  const filter = setting.filter(OAUTH);
  assert.equal(ask(filter).said, 'replied');
  setting.keep('hush');
  setting.advance(2000);
  assert.equal(ask(filter).said, 'replied');
  setting.hasCluster = true;
  setting.advance(2000);
  assert.deepEqual([ask(filter).said, setting.fetches.length], ['pause', 1]);
  assert.deepEqual(setting.counts, {
    failed: 2, 'oauth2.token_fetch_failed_on_client_secret': 1, 'oauth2.token_fetch_failed_on_cluster_not_found': 1,
    'oauth2.token_requested': 1,
  });
});

test('so many requests wait and no more; one that ends is forgotten', () => {
  const setting = new Setting();
  const filter = setting.filter(OAUTH);
  const first = ask(filter);
  for (let i = 1; i < TOKEN_WAITING_MAX; i++) ask(filter);
  assert.equal(ask(filter).said, 'replied');
  assert.equal(setting.counts['oauth2.token_waiting_overflow'], 1);
  filter.onComplete(first);
  assert.equal(ask(filter).said, 'pause');
  setting.answer(200, token('t1'));
  assert.deepEqual([first.resumed, sentOf(first)], [0, undefined]);
});

test('a token outlives a change of configuration elsewhere, and a source is forgotten when there are many', () => {
  const setting = new Setting();
  setting.filter(OAUTH);
  setting.answer(200, token('t1'));
  assert.equal(sentOf(ask(setting.filter(OAUTH))), 'Bearer t1');
  for (let i = 0; i < 256; i++) setting.filter({ ...OAUTH, scopes: [String(i)] } as Typed);
  assert.equal(ask(setting.filter(OAUTH)).said, 'pause');
});

test('a server that never answers is left, and answers that are not whole are no token', () => {
  const setting = new Setting();
  const stream = ask(setting.filter(OAUTH));
  setting.advance(1100);
  assert.equal(stream.replies[0]?.status, 401);
  const long = 'a'.repeat(16 * 1024 + 1);
  for (const body of ['', '[]', 'null', '7', '{}', token(''), token('a b'), token('a\\r\\nx: y'), token(long),
    token('a', 0), token('a', -1), '{"access_token":"a"}', '{"access_token":"a","expires_in":"9"}',
    '{"access_token":["a"],"expires_in":9}', '{"access_token":"a","expires_in":9,"token_type":"mac"}',
    '{"access_token":"a","expires_in":9,"token_type":null}']) {
    assert.equal(readToken(Buffer.from(body)), undefined, body.slice(0, 80));
  }
  const forEver = readToken(Buffer.from('{"access_token":"a","expires_in":1e300}'));
  assert.deepEqual(forEver, { token: 'a', lifeMs: 86_400_000 });
});
