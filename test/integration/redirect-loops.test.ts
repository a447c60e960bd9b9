// Requests that turn in a circle, through the whole proxy: redirects that it follows, and a way that leads back to it.
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { Client, request } from 'undici';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { serve } from '../harness/http-service.ts';
import { until } from '../harness/until.ts';
import { TestProxy, bootstrapOf, httpListener, routeTo, staticCluster } from '../harness/weft.ts';

const CIRCLE = { location: 'http://shop.test/again' };

/** Follows the redirects of its one route; `fields` are added to the route. */
function following(port: number, policy: Record<string, unknown>, fields: Record<string, unknown> = {}): unknown {
  const route = routeTo('app', { internal_redirect_policy: policy }) as Record<string, unknown>;
  const listener = httpListener([{ ...route, ...fields }], { use_remote_address: true, via: 'here' });
  return bootstrapOf([listener], [staticCluster('app', [port])]);
}

test('S86 a circle of redirects ends with the limit, and no header grows in it (undici, node:http)', async () => {
  const seen: IncomingMessage[] = [];
  await using upstream = await serve((incoming, outgoing) => {
    seen.push(incoming);
    outgoing.writeHead(302, CIRCLE).end();
  });
  await using proxy = await TestProxy.start(following(upstream.port, { max_internal_redirects: 5 }));
  const { statusCode, body } = await request(`http://127.0.0.1:${proxy.port()}/`);
  await body.dump();
  assert.deepEqual([statusCode, seen.length], [302, 6]);
  for (const name of ['x-forwarded-for', 'via', 'x-request-id']) {
    assert.equal(seen.at(-1)!.headers[name], seen[0]!.headers[name], name);
  }
  assert.equal(seen.at(-1)!.headers['x-envoy-original-url'], 'http://shop.test/again');
  assert.equal(proxy.stat('cluster.app.upstream_internal_redirect_succeeded_total'), 5);
  assert.equal(proxy.stat('http.http.passthrough_internal_redirect_too_many_redirects'), 1);
});

test('S86 what routes add to a request again and again does not outgrow a head (undici, node:http)', async () => {
  let calls = 0;
  await using upstream = await serve((_, outgoing) => {
    calls++;
    outgoing.writeHead(302, CIRCLE).end();
  });
  const added = [{ header: { key: 'x-more', value: 'x'.repeat(6000) }, append_action: 'APPEND_IF_EXISTS_OR_ADD' }];
  const config = following(upstream.port, { max_internal_redirects: 64 }, { request_headers_to_add: added });
  await using proxy = await TestProxy.start(config);
  const { statusCode, body } = await request(`http://127.0.0.1:${proxy.port()}/`);
  await body.dump();
  assert.equal(statusCode, 302);
  assert.ok(calls >= 2 && calls <= 11, `${calls} requests`);
  assert.equal(proxy.stat('http.http.passthrough_internal_redirect_bad_location'), 1);
});

test('S86 more redirects than a request may ever cost are refused in configuration', async () => {
  const tooMany = following(1, { max_internal_redirects: 65 });
  await assert.rejects(TestProxy.start(tooMany), /max_internal_redirects: must be at most 64/);
});

test('S86 a proxy whose way leads back to itself says so, and serves on (undici)', async () => {
  const [port] = await freePorts(1) as [number];
  const listener = httpListener([
    { match: { path: '/well' }, direct_response: { status: 204 } }, routeTo('app'),
  ], { use_remote_address: true }) as { address: unknown };
  listener.address = { socket_address: { address: '127.0.0.1', port_value: port } };
  await using proxy = await TestProxy.start(bootstrapOf([listener], [staticCluster('app', [port])]));
  const { statusCode, body } = await request(`http://127.0.0.1:${port}/`);
  assert.deepEqual([statusCode, await body.text()], [508, 'Loop Detected']);
  assert.equal(proxy.stat('cluster.app.upstream_rq_total'), 32);
  const well = await request(`http://127.0.0.1:${port}/well`);
  assert.equal(well.statusCode, 204);
});

test('S86 a circle that no header shows ends at the cluster\'s limit (undici)', async () => {
  const [port] = await freePorts(1) as [number];
  const listener = httpListener([routeTo('app')]) as { address: unknown };
  listener.address = { socket_address: { address: '127.0.0.1', port_value: port } };
  const circuit = { circuit_breakers: { thresholds: [{ max_requests: 20 }] } };
  const cluster = staticCluster('app', [port], circuit);
  await using proxy = await TestProxy.start(bootstrapOf([listener], [cluster]));
  const { statusCode, body } = await request(`http://127.0.0.1:${port}/`);
  await body.dump();
  assert.equal(statusCode, 503);
  assert.equal(proxy.stat('cluster.app.upstream_rq_total'), 20);
  await until('nothing goes round', () => proxy.stat('cluster.app.upstream_rq_active') === 0);
});

test('a client that leaves ends the request in its own\'s place (undici, node:http)', async () => {
  let left = false;
  let waiting = false;
  await using upstream = await serve((incoming, outgoing) => {
    if (incoming.url === '/') {
      outgoing.writeHead(302, CIRCLE).end();
      return;
    }
    waiting = true;
    outgoing.on('close', () => void (left = true));
  });
  await using proxy = await TestProxy.start(following(upstream.port, {}));
  const client = new AbortController();
  const asked = request(`http://127.0.0.1:${proxy.port()}/`, { signal: client.signal });
  await until('the second request arrives', () => waiting);
  client.abort();
  await assert.rejects(asked);
  await until('the upstream sees it', () => left);
  await until('no request is active', () => proxy.stat('http.http.downstream_rq_active') === 0);
});

test('every request of a connection is redirected with its body (node:http2, undici, node:http)', async () => {
  const bodies: string[] = [];
  await using upstream = await serve((incoming, outgoing) => {
    let body = '';
    incoming.on('data', (chunk: Buffer) => void (body += chunk.toString()));
    incoming.on('end', () => {
      bodies.push(`${incoming.url} ${body}`);
      if (incoming.url === '/again') outgoing.end(`got ${body}`);
      else outgoing.writeHead(302, CIRCLE).end('moved');
    });
  });
  await using proxy = await TestProxy.start(following(upstream.port, {}));
  const origin = `http://127.0.0.1:${proxy.port()}`;
  const client = new Client(origin);
  for (const text of ['one', 'two', 'three']) {
    const { statusCode, body } = await client.request({ path: '/', method: 'POST', body: text });
    assert.deepEqual([statusCode, await body.text()], [200, `got ${text}`]);
  }
  await client.close();
  const session = connect(origin);
  const answers = await Promise.all(['a', 'b', 'c'].map((text) => new Promise<string>((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    let answer = '';
    stream.on('data', (chunk: Buffer) => void (answer += chunk.toString())).on('error', reject);
    stream.on('end', () => resolve(answer));
    stream.end(text);
  })));
  session.close();
  assert.deepEqual(answers, ['got a', 'got b', 'got c']);
  assert.equal(bodies.length, 12);
});
