// Bodies of limited size (undici) through weft and through a real Envoy: the same bootstrap, the same answers, and what
// reaches the upstream.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { Agent, request } from 'undici';
import { EchoServer } from '../harness/echo-server.ts';
import type { Echo } from '../harness/echo-server.ts';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';
import type { ProxyKind } from '../harness/proxy-process.ts';
import { bootstrapOf, httpListener, staticCluster } from '../harness/weft.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3';
const perRoute = (fields: object): object =>
  ({ typed_per_filter_config: { limit: { '@type': `${TYPE}.BufferPerRoute`, ...fields } } });
const at = (prefix: string, more: object = {}): object => (
  { match: { prefix }, route: { cluster: 'service' }, ...more });

function bootstrap(upstream: number): unknown {
  const more = perRoute({ buffer: { max_request_bytes: 40 } });
  const routes = [at('/off', perRoute({ disabled: true })), at('/more', more), at('/')];
  const filter = { name: 'limit', typed_config: { '@type': `${TYPE}.Buffer`, max_request_bytes: 20 } };
  return bootstrapOf([httpListener(routes, { http_filters: [filter] })], [staticCluster('service', [upstream])]);
}

interface Ask {
  readonly path: string;
  readonly bytes: number;
  /** In pieces, without a length. */
  readonly streamed?: boolean;
}

const ASKS: readonly Ask[] = [
  ...[0, 1, 19, 20, 21, 100_000].flatMap((bytes) => [
    { path: '/', bytes }, { path: '/', bytes, streamed: true }, { path: '/more', bytes }, { path: '/off', bytes },
  ]),
  { path: '/more', bytes: 40, streamed: true }, { path: '/more', bytes: 41, streamed: true },
];

function* pieces(bytes: number): Generator<Uint8Array> {
  for (let sent = 0; sent < bytes; sent += 7) yield Buffer.alloc(Math.min(7, bytes - sent), 'x');
}

async function outcome(port: number, { path, bytes, streamed = false }: Ask): Promise<string> {
  const dispatcher = new Agent();
  try {
    const body = streamed ? Readable.from(pieces(bytes)) : Buffer.alloc(bytes, 'x');
    const answer = await request(`http://127.0.0.1:${port}${path}`, { dispatcher, method: 'POST', body });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) return `${answer.statusCode} ${text}`;
    const { headers, body: seen } = JSON.parse(text) as Echo;
    return `200 ${seen.length} ${headers['content-length'] ?? headers['transfer-encoding']}`;
  } finally {
    await dispatcher.destroy();
  }
}

const seen = new Map<ProxyKind, string[]>();

for (const { kind, skip } of candidates()) {
  void test(`${kind} holds bodies and answers 413 for those that are too long (undici)`, { skip }, async () => {
    await using upstream = await EchoServer.start('service');
    await using proxy = await ProxyProcess.start(kind, bootstrap(upstream.port));
    const lines: string[] = [];
    for (const ask of ASKS) lines.push(`${JSON.stringify(ask)}: ${await outcome(proxy.port('http'), ask)}`);
    seen.set(kind, lines);
    assert.ok(lines.filter((line) => line.includes(': 413 Payload Too Large')).length >= 6, lines.join('\n'));
    const envoy = seen.get('envoy');
    if (kind === 'weft' && envoy !== undefined) assert.deepEqual(lines, envoy);
  });
}
