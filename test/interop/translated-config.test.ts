// What the control plane makes of the Bookinfo example, judged by a real Envoy and by weft's own model.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { honours } from '../../control/model/data-plane.ts';
import { Translator, type ProxyResources } from '../../control/translate/proxy-resources.ts';
import { RESOURCES, type ResourceType } from '../../proxy/config/any-registry.ts';
import { Cluster } from '../../proxy/config/cluster.ts';
import { decode } from '../../proxy/config/decode.ts';
import type { Listener } from '../../proxy/config/listener.ts';
import { RouteAction } from '../../proxy/config/route-action.ts';
import type { MessageSchema } from '../../proxy/config/schema.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../proxy/config/type-url.ts';
import { nodeOf, viewOf, workloadYaml } from '../harness/mesh-fixture.ts';
import { findEnvoy, reasonToSkip } from '../harness/peers.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/bookinfo', import.meta.url));
const TASKS = globSync('tasks/*.yaml', { cwd: EXAMPLE });
const envoy = findEnvoy(false);
const skip = reasonToSkip(envoy);

const INSTANCES = [
  workloadYaml('productpage-v1', 'productpage', 'v1', '127.0.0.11'),
  workloadYaml('details-v1', 'details', 'v1', '127.0.0.12'),
  workloadYaml('ratings-v1', 'ratings', 'v1', '127.0.0.13'),
  workloadYaml('reviews-v1', 'reviews', 'v1', '127.0.0.14'),
  workloadYaml('reviews-v3', 'reviews', 'v3', '127.0.0.16'),
].join('');

/** What is refused while the data plane has no such thing. */
const MIRROR = honours(RouteAction, 'request_mirror_policies')
  ? 'mirrors: [{ destination: { host: ratings }, percentage: { value: 12.5 } }]' : '';
const HASH = honours(Cluster, 'ring_hash_lb_config') && honours(RouteAction, 'hash_policy') ? `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: productpage, namespace: default }
spec:
  host: productpage
  trafficPolicy: { loadBalancer: { consistentHash: { httpCookie: { name: user, path: /, ttl: 0s } } } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: details, namespace: default }
spec: { host: details, trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true, maglev: {} } } } }
` : '';
const SHARES = honours(Cluster, 'common_lb_config', 'locality_weighted_lb_config')
  ? "{ distribute: [{ from: '*', to: { 'r1/*': 80, r2: 20 } }] }" : '{ failover: [{ from: r1, to: r2 }] }';
const WARMUP = honours(Cluster, 'least_request_lb_config', 'slow_start_config')
  ? 'warmup: { duration: 30s, minimumPercent: 20, aggression: 1.5 }' : '';

const MORE = `
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: default }
spec:
  selector: { app: db }
  clusterIP: 10.96.0.20
  ports: [{ name: tcp-db, port: 3306 }, { name: grpc, port: 9000 }, { name: any, port: 27017 }]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: db-1, namespace: default }
spec: { address: 127.0.0.14, labels: { app: db }, locality: r1/z1 }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: db-2, namespace: default }
spec: { address: 127.0.0.21, labels: { app: db }, serviceAccount: db, locality: r2/z1 }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: db, namespace: default }
spec:
  host: db
  trafficPolicy: { outlierDetection: {}, loadBalancer: { localityLbSetting: ${SHARES}, ${WARMUP} } }
  subsets:
    - name: near
      labels: { app: db }
      trafficPolicy: { loadBalancer: { localityLbSetting: { failover: [{ from: r1, to: r2 }] } } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: outside, namespace: default }
spec:
  hosts: [example.test]
  ports: [{ number: 80, name: http, protocol: HTTP }, { number: 443, name: tls, protocol: TLS }]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: as-they-are, namespace: default }
spec:
  hosts: ['*.wide.test']
  ports: [{ number: 80, name: http }, { number: 443, name: tls }]
  resolution: NONE
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ranges, namespace: default }
spec:
  hosts: [ranges.test]
  addresses: [10.20.0.0/16, '2001:db8::/32', 10.96.0.30]
  ports: [{ number: 80, name: tcp }, { number: 5432, name: tcp-db }, { number: 8443, name: any }]
  location: MESH_INTERNAL
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: more-ranges, namespace: default }
spec:
  hosts: [more.test]
  addresses: [10.20.3.4/16, 10.0.0.0/8]
  ports: [{ number: 5432, name: tcp-db }]
  resolution: STATIC
  endpoints: [{ address: 10.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ranges, namespace: default }
spec:
  host: ranges.test
  trafficPolicy: { loadBalancer: { simple: PASSTHROUGH }, outlierDetection: { consecutive5xxErrors: 3 } }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ratings, namespace: default }
spec:
  host: ratings
  trafficPolicy:
    loadBalancer: { simple: ROUND_ROBIN }
    connectionPool:
      tcp: { maxConnections: 100, connectTimeout: 2s, tcpKeepalive: { time: 60s } }
      http:
        { http1MaxPendingRequests: 10, maxRequestsPerConnection: 1000, idleTimeout: 30s, h2UpgradePolicy: UPGRADE,
          http2KeepAlive: { interval: 30s } }
    outlierDetection: { consecutive5xxErrors: 3, interval: 5s, consecutiveGatewayErrors: 0 }
    retryBudget: { percent: 25 }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: everything, namespace: default }
spec:
  hosts: [details]
  http:
    - name: moved
      match: [{ uri: { exact: /old }, method: { exact: GET } }]
      redirect: { uri: /new, authority: other.test, redirectCode: 308, port: 8080 }
    - match: [{ uri: { regex: '/teapots?/[0-9]+' }, withoutHeaders: { x-no: { exact: tea } } }]
      directResponse: { status: 418, body: { string: short and stout } }
    - match:
        - { uri: { prefix: /api/ }, queryParams: { v: { exact: '2' }, debug: {} }, ignoreUriCase: true, name: api }
        - headers: { x-user: { prefix: a }, x-any: {} }
          authority: { exact: details }
          sourceLabels: { app: reviews }
      rewrite: { uri: /v2/ }
      headers:
        request: { set: { x-route: api }, add: { x-more: '1' }, remove: [x-gone] }
        response: { set: { x-seen: 'yes' } }
      timeout: 500ms
      retries: { attempts: 1, perTryTimeout: 200ms, retryOn: '5xx,503', backoff: 10ms }
      corsPolicy:
        { allowOrigins: [{ exact: 'https://a.test' }], allowMethods: [GET], maxAge: 24h, allowCredentials: true }
      fault:
        delay: { fixedDelay: 5ms, percentage: { value: 0.5 } }
        abort: { httpStatus: 503, percentage: { value: 100 } }
      route:
        - { destination: { host: details }, weight: 75, headers: { response: { add: { x-w: a } } } }
        - { destination: { host: ratings }, weight: 25 }
      ${MIRROR}
    - match: [{ uri: { prefix: /team } }]
      delegate: { name: details-team }
    - rewrite: { uriRegexRewrite: { match: '^/a/(.*)$', rewrite: '/b/\\1' }, authority: details.test }
      route: [{ destination: { host: details } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: details-team, namespace: default }
spec: { http: [{ match: [{ uri: { prefix: /team/a } }], route: [{ destination: { host: ratings } }] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: db, namespace: default }
spec:
  hosts: [db]
  tcp:
    - match: [{ port: 3306, sourceLabels: { app: reviews } }]
      route:
        - { destination: { host: db, port: { number: 3306 } }, weight: 80 }
        - { destination: { host: ratings, port: { number: 9080 } }, weight: 20 }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: outside, namespace: default }
spec:
  hosts: [example.test]
  tls: [{ match: [{ port: 443, sniHosts: [example.test] }], route: [{ destination: { host: example.test } }] }]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: reviews, namespace: default }
spec: { workloadSelector: { labels: { app: reviews } }, egress: [{ hosts: ['./*'] }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: all-fields, namespace: default }
spec:
  selector: { matchLabels: { app: reviews } }
  action: DENY
  rules:
    - from:
        - source:
            principals: ['*/sa/a', 'cluster.local/*', '*']
            notPrincipals: [cluster.local/ns/default/sa/b]
            namespaces: [bad, 'bad-*', '*-bad']
            serviceAccounts: [default/c, d]
            trustDomains: [other.test]
            ipBlocks: [10.0.0.0/8, '2001:db8::1']
            notRemoteIpBlocks: [192.0.2.1]
      to:
        - operation:
            hosts: [A.test, '*.test']
            notPorts: ['8080']
            methods: [DELETE, 'P*']
            paths: [/admin*, '/x/{*}/y', '/z/{**}']
      when:
        - { key: 'request.headers[X-Bad]', values: ['yes', '*no'] }
        - { key: destination.ip, notValues: [127.0.0.0/8] }
        - { key: connection.sni, values: ['*'] }
${HASH}`;

function meshYaml(task: string): string {
  const files = globSync('mesh/*.yaml', { cwd: EXAMPLE }).map((file) => (file.endsWith('task.yaml') ? task : file));
  return files.map((file) => `---\n${readFileSync(join(EXAMPLE, file), 'utf8')}\n`).join('') + INSTANCES + MORE;
}

const SIDECAR = {
  LABELS: { app: 'reviews', version: 'v1' }, INSTANCE_IPS: '127.0.0.14', WEFT_OUTBOUND_LISTEN: '127.0.0.14:15001',
  WEFT_APP_PORTS: { 9080: '127.0.0.1:19080', 3306: '127.0.0.1:13306', 9000: '127.0.0.1:19000' },
};
const GATEWAY = {
  LABELS: { istio: 'ingressgateway' }, WEFT_GATEWAY_LISTEN: '127.0.0.1', WEFT_GATEWAY_PORTS: { 80: 18080 },
};

const REDIRECTED = {
  LABELS: SIDECAR.LABELS, INSTANCE_IPS: '127.0.0.14,fd00::14', INTERCEPTION_MODE: 'REDIRECT',
};
const NODES = { sidecar: SIDECAR, redirected: REDIRECTED, router: GATEWAY } as const;

function resources(task: string, kind: keyof typeof NODES, agent: string, more = ''): ProxyResources {
  const view = viewOf(meshYaml(task) + more, { zipkin: { host: '127.0.0.1', port: 15080 } });
  const locality = { region: 'r1', zone: 'z1' };
  const type = kind === 'router' ? 'router' : 'sidecar';
  const node = nodeOf(NODES[kind], { kind: type, userAgentName: agent, locality });
  return new Translator(view).resourcesFor(node);
}

/** The same with routes and endpoints in place, so that Envoy judges them without a control plane. */
function bootstrapOf({ listeners, clusters, routes, endpoints }: ProxyResources): unknown {
  const agent = { ...grpcCluster('sds-grpc') };
  return {
    node: { id: 'sidecar~127.0.0.14~pod.default~default.svc.cluster.local', cluster: 'test' },
    staticResources: {
      listeners: listeners.map((listener) => withRoutes(listener, routes)),
      clusters: [agent, ...clusters.map((cluster) => withEndpoints(cluster, endpoints))],
    },
  };
}

function grpcCluster(name: string): Cluster {
  const address = { socketAddress: { address: '127.0.0.1', portValue: 1 } };
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return {
    name,
    type: 'STATIC',
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] },
    typedExtensionProtocolOptions: {
      [options]: { '@type': `type.googleapis.com/${options}`, explicitHttpConfig: { http2ProtocolOptions: {} } },
    },
  };
}

function withRoutes(listener: Listener, routes: ProxyResources['routes']): unknown {
  return JSON.parse(JSON.stringify(listener), (key: string, value: unknown) => {
    if (key !== 'typedConfig' || typeof value !== 'object' || value === null || !('rds' in value)) return value;
    const { rds, ...rest } = value as { rds: { routeConfigName: string } };
    const routeConfig = routes.find(({ name }) => name === rds.routeConfigName);
    assert.ok(routeConfig, `no table ${rds.routeConfigName}`);
    return { ...rest, routeConfig };
  });
}

function withEndpoints(cluster: Cluster, endpoints: ProxyResources['endpoints']): unknown {
  if (cluster.type !== 'EDS') return cluster;
  const { edsClusterConfig, ...rest } = cluster;
  const loadAssignment = endpoints.find(({ clusterName }) => clusterName === edsClusterConfig?.serviceName);
  assert.ok(loadAssignment, `no endpoints for ${cluster.name}`);
  return { ...rest, type: 'STATIC', loadAssignment };
}

function validate(bootstrap: unknown): void {
  const folder = mkdtempSync(join(tmpdir(), 'weft-envoy-'));
  try {
    const file = join(folder, 'bootstrap.json');
    writeFileSync(file, JSON.stringify(bootstrap));
    execFileSync(envoy, ['--mode', 'validate', '-c', file, '-l', 'error'], { stdio: 'pipe', timeout: 60_000 });
  } catch (cause) {
    assert.fail(cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : String(cause));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const task of TASKS) {
  test(`a real Envoy accepts the sidecar configuration of ${task}`, { skip }, () => {
    validate(bootstrapOf(resources(task, 'sidecar', 'envoy')));
  });
  test(`a real Envoy accepts that of ${task} where connections are redirected`, { skip }, () => {
    validate(bootstrapOf(resources(task, 'redirected', 'envoy')));
  });
}

test('a real Envoy accepts the gateway configuration', { skip }, () => {
  validate(bootstrapOf(resources('tasks/all-v1.yaml', 'router', 'envoy')));
});

for (const mode of ['PERMISSIVE', 'DISABLE']) {
  test(`a real Envoy accepts a sidecar whose peers are ${mode}`, { skip }, () => {
    const more = `
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: reviews, namespace: default }
spec: { selector: { matchLabels: { app: reviews } }, mtls: { mode: ${mode} } }
`;
    validate(bootstrapOf(resources('tasks/all-v1.yaml', 'sidecar', 'envoy', more)));
  });
}

for (const kind of ['sidecar', 'redirected'] as const) {
  test(`the data plane takes the same for a weft ${kind}, field by field, without a warning`, () => judgeAll(kind));
}

function judgeAll(kind: 'sidecar' | 'redirected'): void {
  const { listeners, clusters, routes, endpoints } = resources('tasks/all-v1.yaml', kind, 'weft');
  const judge = (type: ResourceType, values: readonly unknown[]): void => {
    for (const value of values) {
      const { errors, warnings } = decode(RESOURCES[type] as MessageSchema, JSON.parse(JSON.stringify(value)));
      assert.deepEqual([errors, warnings], [[], []]);
    }
  };
  judge(LISTENER_TYPE, listeners);
  judge(CLUSTER_TYPE, clusters);
  judge(ROUTE_TYPE, routes);
  judge(ENDPOINT_TYPE, endpoints);
}
