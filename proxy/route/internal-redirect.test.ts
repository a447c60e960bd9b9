// Where a location leads, and what a policy makes of a request on its way there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../http/headers.ts';
import { RequestHead, ResponseHead } from '../http/message.ts';
import { InternalRedirects, RedirectTrail, parseLocation } from './internal-redirect.ts';

test('a location is an absolute URL of visible ASCII; user and fragment are left out', () => {
  assert.deepEqual(parseLocation('HTTP://u:p@A.test:80/x/../y?q#f'), {
    scheme: 'http', authority: 'a.test:80', path: '/x/../y?q',
  });
  assert.deepEqual(parseLocation('https://[::1]'), { scheme: 'https', authority: '[::1]', path: '/' });
  assert.equal(parseLocation('http://a?q')?.path, '/?q');
  for (const wrong of ['', '/', '//a', 'http:/a', '://a', 'http://', 'http://a:', 'http://a:65536', 'http://a_b',
    'http://a b', 'http://a/\u0080', 'http://a/\u0001', 'http://[::1', 'http://a@b@c', 'http://a:1:2']) {
    assert.equal(parseLocation(wrong), undefined, wrong);
  }
});

test('S86 a route leads to each route once where previous routes are kept from it', () => {
  const trail = new RedirectTrail();
  assert.deepEqual([['a', 'b'], ['a', 'c'], ['b', 'a'], ['a', 'b'], ['', ''], ['', '']]
    .map(([from, to]) => trail.leads(from!, to!)), [true, true, true, false, true, false]);
});

test('the next request is one of its own: the first stays as it is', () => {
  const responseHeadersToCopy = ['X-New', 'x-gone'];
  const policy = new InternalRedirects({ responseHeadersToCopy, redirectResponseCodes: [303, 200] });
  assert.deepEqual([303, 302, 200].map((status) => policy.concerns(status)), [true, false, false]);
  const request = new RequestHead('POST', 'a', '/1', new Headers(['x-gone', '1', 'content-length', '5']));
  request.contentLength = 5;
  const response = new ResponseHead(303, new Headers(['x-new', 'a', 'x-other', 'b', 'x-new', 'c']));
  const next = policy.next(request, response, { scheme: 'https', authority: 'b', path: '/2' }, 'http');
  assert.deepEqual([next.method, next.scheme, next.authority, next.path, next.contentLength],
    ['GET', 'https', 'b', '/2', 0]);
  assert.deepEqual([next.headers.joined('x-new'), next.headers.has('x-gone'), next.headers.has('content-length')],
    ['a,c', false, false]);
  assert.equal(next.headers.get('x-envoy-original-url'), 'http://a/1');
  assert.deepEqual([request.method, request.headers.get('x-gone'), request.headers.count], ['POST', '1', 2]);
});
