// The span's name between proxies that trace: told, taken, and never passed on to an application.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead, ResponseHead } from '../http/message.ts';
import type { RouteEntry } from '../route/route-entry.ts';
import { noteResponse, noteRoute } from './route-note.ts';
import type { TracedWay } from './route-note.ts';

const OPERATION = 'x-envoy-decorator-operation';

/** [the request's header, the response's, the span's name from the peer] */
function pass(way: TracedWay, propagates: boolean, asked: string[], answered: string[]): (string | undefined)[] {
  const route = { name: '', virtualHostName: '', operation: 'route', propagateOperation: propagates };
  const request = new RequestHead('GET', 'a', '/', new Headers(asked.flatMap((name) => [OPERATION, name])));
  const response = new ResponseHead(200, new Headers(answered.flatMap((name) => [OPERATION, name])));
  const info = sampleStream();
  noteRoute(route as unknown as RouteEntry, request, info, way);
  noteResponse(response, info, way);
  return [request.headers.get(OPERATION), response.headers.get(OPERATION), info.spanName];
}

test('outbound the next proxy is told the name, and its answer is taken', () => {
  assert.deepEqual(pass('outbound', true, [], ['theirs']), ['route', undefined, 'theirs']);
  assert.deepEqual(pass('outbound', false, [], []), [undefined, undefined, '']);
});

test('inbound a name that came is taken; without one the proxy in front is told the route\'s', () => {
  assert.deepEqual(pass('inbound', true, ['theirs'], []), [undefined, undefined, 'theirs']);
  assert.deepEqual(pass('inbound', true, [], []), [undefined, 'route', '']);
  assert.deepEqual(pass('inbound', false, [], []), [undefined, undefined, '']);
});

test('S88 a name that came names the span, and no service', () => {
  const info = sampleStream();
  const request = new RequestHead('GET', 'a', '/', new Headers([OPERATION, 'theirs']));
  noteRoute({ operation: 'route', propagateOperation: true } as unknown as RouteEntry, request, info, 'inbound');
  assert.equal(info.operation, 'route');
});

test('without tracing headers are left alone', () => {
  assert.deepEqual(pass(undefined, true, ['theirs'], ['other']), ['theirs', 'other', '']);
});
