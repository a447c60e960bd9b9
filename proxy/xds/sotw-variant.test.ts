// State-of-the-world ADS of our client, against a management server that is not ours: grpc-js with @grpc/proto-loader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ScriptedXds } from '../../test/harness/scripted-xds.ts';
import { cluster, FakeProxy, staticCluster, xds } from '../../test/harness/xds-client-fixture.ts';
import { discoveryCodec } from '../config/discovery.ts';
import { ENDPOINT_TYPE } from '../config/type-url.ts';
import { Wire } from '../config/wire.ts';
import { SotwVariant } from './sotw-variant.ts';
import { Subscription } from './subscription.ts';
import type { IncomingResponse } from './variant.ts';

async function start(t: TestContext): Promise<{ script: ScriptedXds; proxy: FakeProxy }> {
  const script = new ScriptedXds(xds, 'GRPC');
  await script.server.listen();
  const proxy = new FakeProxy(script.server.port, { apiType: 'GRPC' });
  t.after(() => {
    proxy.config.stop();
    script.server.kill();
  });
  proxy.config.start();
  await script.connected();
  return { script, proxy };
}

test('F24 a request for more names does not look like the answer to a response that waits', () => {
  const wire = new Wire();
  const variant = new SotwVariant(wire);
  const subscription = new Subscription(ENDPOINT_TYPE, false);
  subscription.replaceNames(new Set(['a']));
  const read = (nonce: string): IncomingResponse => (
    variant.read(discoveryCodec(wire, 'DiscoveryResponse').encode({ typeUrl: ENDPOINT_TYPE, nonce }), () => false)!);
  const requests = discoveryCodec(wire, 'DiscoveryRequest');
  const nonceOf = (bytes: Buffer): string => requests.decode(bytes).responseNonce ?? '';
  assert.equal(nonceOf(variant.answer(subscription, read('n1'), undefined)), 'n1');
  const second = read('n2');
  subscription.replaceNames(new Set(['a', 'b']));
  assert.equal(nonceOf(variant.change(subscription)), 'n1');
  assert.equal(nonceOf(variant.answer(subscription, second, undefined)), 'n2');
  assert.equal(nonceOf(variant.change(subscription)), 'n2');
});

test('F24 clusters that a whole response leaves out are gone; a refusal repeats the version in force', async (t) => {
  const { script, proxy } = await start(t);
  await script.push({ set: { a: staticCluster('a'), b: staticCluster('b') }, version: '1' });
  const odd = { b: cluster('b', { lb_policy: 'CLUSTER_PROVIDED' }) };
  const nonce = script.send({ set: odd, removed: ['a'], version: '2' });
  const refusal = await script.next(({ response_nonce: answered }) => answered === nonce);
  assert.deepEqual([refusal['version_info'], refusal['error_detail'] === null], ['1', false]);
  assert.deepEqual(proxy.applied, ['cds +a +b', 'cds -a']);
});
