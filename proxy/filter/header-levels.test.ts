// The order of header changes from a table to its routes, and of the chosen cluster's, as a request gets them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleStream } from '../../test/harness/stream-sample.ts';
import { Headers } from '../http/headers.ts';
import { RequestHead } from '../http/message.ts';
import { compileRequestHeaders } from '../route/header-operations.ts';
import { compileRouteTable } from '../route/route-table.ts';
import { applyLevels } from './header-levels.ts';

const setsTo = (value: string) => ({
  requestHeadersToAdd: [{ header: { key: 'x', value }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' as const }],
});

/** What x is when all levels set it, without and with the chosen cluster's own. */
function winners(mostSpecific: boolean): (string | undefined)[] {
  const routes = [{ match: { prefix: '/' }, directResponse: { status: 200 }, ...setsTo('route') }];
  const table = compileRouteTable({
    mostSpecificHeaderMutationsWins: mostSpecific, ...setsTo('table'),
    virtualHosts: [{ name: 'h', domains: ['*'], ...setsTo('host'), routes }],
  }, () => undefined);
  const { requestHeaders, mostSpecificWins } = table.match(new RequestHead('GET', 'h', '/'), undefined, 0)!;
  return [undefined, compileRequestHeaders(setsTo('cluster'), '')].map((cluster) => {
    const headers = new Headers();
    applyLevels(requestHeaders, cluster, mostSpecificWins, headers, sampleStream());
    return headers.get('x');
  });
}

test('the table wins over all, or the most specific does', () => {
  assert.deepEqual([winners(false), winners(true)], [['table', 'table'], ['route', 'cluster']]);
});
