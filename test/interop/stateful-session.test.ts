// Sessions that stick to an endpoint by a cookie or a header, through weft as through a real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { ProxyProcess, candidates } from '../harness/proxy-process.ts';
import { exchange, requestText } from '../harness/raw-client.ts';
import type { RawAnswer } from '../harness/raw-client.ts';
import { bootstrapOf, httpListener } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';

function session(kept: 'cookie' | 'header', state: object, fields: object): Record<string, unknown> {
  return { '@type': `${TYPE}.filters.http.stateful_session.v3.StatefulSession`,
    session_state: { name: `envoy.http.stateful_session.${kept}`, typed_config: state }, ...fields };
}

function cookie(cookie: object, fields: object = {}): Record<string, unknown> {
  const state = { '@type': `${TYPE}.http.stateful_session.cookie.v3.CookieBasedSessionState`, cookie };
  return session('cookie', state, fields);
}

function header(name: string, fields: object = {}): Record<string, unknown> {
  const state = { '@type': `${TYPE}.http.stateful_session.header.v3.HeaderBasedSessionState`, name };
  return session('header', state, fields);
}

function route(prefix: string, to: string, own?: object): unknown {
  const config = { '@type': `${TYPE}.filters.http.stateful_session.v3.StatefulSessionPerRoute`, ...own };
  return { match: { prefix }, route: { cluster: to },
    ...(own !== undefined && { typed_per_filter_config: { session: config } }) };
}

function cluster(name: string, endpoints: readonly (readonly [number, string])[], fields: object = {}): unknown {
  const lb_endpoints = endpoints.map(([port_value, health_status]) => ({ health_status,
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value } } } }));
  return { name, type: 'STATIC', connect_timeout: '1s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints }] }, ...fields };
}

function listener(name: string, routes: readonly unknown[], config: object): unknown {
  return httpListener(routes, { http_filters: [{ name: 'session', typed_config: config }] }, name);
}

/** A cookie's value as Envoy makes it. */
function value(address: string, expires = 0): string {
  const bytes = [0x0a, address.length, ...Buffer.from(address)];
  if (expires > 0) bytes.push(0x10);
  for (let rest = expires; rest > 0; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | (rest > 127 ? 128 : 0));
  return Buffer.from(bytes).toString('base64');
}

const NOW = Math.floor(Date.now() / 1000);

for (const { kind, skip } of candidates()) {
  void test(`${kind} keeps sessions at their endpoint (node:http)`, { skip }, async (t) => {
    await using one = await EchoServer.start('one');
    await using two = await EchoServer.start('two');
    await using other = await EchoServer.start('other');
    const both = [[one.port, 'HEALTHY'], [two.port, 'HEALTHY']] as const;
    const drained = [[one.port, 'DRAINING'], [two.port, 'HEALTHY']] as const;
    const statuses = { common_lb_config: { override_host_status: { statuses: ['DRAINING', 'HEALTHY'] } } };
    const attributes = [{ name: 'SameSite', value: 'Strict' }, { name: 'Secure' }];
    const own = { stateful_session: cookie({ name: 'own' }) };
    delete (own.stateful_session as { '@type'?: string })['@type'];
    const routes = [route('/off', 'both', { disabled: true }), route('/own', 'both', own), route('/drained', 'drained'),
      route('/kept', 'kept'), route('/down', 'down'), route('/', 'both')];
    await using proxy = await ProxyProcess.start(kind, bootstrapOf([
      listener('plain', routes, cookie({ name: 'sid' }, { stat_prefix: 'x' })),
      listener('timed', routes, cookie({ name: 'sid', ttl: '120.9s', path: '/p', attributes }, { stat_prefix: 'x' })),
      listener('strict', routes, cookie({ name: 'sid' }, { strict: true, stat_prefix: 'x' })),
      listener('gone', routes,
        cookie({ name: 'sid' }, { strict: true, status_on_strict_destination_not_found: 410 })),
      listener('header', routes, header('X-Session', { stat_prefix: 'x' })),
    ], [cluster('both', both), cluster('drained', drained), cluster('kept', drained, statuses),
      cluster('down', [[1, 'HEALTHY']])]));
    const [first, second] = [`127.0.0.1:${one.port}`, `127.0.0.1:${two.port}`];
    const ask = (to: string, path: string, sid?: string, name = 'sid'): Promise<RawAnswer> => {
      const headers = sid === undefined ? [] : [['cookie', `a=b; ${name}=${sid}`] as const];
      return exchange(proxy.port(to), requestText({ path, headers }));
    };
    const server = ({ status, body }: RawAnswer): string => (status === 200 ? (JSON.parse(body) as Echo).server
      : `${status} ${body}`);
    const given = ({ headers }: RawAnswer): string | undefined =>
      headers.find(([name]) => name === 'set-cookie' || name === 'x-session')?.[1];
    const addressOf = (answer: RawAnswer): string => (server(answer) === 'one' ? first : second);

    await t.test('a client is given a cookie once, and stays', async () => {
      const begun = await ask('plain', '/');
      const set = `sid="${value(addressOf(begun))}"; HttpOnly`;
      assert.equal(given(begun), set);
      for (let i = 0; i < 4; i++) {
        const again = await ask('plain', '/', value(addressOf(begun)));
        assert.deepEqual([server(again), given(again)], [server(begun), undefined]);
      }
    });

    await t.test('the cookie has a time, a path and attributes; other paths have no session', async () => {
      for (const path of ['/p', '/p/x', '/p?x']) {
        const answer = await ask('timed', path);
        const [, found = '', rest] = /^sid="([^"]*)"(.*)$/.exec(given(answer) ?? '') ?? [];
        assert.equal(rest, '; Max-Age=120; Path=/p; SameSite=Strict; Secure; HttpOnly');
        const now = Math.floor(Date.now() / 1000);
        const times = Array.from({ length: 30 }, (_, i) => value(addressOf(answer), now + 120 - i));
        assert.ok(times.includes(found), found);
      }
      for (const path of ['/', '/px', '/x/p']) assert.equal(given(await ask('timed', path, value(first))), undefined);
    });

    await t.test('cookies that name an endpoint, in all forms', async () => {
      const forms = [value(first), `"${value(first)}"`, value(first, NOW + 100), Buffer.from(first).toString('base64'),
        Buffer.concat([Buffer.from([0x18, 1, 0x22, 1, 65]), Buffer.from(value(first), 'base64')]).toString('base64')];
      for (const form of forms) {
        for (const to of ['plain', 'strict']) {
          for (let i = 0; i < 3; i++) assert.equal(server(await ask(to, '/p', form)), 'one', form);
        }
      }
    });

    await t.test('cookies that name none begin a new session', async () => {
      const forms = [value(first, 5), '', 'xx', value(first).replace(/=+$/, '') || 'x', '*', value(''),
        Buffer.from([0x10, 5]).toString('base64'), `${value(first)}====`];
      for (const form of forms) {
        for (const to of ['plain', 'strict']) {
          const answer = await ask(to, '/p', form);
          assert.equal(given(answer), `sid="${value(addressOf(answer))}"; HttpOnly`, `${to} '${form}'`);
        }
      }
    });

    await t.test('S47 a forged cookie reaches no address outside of the cluster', async () => {
      const outside = [`127.0.0.1:${other.port}`, '127.0.0.1:9', `localhost:${one.port}`, ` ${first}`, `${first} `,
        `[::ffff:127.0.0.1]:${one.port}`, `0:${one.port}`, `127.0.0.1:0${one.port}`, '\u0000', first.slice(0, -1)];
      for (const address of outside) {
        for (const form of [value(address), Buffer.from(address).toString('base64')]) {
          const open = await ask('plain', '/', form);
          assert.equal(given(open), `sid="${value(addressOf(open))}"; HttpOnly`, address);
          assert.equal(server(await ask('strict', '/', form)), '503 no healthy upstream', address);
          assert.equal(server(await ask('gone', '/', form)), '410 no healthy upstream', address);
        }
      }
      assert.equal(other.requests, 0);
    });

    await t.test('an endpoint that drains keeps its sessions where configuration says so', async () => {
      const drains = await ask('plain', '/drained', value(first));
      assert.deepEqual([server(drains), given(drains)], ['two', `sid="${value(second)}"; HttpOnly`]);
      assert.equal(server(await ask('strict', '/drained', value(first))), '503 no healthy upstream');
      assert.equal(server(await ask('strict', '/kept', value(first))), 'one');
      assert.equal(server(await ask('plain', '/kept')), 'two');
    });

    await t.test('routes without sessions, and with their own', async () => {
      assert.equal(given(await ask('plain', '/off', value(first))), undefined);
      assert.equal(server(await ask('plain', '/own', value(first), 'own')), 'one');
      const answer = await ask('plain', '/own', value(first));
      assert.equal(given(answer), `own="${value(addressOf(answer))}"; HttpOnly`);
    });

    await t.test('an endpoint that does not answer is in the cookie of the reply', async () => {
      const answer = await ask('plain', '/down');
      assert.equal(answer.status, 503);
      assert.equal(given(answer), `sid="${value('127.0.0.1:1')}"; HttpOnly`);
    });

    await t.test('by a header', async () => {
      const with64 = (text: string) => requestText({ path: '/', headers: [['x-session', text]] });
      const base64 = (text: string): string => Buffer.from(text).toString('base64');
      const begun = await exchange(proxy.port('header'), requestText({ path: '/' }));
      assert.equal(given(begun), base64(addressOf(begun)));
      for (let i = 0; i < 3; i++) {
        const again = await exchange(proxy.port('header'), with64(base64(first)));
        assert.deepEqual([server(again), given(again)], ['one', undefined]);
      }
      for (const text of [base64('127.0.0.1:9'), 'zz!', '', value(first)]) {
        const answer = await exchange(proxy.port('header'), with64(text));
        assert.equal(given(answer), base64(addressOf(answer)), text);
      }
    });

    await t.test('what is counted', async () => {
      const count = async (name: string): Promise<number[]> => Promise.all(
        ['routed', 'failed_open', 'failed_closed', 'no_session'].map((stat) =>
          proxy.stat(`http.${name}.stateful_session.x.${stat}`)));
      const found = { plain: await count('plain'), timed: await count('timed'), strict: await count('strict'),
        header: await count('header') };
      assert.deepEqual(found, { plain: [19, 32, 0, 0], timed: [0, 3, 0, 3], strict: [16, 0, 21, 0],
        header: [3, 5, 0, 0] });
      assert.equal(await proxy.stat('cluster.both.upstream_cx_none_healthy'), 40);
      assert.equal(await proxy.stat('cluster.both.upstream_rq_410'), 20);
    });
  });
}
