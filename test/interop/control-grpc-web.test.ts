// Our control plane tells weft and a real Envoy alike that a port speaks gRPC-Web: a browser's call reaches a grpc-js
// server through a sidecar's both sides and through a gateway.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { freePorts } from '../../examples/demo/free-ports.ts';
import { WITHOUT_MTLS, startControlled } from '../harness/controlled-proxy.ts';
import { GrpcTestServer, testService } from '../harness/grpc-test-service.ts';
import type { PayloadResponse } from '../harness/grpc-test-service.ts';
import { webCall } from '../harness/grpc-web-client.ts';
import type { WebAnswer, WebCall } from '../harness/grpc-web-client.ts';
import { candidates } from '../harness/proxy-process.ts';
import { until } from '../harness/until.ts';

const { unaryCall } = testService;

/** A service of which one instance is behind a sidecar at 127.0.0.1 and this port. */
const mesh = (port: number): string => `
apiVersion: v1
kind: Service
metadata: { name: calls, namespace: default }
spec: { selector: { app: calls }, ports: [{ name: grpc-web, port: 9080 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: calls-1, namespace: default }
spec: { address: 127.0.0.1, ports: { grpc-web: ${port} }, labels: { app: calls, version: v1 } }
${WITHOUT_MTLS}---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers: [{ hosts: ['*'], port: { number: 80, name: grpc-web, protocol: GRPC-WEB } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: calls, namespace: default }
spec:
  hosts: ['calls']
  gateways: [mesh, edge]
  http: [{ route: [{ destination: { host: calls } }] }]
`;

async function call(port: number, text?: WebCall['text']): Promise<WebAnswer> {
  const message = unaryCall.requestSerialize({ responseSize: 1000 });
  return webCall(port, {
    path: unaryCall.path, message, headers: { host: 'calls.default.svc.cluster.local:9080' },
    ...(text !== undefined && { text }),
  });
}

async function expectAnswer(port: number): Promise<void> {
  let last: unknown;
  const isRight = async (): Promise<boolean> => {
    last = await call(port).catch((error: unknown) => error);
    return (last as Partial<WebAnswer>).trailers?.['grpc-status'] === '0';
  };
  await until('the route', isRight).catch((error: unknown) => assert.fail(`${String(error)}: ${inspect(last)}`));
  for (const text of [undefined, 'both'] as const) {
    const { messages, trailers } = await call(port, text);
    const [answer] = messages.map((message) => unaryCall.responseDeserialize(message) as PayloadResponse);
    assert.deepEqual([answer?.payload?.body?.length, trailers['grpc-status']], [1000, '0']);
  }
}

for (const { kind, skip } of candidates()) {
  void test(`${kind} takes gRPC-Web of a mesh that names a port grpc-web (undici, grpc-js)`, { skip }, async (t) => {
    await using server = await GrpcTestServer.start();
    const [outbound, inbound, edge] = await freePorts(3) as [number, number, number];
    await startControlled(t, kind, mesh(inbound), {
      role: 'sidecar', address: '127.0.0.1',
      metadata: {
        LABELS: { app: 'calls', version: 'v1' }, WEFT_OUTBOUND_LISTEN: `127.0.0.1:${outbound}`,
        WEFT_APP_PORTS: { [inbound]: `127.0.0.1:${server.port}` },
      },
    });
    await startControlled(t, kind, mesh(server.port), {
      role: 'router', address: '127.0.0.8',
      metadata: {
        LABELS: { istio: 'ingressgateway' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 80: edge },
      },
    });
    await t.test('at the inbound listener', () => expectAnswer(inbound));
    await t.test('at the outbound listener', () => expectAnswer(outbound));
    await t.test('at a gateway', () => expectAnswer(edge));
  });
}
