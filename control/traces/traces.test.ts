// Spans from untrusted bytes: what is taken, how much is kept, and the tree that they make.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpans, SPAN_LIMITS, type Span } from './span.ts';
import { summarise, TraceStore } from './trace-store.ts';
import { escapeHtml, traceListPage, tracePage } from './trace-page.ts';
import { treeOf, type SpanNode } from './trace-tree.ts';

const TRACE = '463ac35c9f6413ad48485a3953bb6124';

function spansOf(...spans: readonly unknown[]): readonly Span[] {
  const batch = parseSpans(JSON.stringify(spans));
  assert.ok(batch !== undefined);
  return batch.spans;
}

const span = (id: string, parentId?: string, more: object = {}) => ({
  traceId: TRACE, id, ...(parentId !== undefined && { parentId }), name: `op ${id}`,
  timestamp: 1_000_000, duration: 500,
  localEndpoint: { serviceName: `service ${id}` }, ...more,
});

test('a span keeps ids, kind, times, endpoints and tags', () => {
  const [got] = spansOf(span('a1', 'B2', {
    kind: 'CLIENT', shared: true, tags: { 'http.status_code': '200' }, remoteEndpoint: { ipv4: '10.0.0.1', port: 9080 },
  }));
  assert.deepEqual([got?.id, got?.parentId], ['00000000000000a1', '00000000000000b2']);
  assert.deepEqual([got?.kind, got?.shared], ['CLIENT', true]);
  assert.deepEqual([got?.timestampUs, got?.durationUs, got?.remote.port], [1_000_000, 500, 9080]);
  assert.equal(got?.tags.get('http.status_code'), '200');
});

test('what is no span is counted and left out, what is no list is refused', () => {
  const wrong = [{ id: '1' }, { traceId: 'xyz', id: '1' }, 7, null, [], { traceId: TRACE }];
  const batch = parseSpans(JSON.stringify([span('1'), ...wrong]));
  assert.deepEqual([batch?.spans.length, batch?.rejected], [1, 6]);
  for (const body of ['', '{}', 'null', '[', '"x"']) assert.equal(parseSpans(body), undefined);
});

test('S90 keys like __proto__ are only tags', () => {
  const tags = '"tags":{"__proto__":"x","constructor":"y"}';
  const batch = parseSpans(`[{"traceId":"1","id":"1",${tags},"__proto__":{"name":"evil"}}]`);
  assert.deepEqual([...batch?.spans[0]?.tags ?? []], [['__proto__', 'x'], ['constructor', 'y']]);
  assert.equal(batch?.spans[0]?.name, '');
});

test('texts, tags and numbers are bounded', () => {
  const tags = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, 'v']));
  const [got] = spansOf(span('1', undefined, { name: 'n'.repeat(9999), tags, timestamp: 1e300, duration: -5 }));
  assert.deepEqual([got?.name.length, got?.tags.size], [SPAN_LIMITS.textChars, SPAN_LIMITS.tags]);
  assert.deepEqual([got?.timestampUs, got?.durationUs], [0, 0]);
  const many = parseSpans(JSON.stringify(Array.from({ length: SPAN_LIMITS.spansPerBody + 10 }, () => span('1'))));
  assert.equal(many?.rejected, 10);
});

test('the store keeps the traces that were touched last, within its bounds', () => {
  const store = new TraceStore({ traces: 3, spansPerTrace: 2, spans: 5 });
  const add = (traceId: string, id: string) => spansOf({ ...span(id), traceId }).forEach((each) => store.add(each));
  for (const id of ['a', 'b', 'c']) add(id, '1');
  add('a', '2');
  add('a', '3');
  assert.deepEqual([store.spanCount, store.counts.rejected], [4, 1], 'a trace has its own bound');
  add('d', '1');
  assert.deepEqual(store.list(10).map(({ traceId }) => traceId.at(-1)), ['d', 'a', 'c']);
  add('d', '2');
  add('c', '2');
  assert.ok(store.spanCount <= 5);
  assert.ok(store.counts.evicted > 0);
  assert.equal(store.get('b'), undefined);
});

test('a list can be of one service', () => {
  const store = new TraceStore();
  spansOf({ ...span('1'), traceId: 'a' }, { ...span('2'), traceId: 'b' }).forEach((each) => store.add(each));
  assert.deepEqual(store.list(10, 'service 2').map(({ services }) => services), [['service 2']]);
});

test('a summary names the root, and its time is from the first start to the last end', () => {
  const summary = summarise({ traceId: TRACE, spans: spansOf(
    span('2', '1', { timestamp: 2_000_000, duration: 3_000_000, tags: { error: '503' } }), span('1', '9'),
  ) });
  assert.deepEqual([summary.name, summary.startMs, summary.durationMs, summary.error], ['op 1', 1000, 4000, true]);
});

/** `id(children)` */
function shape(nodes: readonly SpanNode[]): string {
  return nodes.map(({ id, children }) => Number(id) + (children.length === 0 ? '' : `(${shape(children)})`)).join(' ');
}

function treeShape(...spans: readonly object[]): string {
  return shape(treeOf({ traceId: TRACE, spans: spansOf(...spans) }).roots);
}

test('spans hang below their parents, by time; those without one are roots', () => {
  assert.equal(treeShape(span('3', '1', { timestamp: 9 }), span('1'), span('2', '1', { timestamp: 5 }), span('4', '2')),
    '1(2(4) 3)');
  assert.equal(treeShape(span('2', '1'), span('3', '2')), '2(3)', 'the parent has not arrived');
});

test('a server half that shares its id hangs below the client half', () => {
  const client = span('1', undefined, { kind: 'CLIENT' });
  assert.equal(treeShape(client, span('1', undefined, { kind: 'SERVER', shared: true })), '1(1)');
});

test('a circle of spans ends', () => {
  const circle = treeShape(span('1', '2'), span('2', '1'), span('3', '3'));
  assert.deepEqual(circle.match(/[0-9]/g)?.sort(), ['1', '2', '3']);
});

test('S88 what spans say is escaped on the page, and a deep chain does not exhaust the stack', () => {
  const evil = '<script>alert("x")</script>\'&';
  const chain = Array.from({ length: 400 }, (_, i) => span((i + 1).toString(16), i === 0 ? undefined : i.toString(16)));
  const hostile = { name: evil, tags: { [evil]: evil }, localEndpoint: { serviceName: evil } };
  const spans = spansOf(span('fff', undefined, hostile), ...chain);
  const page = tracePage(treeOf({ traceId: TRACE, spans }))
    + traceListPage([summarise({ traceId: TRACE, spans: spans.slice(0, 1) })]);
  assert.doesNotMatch(page, /<script/);
  assert.match(page, /&lt;script&gt;/);
  assert.equal(escapeHtml(evil), '&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;');
});
