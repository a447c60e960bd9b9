// Span export against a collector that takes, refuses, hangs, goes and comes back.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Logger } from '../telemetry/log.ts';
import type { SpanRecord } from '../telemetry/span-record.ts';
import { Stats } from '../telemetry/stats.ts';
import { collectorAddress } from './collector-address.ts';
import type { CollectorAddress } from './collector-address.ts';
import { ConfigStore } from './config-store.ts';
import { QUEUE_SPANS_MAX, SpanExport } from './span-export.ts';
import { StatsMerger } from './stats-merger.ts';

interface Report {
  readonly path: string;
  readonly host: string;
  readonly contentType: string;
  readonly spans: readonly Record<string, unknown>[];
}

/** A Zipkin collector of node:http that answers as `answer` says and keeps what came. */
class Collector {
  readonly reports: Report[] = [];
  readonly server: Server;
  answer: (response: ServerResponse) => void = (response) => response.writeHead(202).end();
  #waiting: (() => void) | undefined = undefined;

  constructor() {
    this.server = createServer((request, response) => void this.#take(request, response));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { host = '', 'content-type': contentType = '' } = request.headers;
    const spans = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>[];
    this.reports.push({ path: request.url ?? '', host, contentType, spans });
    this.answer(response);
    this.#waiting?.();
  }

  listen(port = 0): Promise<number> {
    return new Promise((resolve) => {
      this.server.listen(port, '127.0.0.1', () => resolve((this.server.address() as AddressInfo).port));
    });
  }

  /** Resolves when so many reports have come. */
  async came(count: number): Promise<void> {
    while (this.reports.length < count) await new Promise<void>((resolve) => (this.#waiting = resolve));
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

interface Bench {
  readonly exporter: SpanExport;
  readonly merger: StatsMerger;
  readonly lines: string[];
}

function bench(addressOf: (cluster: string) => CollectorAddress, additionalUrls: readonly string[] = []): Bench {
  const lines: string[] = [];
  const logger = new Logger('info', undefined, (line) => lines.push(line) > 0);
  const merger = new StatsMerger();
  const stats = new Stats(merger.source());
  const log = logger.component('tracing');
  const exporter = new SpanExport({ serviceName: 'reviews.default', stats, log, addressOf, additionalUrls });
  return { merger, lines, exporter };
}

function record(changes: Partial<SpanRecord> = {}): SpanRecord {
  return {
    target: { cluster: 'zipkin', path: '/api/v2/spans', hostname: '' },
    traceId: '463ac35c9f6413ad48485a3953bb6124', spanId: 'a2fb4a1d1a96d312', parentId: '0020000000000001',
    kind: 'client', shared: false, error: false,
    name: 'ratings:9080', startUs: 1_700_000_000_123_456, durationUs: 12_900,
    tags: ['http.status_code', '200', '__proto__', 'x', 'user_agent', 'caf\u00e9'],
    ...changes,
  };
}

async function started(t: TestContext): Promise<{ collector: Collector; url: string; port: number }> {
  const collector = new Collector();
  const port = await collector.listen();
  t.after(() => collector.close());
  return { collector, port, url: `http://127.0.0.1:${port}` };
}

test('a node:http collector receives Zipkin v2 JSON with our ids and times', async (t) => {
  const { collector, url } = await started(t);
  const { exporter, merger } = bench(() => ({ url }));
  exporter.feed([record(), record({ kind: 'server', spanId: '00000000000000aa', parentId: '' })]);
  await exporter.stop();
  const [report] = collector.reports;
  assert.deepEqual([report!.path, report!.host, report!.contentType], ['/api/v2/spans', 'zipkin', 'application/json']);
  assert.deepEqual(report!.spans[0], {
    traceId: '463ac35c9f6413ad48485a3953bb6124', id: 'a2fb4a1d1a96d312', parentId: '0020000000000001', kind: 'CLIENT',
    name: 'ratings:9080', timestamp: 1_700_000_000_123_456, duration: 12_900,
    localEndpoint: { serviceName: 'reviews.default' },
    tags: { 'http.status_code': '200', user_agent: 'caf\u00e9' },
  });
  assert.deepEqual([report!.spans[1]!['kind'], 'parentId' in report!.spans[1]!], ['SERVER', false]);
  assert.equal(merger.read('tracing.zipkin.reports_sent'), 1);
});

test('every span also goes to additional URLs, and to another address when its cluster moves', async (t) => {
  const [first, second, extra] = [await started(t), await started(t), await started(t)];
  let now = first.url;
  const { exporter } = bench(() => ({ url: now }), [`${extra.url}/copy`]);
  exporter.feed([record()]);
  await first.collector.came(1);
  now = second.url;
  exporter.feed([record()]);
  await exporter.stop();
  assert.equal(second.collector.reports.length, 1);
  const copies = extra.collector.reports.flatMap(({ path, spans }) => spans.map(() => path));
  assert.deepEqual(copies, ['/copy', '/copy']);
});

test('F14 a collector that is down costs spans and counters, and one line each way', async (t) => {
  const { collector, url, port } = await started(t);
  await collector.close();
  const { exporter, merger, lines } = bench(() => ({ url }));
  for (let i = 1; i <= 3; i++) {
    exporter.feed(Array.from({ length: 512 }, () => record()));
    while (merger.read('tracing.zipkin.reports_dropped') < i) await turn();
  }
  assert.equal(merger.read('tracing.zipkin.spans_dropped'), 3 * 512);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /\[warning\]\[tracing\] the span collector at http:.* takes no spans: .*ECONNREFUSED/);
  const back = new Collector();
  await back.listen(port);
  t.after(() => back.close());
  exporter.feed([record()]);
  await exporter.stop();
  assert.equal(back.reports.length, 1);
  assert.match(lines[1]!, /\[info\]\[tracing\] the span collector at http:.* takes spans again/);
});

test('F14 a collector that answers 5xx, or never, bounds what waits for it', async (t) => {
  const { collector, url } = await started(t);
  collector.answer = (response) => response.writeHead(503).end();
  const { exporter, merger, lines } = bench(() => ({ url }));
  exporter.feed(Array.from({ length: 512 }, () => record()));
  while (merger.read('tracing.zipkin.reports_dropped') < 1) await turn();
  assert.match(lines[0]!, /503/);
  collector.answer = () => {};
  exporter.feed(Array.from({ length: 512 }, () => record()));
  await collector.came(2);
  const before = merger.read('tracing.zipkin.spans_dropped');
  exporter.feed(Array.from({ length: QUEUE_SPANS_MAX + 100 }, () => record()));
  assert.equal(merger.read('tracing.zipkin.spans_dropped') - before, 100);
  exporter.feed([record({ tags: ['big', 'x'.repeat(9_000_000)] })]);
  assert.equal(merger.read('tracing.zipkin.spans_dropped') - before, 101);
  await collector.close();
  await exporter.stop();
});

test('a collector without an address is said once, and its spans are counted', () => {
  const { exporter, merger, lines } = bench((cluster) => ({ missing: `there is no cluster ${cluster}` }));
  exporter.feed([record(), record()]);
  assert.equal(merger.read('tracing.zipkin.spans_dropped'), 2);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /spans are dropped: there is no cluster zipkin/);
});

test('a collector is the first endpoint of its cluster', () => {
  const store = new ConfigStore();
  const put = (kind: 'cluster' | 'endpoints', name: string, resource: unknown): void => {
    store.put(kind, { name, resource, origin: 'static', version: '', updatedWallMs: 0 });
  };
  const assignment = (address: string): unknown => {
    const endpoint = { address: { socketAddress: { address, portValue: 9411 } } };
    return { clusterName: 'z', endpoints: [{ lbEndpoints: [{ endpoint }] }] };
  };
  put('cluster', 'dns', { name: 'dns', type: 'STRICT_DNS', loadAssignment: assignment('zipkin.local') });
  put('cluster', 'eds', { name: 'eds', type: 'EDS', edsClusterConfig: { serviceName: 'other' } });
  assert.deepEqual(collectorAddress(store, 'dns'), { url: 'http://zipkin.local:9411' });
  assert.deepEqual(collectorAddress(store, 'eds'), { missing: 'cluster eds has no endpoint' });
  put('endpoints', 'other', assignment('::1'));
  assert.deepEqual(collectorAddress(store, 'eds'), { url: 'http://[::1]:9411' });
  assert.deepEqual(collectorAddress(store, 'nope'), { missing: 'there is no cluster nope' });
});
