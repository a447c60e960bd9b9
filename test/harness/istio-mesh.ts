// A mesh as a real istiod reads it: Kubernetes' objects of its pods, and Istio's rules for each of its servers.
import type { KubeObject } from './kube-stub.ts';
import type { Pod } from './pod-network.ts';

/** [name, port of the service, port of the pod] */
const PORTS = [['http', 80, 8080], ['grpc', 8081, 8081], ['tcp', 9000, 9000], ['mystery', 8090, 8080]] as const;
const SERVED = PORTS.map(([name, port, targetPort]) => ({ name, port, targetPort, protocol: 'TCP' }));

export const MESH_CONFIG = `
accessLogFile: /proc/self/cwd/access.log
accessLogFormat: "%REQ(X-CASE)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\\n"
`;

export function meshObjects(): KubeObject[] {
  const zone = { 'topology.kubernetes.io/region': 'region', 'topology.kubernetes.io/zone': 'zone' };
  return [
    ...['default', 'istio-system'].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
    { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node', labels: zone } },
  ];
}

export function podObjects({ name, ip }: Pod, labels: Readonly<Record<string, string>> = {}): KubeObject[] {
  const metadata = {
    name, namespace: 'default', labels: { app: name, 'security.istio.io/tlsMode': 'istio', ...labels } };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: 'default' } },
    {
      apiVersion: 'v1', kind: 'Pod', metadata, spec: { serviceAccountName: name, nodeName: 'node', containers: [] },
      status: {
        phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }],
      },
    },
  ];
}

/** A pod behind a service of its name. */
export function serverObjects(pod: Pod, clusterIP: string): KubeObject[] {
  const { name, ip } = pod;
  const metadata = { name, namespace: 'default' };
  const spec = { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], selector: { app: name }, ports: SERVED };
  return [
    ...podObjects(pod), { apiVersion: 'v1', kind: 'Service', metadata, spec },
    {
      apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
      endpoints: [{
        addresses: [ip], conditions: { ready: true, serving: true }, nodeName: 'node',
        targetRef: { kind: 'Pod', name, namespace: 'default' },
      }],
      ports: PORTS.map(([port, , target]) => ({ name: port, port: target, protocol: 'TCP' })),
    },
  ];
}

/** `jwks` is of the issuer `me`. */
export function serverRules(name: string, jwks: string): string {
  const host = `${name}.default.svc.cluster.local`;
  const route = `route: [{ destination: { host: ${host}, port: { number: 80 } } }]`;
  const metadata = (suffix: string): string => `metadata: { name: ${name}${suffix}, namespace: default }`;
  const selector = `selector: { matchLabels: { app: ${name} } }`;
  return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
${metadata('')}
spec: { host: ${host}, subsets: [{ name: v1, labels: { app: ${name} } }, { name: none, labels: { app: none } }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
${metadata('')}
spec:
  hosts: [${host}]
  http:
  - { match: [{ port: 8081 }], route: [{ destination: { host: ${host}, port: { number: 8081 } } }] }
  - { match: [{ uri: { exact: /abort } }], fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }, ${route} }
  - match: [{ uri: { exact: /delay } }]
    fault: { delay: { fixedDelay: 0.1s, percentage: { value: 100 } } }
    ${route}
  - { match: [{ uri: { exact: /timeout } }], timeout: 0.2s, retries: { attempts: 0 }, ${route} }
  - { match: [{ uri: { exact: /retry } }], retries: { attempts: 2, retryOn: "5xx", backoff: 10ms }, ${route} }
  - match: [{ headers: { x-user: { exact: jason } } }]
    headers: { request: { set: { x-routed: by-header }, remove: [x-gone] }, response: { set: { x-added: "1" } } }
    ${route}
  - { match: [{ uri: { prefix: /rewrite } }], rewrite: { uri: /rewritten, authority: other.example }, ${route} }
  - { match: [{ uri: { exact: /redirect } }], redirect: { uri: /elsewhere, authority: a.example, redirectCode: 302 } }
  - { match: [{ uri: { exact: /direct } }], directResponse: { status: 202, body: { string: directly } } }
  - match: [{ uri: { exact: /none } }]
    route: [{ destination: { host: ${host}, subset: none, port: { number: 80 } } }]
  - match: [{ uri: { exact: /weights } }]
    route:
    - { destination: { host: ${host}, subset: v1, port: { number: 80 } }, weight: 100 }
    - { destination: { host: ${host}, subset: none, port: { number: 80 } }, weight: 0 }
  - ${route}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
${metadata('-deny')}
spec:
  action: DENY
  ${selector}
  rules:
  - to: [{ operation: { paths: [/denied, "/a/{*}/c/{**}"], ports: ["8080"] } }]
  - { from: [{ source: { notRequestPrincipals: ["*"] } }], to: [{ operation: { paths: [/jwt], ports: ["8080"] } }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}-dry, namespace: default, annotations: { istio.io/dry-run: "true" } }
spec: { action: DENY, ${selector}, rules: [{ to: [{ operation: { paths: [/dry], ports: ["8080"] } }] }] }
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
${metadata('')}
spec:
  ${selector}
  jwtRules:
  - { issuer: me, jwks: '${jwks}', forwardOriginalToken: true, outputClaimToHeaders: [{ header: x-sub, claim: sub }] }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
${metadata('')}
spec: { mtls: { mode: STRICT }, ${selector} }
`;
}

/** An ingress gateway for `host`, by plain HTTP and by TLS with the Secret gateway-cert. */
export function gatewayRules(host: string, server: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gateway, namespace: default }
spec:
  selector: { istio: gateway }
  servers:
  - { port: { number: 8080, name: http, protocol: HTTP }, hosts: [${host}] }
  - port: { number: 8443, name: https, protocol: HTTPS }
    hosts: [${host}]
    tls: { mode: SIMPLE, credentialName: gateway-cert }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: gateway, namespace: default }
spec:
  hosts: [${host}]
  gateways: [gateway]
  http: [{ route: [{ destination: { host: ${server}.default.svc.cluster.local, port: { number: 80 } } }] }]
`;
}
