// Istio's headers about workloads: who gets them, and who never sees them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeldFilterStream } from '../../test/harness/filter-stream.ts';
import { Wire } from '../config/wire.ts';
import type { PeerMetadata } from '../config/istio-peers.ts';
import { ResponseHead } from '../http/message.ts';
import { PeerMetadataFilter } from './peer-metadata.ts';
import { peerFacts, peerMetadataText } from './peer-metadata-text.ts';

const ID = 'x-envoy-peer-metadata-id';
const FACTS = 'x-envoy-peer-metadata';
const METADATA = {
  CLUSTER_ID: 'Kubernetes', NAME: 'web-1', NAMESPACE: 'default', OWNER: 'kubernetes://…', WORKLOAD_NAME: 'web',
  LABELS: { app: 'web', version: 'v1', other: 'kept', unsaid: 'x' }, SERVICE_ACCOUNT: 'not told',
};
const NODE = { id: 'sidecar~1', cluster: 'web', metadata: METADATA };
const OUTBOUND: PeerMetadata = {
  upstreamDiscovery: [{ istioHeaders: {} }, {}], upstreamPropagation: [{ istioHeaders: {} }],
};
const INBOUND: PeerMetadata = {
  downstreamDiscovery: [{ istioHeaders: {} }, {}], downstreamPropagation: [{ istioHeaders: {} }],
};

function pass(config: PeerMetadata, fields: string[], answer: string[], cluster = 'web'): (string | undefined)[] {
  const filter = new PeerMetadataFilter('mx', config, NODE);
  filter.index = 0;
  const stream = new HeldFilterStream({ fields, cluster });
  assert.equal(filter.onRequestHead(stream), 'continue');
  const response = new ResponseHead(200);
  for (const name of answer) response.headers.set(name, 'theirs');
  filter.onResponseHead(stream, response);
  return [stream.request.headers, response.headers].flatMap((headers) => [headers.get(ID), headers.get(FACTS)]);
}

test('the text is a Struct of what Istio tells, as protobufjs reads it', () => {
  const bytes = Buffer.from(peerMetadataText(peerFacts(METADATA, ['other'])), 'base64');
  const { SERVICE_ACCOUNT: _, LABELS: { unsaid: _unsaid, ...LABELS }, ...facts } = METADATA;
  assert.deepEqual(structuredClone(new Wire().decode('google.protobuf.Struct', bytes)), { ...facts, LABELS });
});

test('outbound: servers are told, and what they tell goes no further', () => {
  const facts = peerMetadataText(peerFacts(METADATA));
  assert.deepEqual(pass(OUTBOUND, [], [ID, FACTS]), [NODE.id, facts, undefined, undefined]);
  const skips: PeerMetadata = { upstreamPropagation: [{ istioHeaders: { skipExternalClusters: true } }] };
  assert.deepEqual(pass(skips, [], [], 'PassthroughCluster'), [undefined, undefined, undefined, undefined]);
});

test('inbound: clients that told are told in turn, and the application sees nothing of it', () => {
  const facts = peerMetadataText(peerFacts(METADATA));
  assert.deepEqual(pass(INBOUND, [ID, 'client', FACTS, 'text'], []), [undefined, undefined, NODE.id, facts]);
  assert.deepEqual(pass(INBOUND, [FACTS, 'text'], []), [undefined, undefined, undefined, facts]);
  assert.deepEqual(pass(INBOUND, [], []), [undefined, undefined, undefined, undefined]);
});
