// The order of header changes from a table to its routes, and of the chosen cluster's, as a request gets them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import { RequestHead } from '../http/message.ts';
import { compileRequestHeaders } from '../route/header-operations.ts';
import { compileRouteTable } from '../route/route-table.ts';
import { changeRequest } from './header-levels.ts';

const adds = (level: string) => (
  { requestHeadersToAdd: [{ header: { key: 'x', value: `${level} %REQ(:authority)%` } }] });

/** The values of x, level by level, each with the host that it saw. */
function order(mostSpecific: boolean): string | undefined {
  const routes = [{ match: { prefix: '/' }, directResponse: { status: 200 }, ...adds('route') }];
  const table = compileRouteTable({
    mostSpecificHeaderMutationsWins: mostSpecific, ...adds('table'),
    virtualHosts: [{ name: 'h', domains: ['*'], ...adds('host'), routes }],
  }, () => undefined);
  const request = new RequestHead('GET', 'h', '/');
  const route = table.match(request, undefined, 0)!;
  const info = sampleStream();
  info.request = request;
  const requestHeaders = compileRequestHeaders(adds('cluster'), '');
  changeRequest(route, { cluster: 'c', requestHeaders, responseHeaders: undefined, authority: 'own' }, request, info);
  return request.headers.joined('x');
}

test('the cluster\'s own changes come first and its host next; then the table is last, or the most specific', () => {
  assert.deepEqual([order(false), order(true)],
    ['cluster h,route own,host own,table own', 'cluster h,table own,host own,route own']);
});
