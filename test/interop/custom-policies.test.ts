// CUSTOM policies by our translation: undici meets the same through weft and through a real Envoy, which both ask one
// node:http service about what the rules match, and about nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'undici';
import { httpAuthorization } from '../../control/translate/authorization.ts';
import { httpCustom } from '../../control/translate/external-authorization.ts';
import { serviceClusters } from '../../control/translate/outbound-cluster.ts';
import { ROWS, providerYaml } from '../harness/authorization-rows.ts';
import { startHttpAuthorizer } from '../harness/authorizer.ts';
import { viewOf } from '../harness/mesh-fixture.ts';
import { policyListener } from '../harness/policy-listener.ts';
import { candidates, ProxyProcess } from '../harness/proxy-process.ts';
import { bootstrapOf } from '../harness/weft.ts';

const WORKLOAD = { namespace: 'default', labels: new Map([['app', 'shop']]) };
const ASKING = ROWS.filter(({ policies }) => policies.includes('CUSTOM'));

for (const { kind, skip } of candidates()) {
  test(`CUSTOM policies, as our control plane tells ${kind} (undici, node:http)`, { skip }, async (t) => {
    await using authorizer = await startHttpAuthorizer({ no: { status: 401, headers: { 'x-why': 'closed' } } });
    const views = ASKING.map(({ policies }) => viewOf(providerYaml(authorizer.port) + policies));
    const service = views[0]!.registry.byHost('auth.test')!;
    const clusters = serviceClusters(views[0]!, { ...WORKLOAD, isWeft: kind === 'weft' }, service)
      .map(({ cluster }) => cluster);
    const listeners = views.map((view, i) =>
      policyListener(`row-${i}`, 0, [...httpCustom(view, WORKLOAD), ...httpAuthorization(view, WORKLOAD)]));
    await using proxy = await ProxyProcess.start(kind, bootstrapOf(listeners, clusters));
    for (const [i, { row, asks }] of ASKING.entries()) {
      const client = new Client(`http://127.0.0.1:${proxy.port(`row-${i}`)}`);
      t.after(() => client.destroy());
      for (const { method = 'GET', path = '/', headers = {}, is = 'passes' } of asks) {
        const answer = await client.request({ method: method as 'GET', path, headers });
        await answer.body.dump();
        const detail = String(answer.headers['x-detail']);
        const seen = answer.statusCode === 503 ? 'passes' : /\[(.*)\]$/.exec(detail)?.[1] ?? detail;
        const wanted = is.startsWith('401 ') ? 'ext_authz_denied' : is;
        assert.equal(seen, wanted, `${row}: ${path}`);
      }
    }
    const asked = authorizer.told.map(({ url }) => url);
    assert.deepEqual(asked, ['/ask', '/ask', '/ask/deny', '/ask/deny']);
  });
}
