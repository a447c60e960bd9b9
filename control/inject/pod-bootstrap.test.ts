// The bootstrap that a proxy in a pod makes of its environment: read back by the proxy's own loader and as a node.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Bootstrap } from '../../proxy/config/bootstrap.ts';
import { decode } from '../../proxy/config/decode.ts';
import { lifecycleOf } from '../../proxy/supervisor/lifecycle-config.ts';
import { parseProxyNode } from '../translate/proxy-node.ts';
import { podProxyOf, type Environment } from './pod-bootstrap.ts';
import { POD_PATHS } from './sidecar-volumes.ts';

const ENV: Environment = {
  POD_NAME: 'web-1', POD_NAMESPACE: 'shop', INSTANCE_IP: '10.1.2.3', INSTANCE_IPS: '10.1.2.3,fd00::3',
  SERVICE_ACCOUNT: 'web', TRUST_DOMAIN: 'prod.example', CA_ADDR: 'control.mesh:15012', ISTIO_CPU_LIMIT: '3',
  PROXY_CONFIG: '{"discoveryAddress":"control.mesh:15012","terminationDrainDuration":"7.5s"}',
  ISTIO_META_WORKLOAD_NAME: 'web', ISTIO_META_INTERCEPTION_MODE: 'REDIRECT', ISTIO_META_CLUSTER_ID: 'c1',
  ISTIO_KUBE_APP_PROBERS: '{}', PATH: '/bin',
};

test('environment and labels become a bootstrap that the loader takes and a node that our control plane reads', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-pod-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const labels = join(folder, 'labels');
  writeFileSync(labels, 'app="web"\nversion="v1"\nodd\n');
  const pod = podProxyOf(ENV, 'sidecar', 'shop.svc.cluster.local', { ...POD_PATHS, labels });
  assert.deepEqual([pod.concurrency, pod.statusPort, pod.adminPort], [3, 15_020, 15_000]);
  const { drain } = lifecycleOf((pod.bootstrap as { node: { metadata: Record<string, unknown> } }).node.metadata, {});
  assert.deepEqual([drain.deadlineMs, drain.endsWhenEmpty], [7500, false]);
  const { value, errors, warnings } = decode(Bootstrap, pod.bootstrap);
  assert.deepEqual([errors, warnings], [[], []]);
  const node = parseProxyNode({ id: value!.node!.id!, metadata: value!.node!.metadata! });
  assert.ok(typeof node !== 'string', JSON.stringify(node));
  assert.deepEqual(
    [node.podName, node.namespace, node.serviceAccount, node.workloadName, node.redirected, [...node.labels]],
    ['web-1', 'shop', 'web', 'web', true, [['app', 'web'], ['version', 'v1']]]);
  assert.deepEqual(node.addresses, ['10.1.2.3', 'fd00::3']);
  assert.equal(value!.node!.cluster, 'web.shop', 'traces name a service by its app label');
  assert.equal(value!.node!.metadata!['PATH'], undefined);
});

test('a gateway is a router, an IPv6 pod listens on IPv6, and concurrency 0 is every CPU', () => {
  const env = { ...ENV, INSTANCE_IP: 'fd00::3',
    PROXY_CONFIG: '{"discoveryAddress":"[fd00::1]:15012","concurrency":0}' };
  const pod = podProxyOf(env, 'router', undefined);
  const { value } = decode(Bootstrap, pod.bootstrap);
  assert.match(value!.node!.id!, /^router~fd00::3~web-1\.shop~shop\.svc\.cluster\.local$/);
  assert.equal(pod.concurrency, undefined);
  assert.deepEqual(value!.staticResources!.listeners!.map(({ address }) => address!.socketAddress!.address), ['::',
    '::']);
});

test('labels may stand in the environment, where no kubelet writes them; its file says more', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-pod-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const labels = join(folder, 'labels');
  const env = { ...ENV, ISTIO_METAJSON_LABELS: '{"app":"env","version":"v2"}', ISTIO_METAJSON_MORE: '{"NETWORK":"n"}' };
  const metadata = (): object => {
    const { value } = decode(Bootstrap, podProxyOf(env, 'sidecar', undefined, { ...POD_PATHS, labels }).bootstrap);
    const { LABELS, NETWORK } = value!.node!.metadata as Record<string, unknown>;
    return { LABELS: { ...LABELS as object }, NETWORK };
  };
  assert.deepEqual(metadata(), { LABELS: { app: 'env', version: 'v2' }, NETWORK: 'n' });
  writeFileSync(labels, 'app="file"\n');
  assert.deepEqual(metadata(), { LABELS: { app: 'file', version: 'v2' }, NETWORK: 'n' });
});

test('what is missing or wrong is named', () => {
  const fault = (change: Environment): string => {
    try {
      podProxyOf({ ...ENV, ...change }, 'sidecar', undefined);
    } catch (cause) {
      return (cause as Error).message;
    }
    return 'accepted';
  };
  assert.match(fault({ POD_NAMESPACE: '' }), /^POD_NAMESPACE: is missing/);
  assert.match(fault({ INSTANCE_IP: 'x' }), /^INSTANCE_IP: must be an IP address/);
  assert.match(fault({ PROXY_CONFIG: '{' }), /^PROXY_CONFIG: is not JSON/);
  assert.match(fault({ PROXY_CONFIG: '{"concurency":1}' }), /PROXY_CONFIG\.concurency/);
  assert.match(fault({ PROXY_CONFIG: '{}', CA_ADDR: undefined }), /where is the control plane/);
});
