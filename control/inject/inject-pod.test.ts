// What injection makes of pods: containers, rights, probes, metrics; whom it leaves alone, and what it refuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InjectionFault } from './fault-list.ts';
import { injectPod, type Injection } from './inject-pod.ts';
import { INJECTION_DEFAULTS, type InjectionSettings } from './injection-settings.ts';
import type { Container, PodTemplate, Values } from './pod.ts';

function pod(metadata: object = {}, spec: object = {}, container: object = {}): object {
  const containers = [{ name: 'web', image: 'web:1', ports: [{ name: 'http', containerPort: 8080 }], ...container }];
  return { metadata: { name: 'web-1', labels: { app: 'web' }, ...metadata }, spec: { containers, ...spec } };
}

function annotated(annotations: Record<string, string>, spec: object = {}, container: object = {}): object {
  return pod({ annotations }, spec, container);
}

function inject(value: unknown, settings: Partial<InjectionSettings> = {}, namespace = 'shop'): Injection {
  return injectPod(value, { namespace }, { ...INJECTION_DEFAULTS, ...settings });
}

function injected(value: unknown, settings: Partial<InjectionSettings> = {}): PodTemplate {
  const result = inject(value, settings);
  assert.equal(result.kind, 'injected', JSON.stringify(result));
  return (result as { pod: PodTemplate }).pod;
}

function containerOf({ spec }: PodTemplate, name: string): Container {
  const found = [...spec.containers, ...spec.initContainers ?? []].find((container) => container.name === name);
  assert.ok(found !== undefined, name);
  return found;
}

function errors(value: unknown): string[] {
  const result = inject(value);
  assert.equal(result.kind, 'refused', JSON.stringify(result));
  return (result as { errors: readonly InjectionFault[] }).errors
    .map(({ path, reason }) => `${path.join('.')}: ${reason}`);
}

function variables(pod: PodTemplate): Map<string, string> {
  const env = (containerOf(pod, 'istio-proxy').env ?? []) as { name: string; value?: string }[];
  return new Map(env.map(({ name, value = '' }) => [name, value]));
}

const names = (containers: readonly Container[] = []): string[] => containers.map(({ name }) => name);

test('a native sidecar stands before the author\'s init containers, a classic one among the containers', () => {
  const own = { initContainers: [{ name: 'migrate' }] };
  const native = injected(pod({}, own)).spec;
  assert.deepEqual([names(native.initContainers), names(native.containers)], [
    ['istio-init', 'istio-proxy', 'migrate'], ['web'],
  ]);
  const classic = injected(pod({}, own), { nativeSidecars: false }).spec;
  assert.deepEqual([names(classic.initContainers), names(classic.containers)], [
    ['migrate', 'istio-init'], ['web', 'istio-proxy'],
  ]);
  const asked = injected(annotated({ 'sidecar.istio.io/nativeSidecar': 'false',
    'proxy.istio.io/config': 'holdApplicationUntilProxyStarts: true' }));
  assert.deepEqual(names(asked.spec.containers), ['istio-proxy', 'web']);
  const command = ['node', '/weft/cli/weft.mjs', 'wait', '--url', 'http://127.0.0.1:15020/healthz/ready'];
  assert.deepEqual(containerOf(asked, 'istio-proxy').lifecycle, { postStart: { exec: { command } } });
});

test('rights over the network are the init container\'s alone; the sidecar has none', () => {
  const done = injected(pod());
  const context = (name: string): Values => containerOf(done, name)['securityContext'] as Values;
  const sidecar = context('istio-proxy');
  assert.deepEqual(sidecar['capabilities'], { drop: ['ALL'] });
  assert.deepEqual(
    [sidecar['runAsUser'], sidecar['runAsNonRoot'], sidecar['readOnlyRootFilesystem'], sidecar['seccompProfile']],
    [1337, true, true, { type: 'RuntimeDefault' }]);
  assert.deepEqual(context('istio-init')['capabilities'], { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] });
  assert.equal(containerOf(done, 'istio-init')['restartPolicy'], undefined);
  assert.equal(containerOf(done, 'istio-proxy')['restartPolicy'], 'Always');
});

test('the sidecar knows by when the kubelet ends it', () => {
  const grace = (spec: object): unknown => (
    JSON.parse(variables(injected(pod({}, spec))).get('ISTIO_METAJSON_WEFT') ?? '{}') as Values)['WEFT_LIFECYCLE'];
  assert.deepEqual(grace({}), { grace_period: '30s' });
  assert.deepEqual(grace({ terminationGracePeriodSeconds: 90 }), { grace_period: '90s' });
  assert.deepEqual(grace({ terminationGracePeriodSeconds: 0 }), { grace_period: '2s' });
});

test('a socket for both lives is there where the pod asks for it; applications cannot write to its folder', () => {
  const asked = injected(annotated({ 'sidecar.weft.dev/lifecycle': 'true' }, { terminationGracePeriodSeconds: 60 }, {
    env: [{ name: 'A', value: 'b' }] }), { nativeSidecars: false });
  const { env, volumeMounts } = containerOf(asked, 'web');
  const socket = '/var/run/weft/proxy/life';
  assert.deepEqual(env, [{ name: 'A', value: 'b' }, { name: 'WEFT_LIFECYCLE_SOCKET', value: socket }]);
  assert.deepEqual(volumeMounts, [{ name: 'weft-life', mountPath: '/var/run/weft', readOnly: true }]);
  const [mount] = containerOf(asked, 'istio-proxy').volumeMounts?.filter(({ name }) => name === 'weft-life') ?? [];
  assert.deepEqual(mount, { name: 'weft-life', mountPath: '/var/run/weft' });
  const volume = asked.spec.volumes?.find(({ name }) => name === 'weft-life');
  assert.deepEqual(volume, { name: 'weft-life', emptyDir: { medium: 'Memory' } });
  assert.match(asked.metadata?.annotations?.['sidecar.istio.io/status'] ?? '', /"weft-life"/);
  assert.deepEqual(JSON.parse(variables(asked).get('ISTIO_METAJSON_WEFT') ?? ''), {
    WEFT_LIFECYCLE: { grace_period: '60s', socket, socket_mode: '0666' } });
  for (const left of [injected(pod()), injected(annotated({ 'sidecar.weft.dev/lifecycle': 'false' }))]) {
    assert.doesNotMatch(JSON.stringify(left), /weft-life|WEFT_LIFECYCLE_SOCKET/);
  }
});

test('a socket of both lives is refused at a place that is taken, for a gateway, and by a wrong name', () => {
  const asked = { 'sidecar.weft.dev/lifecycle': 'true' };
  const taken = annotated(asked, {}, { volumeMounts: [{ name: 'x', mountPath: '/var/run/weft/' }] });
  assert.match(errors(taken).join(), /^spec\.containers\.0\.volumeMounts\.0\.mountPath: is where sidecar\.weft\.dev/);
  const gateway = annotated({ ...asked, 'inject.istio.io/templates': 'gateway' });
  assert.match(errors(gateway).join(), /sidecar\.weft\.dev\/lifecycle: is for applications with a sidecar/);
  assert.match(errors(annotated({ 'sidecar.weft.dev/lifecycle': 'yes' })).join(), /must be "true" or "false"/);
  assert.match(errors(annotated({ 'sidecar.weft.dev/lifecylce': 'true' })).join(), /is not known.*lifecycle/);
});

test('what annotations include and exclude becomes what weft init is told', () => {
  const done = injected(annotated({
    'traffic.sidecar.istio.io/includeInboundPorts': '8080, 9090',
    'traffic.sidecar.istio.io/excludeInboundPorts': '22',
    'traffic.sidecar.istio.io/excludeOutboundPorts': '5432',
    'traffic.sidecar.istio.io/includeOutboundIPRanges': '10.0.0.0/8,fd00::/8',
    'traffic.sidecar.istio.io/excludeOutboundIPRanges': '10.1.0.0/16',
  }));
  assert.deepEqual(containerOf(done, 'istio-init').args, ['init',
    '--include-inbound-ports', '8080,9090', '--exclude-inbound-ports', '15000,15020,15021,15090,22',
    '--include-outbound-cidrs', '10.0.0.0/8,fd00::/8', '--exclude-outbound-cidrs', '10.1.0.0/16',
    '--exclude-outbound-ports', '5432']);
  const none = injected(annotated({ 'sidecar.istio.io/interceptionMode': 'NONE' }));
  assert.deepEqual(names(none.spec.initContainers), ['istio-proxy']);
  assert.equal(variables(none).get('ISTIO_META_INTERCEPTION_MODE'), 'NONE');
});

test('by TPROXY the sidecar may have its callers\' addresses, and the rules are for its group', () => {
  for (const annotations of [{ 'sidecar.istio.io/interceptionMode': 'TPROXY' },
    { 'proxy.istio.io/config': 'interceptionMode: TPROXY' }]) {
    const done = injected(annotated(annotations));
    assert.deepEqual(containerOf(done, 'istio-init').args?.slice(0, 3), ['init', '--mode', 'TPROXY']);
    const { runAsUser, runAsGroup, runAsNonRoot, capabilities } = containerOf(done, 'istio-proxy')[
      'securityContext'] as { runAsUser: number; runAsGroup: number; runAsNonRoot: boolean; capabilities: object };
    assert.deepEqual([runAsUser, runAsGroup, runAsNonRoot], [0, 1337, false]);
    assert.deepEqual(capabilities, { add: ['NET_ADMIN'], drop: ['ALL'] });
    assert.equal(variables(done).get('ISTIO_META_INTERCEPTION_MODE'), 'TPROXY');
  }
});

test('probes and HTTP hooks ask the sidecar, named ports and all; exec stays', () => {
  const done = injected(pod({}, {}, {
    readinessProbe: { httpGet: { path: '/ready', port: 'http', scheme: 'HTTPS' }, periodSeconds: 3 },
    livenessProbe: { grpc: { port: 9000, service: 'x' }, timeoutSeconds: 4 },
    startupProbe: { exec: { command: ['true'] } },
    lifecycle: { preStop: { httpGet: { path: '/bye', port: 8080 } }, postStart: { exec: { command: ['true'] } } },
  }));
  const web = containerOf(done, 'web');
  const asks = (path: string): object => ({ path, port: 15_020, scheme: 'HTTP' });
  assert.deepEqual(web.readinessProbe, { periodSeconds: 3, httpGet: asks('/app-health/web/readyz') });
  assert.deepEqual(web.livenessProbe, { timeoutSeconds: 4, httpGet: asks('/app-health/web/livez') });
  assert.deepEqual(web.startupProbe, { exec: { command: ['true'] } });
  assert.deepEqual(web.lifecycle, {
    preStop: { httpGet: asks('/app-lifecycle/web/prestopz') }, postStart: { exec: { command: ['true'] } },
  });
  assert.deepEqual(JSON.parse(variables(done).get('ISTIO_KUBE_APP_PROBERS') ?? ''), {
    '/app-health/web/readyz': { httpGet: { path: '/ready', port: 8080, scheme: 'HTTPS' } },
    '/app-health/web/livez': { grpc: { port: 9000, service: 'x' }, timeoutSeconds: 4 },
    '/app-lifecycle/web/prestopz': { httpGet: { path: '/bye', port: 8080 } },
  });
  const left = injected(annotated({ 'sidecar.istio.io/rewriteAppHTTPProbers': 'false' }, {}, {
    readinessProbe: { tcpSocket: { port: 8080 } } }));
  assert.deepEqual(containerOf(left, 'web').readinessProbe, { tcpSocket: { port: 8080 } });
});

test('one place is scraped for both; who is not to be scraped is not', () => {
  const done = injected(annotated({ 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9080',
    'prometheus.io/path': '/m' }));
  const annotations = done.metadata?.annotations ?? {};
  assert.equal(annotations['prometheus.io/port'], '15020');
  assert.equal(annotations['prometheus.io/path'], '/stats/prometheus');
  assert.deepEqual(JSON.parse(variables(done).get('ISTIO_PROMETHEUS_ANNOTATIONS') ?? ''),
    { scrape: 'true', path: '/m', port: '9080' });
  const silent = injected(annotated({ 'prometheus.io/scrape': 'false' }));
  assert.equal(silent.metadata?.annotations?.['prometheus.io/port'], undefined);
  const apart = injected(annotated({ 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9080',
    'prometheus.istio.io/merge-metrics': 'false' }));
  assert.equal(apart.metadata?.annotations?.['prometheus.io/port'], '9080');
});

test('a container named istio-proxy changes ours, by name of each variable and mount', () => {
  const done = injected(pod({}, { containers: [{ name: 'web' }, {
    name: 'istio-proxy', image: 'auto', resources: { requests: { cpu: '7m' } },
    env: [{ name: 'TRUST_DOMAIN', value: 'prod.example' }, { name: 'MORE', value: 'x' }],
    volumeMounts: [{ name: 'certs', mountPath: '/certs' }], securityContext: { runAsUser: 2000 },
  }] }));
  const sidecar = containerOf(done, 'istio-proxy');
  assert.deepEqual(names(done.spec.containers), ['web']);
  assert.equal(sidecar.image, 'weft:latest');
  assert.deepEqual([variables(done).get('TRUST_DOMAIN'), variables(done).get('MORE')], ['prod.example', 'x']);
  assert.deepEqual((sidecar['resources'] as Values)['requests'], { cpu: '7m', memory: '128Mi' });
  assert.equal((sidecar['securityContext'] as Values)['readOnlyRootFilesystem'], true);
  assert.equal(sidecar.volumeMounts?.length, 6);
});

test('the gateway template makes a gateway: no redirection, no probe touched, ports below 1024', () => {
  const done = injected(annotated({ 'inject.istio.io/templates': 'gateway' }, {
    containers: [{ name: 'istio-proxy', image: 'auto', ports: [{ containerPort: 80 }] }] }));
  assert.deepEqual([done.spec.initContainers, names(done.spec.containers)], [undefined, ['istio-proxy']]);
  assert.equal(containerOf(done, 'istio-proxy').args?.[1], 'router');
  assert.deepEqual(done.spec.securityContext,
    { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] });
});

test('what the pod says of its sidecar comes before what the mesh says', () => {
  const settings = { proxyConfig: { concurrency: 4, proxyMetadata: { A: 'mesh', B: 'mesh' } } };
  const done = injected(annotated({
    'proxy.istio.io/config': 'concurrency: 1\nterminationDrainDuration: 30s\nproxyMetadata: { B: pod }',
    'sidecar.istio.io/proxyCPU': '5m', 'sidecar.istio.io/proxyMemoryLimit': '64Mi',
    'sidecar.istio.io/proxyImage': 'registry.example/weft:2',
    'sidecar.istio.io/userVolume': '[{"name":"v","emptyDir":{}}]',
    'sidecar.istio.io/userVolumeMount': '[{"name":"v","mountPath":"/v"}]',
  }), settings);
  assert.deepEqual(JSON.parse(variables(done).get('PROXY_CONFIG') ?? ''), {
    concurrency: 1, terminationDrainDuration: '30s', proxyMetadata: { A: 'mesh', B: 'pod' },
    discoveryAddress: 'weft-control.weft-system.svc:15012', statusPort: 15_020,
  });
  assert.deepEqual([variables(done).get('A'), variables(done).get('B')], ['mesh', 'pod']);
  const resources = { requests: { cpu: '5m' }, limits: { memory: '64Mi' } };
  assert.deepEqual(containerOf(done, 'istio-proxy')['resources'], resources);
  assert.equal(containerOf(done, 'istio-proxy').image, 'registry.example/weft:2');
  assert.equal(containerOf(done, 'istio-init').image, 'weft-init:latest');
  assert.ok(done.spec.volumes?.some(({ name }) => name === 'v'));
  assert.equal(containerOf(done, 'istio-proxy').volumeMounts?.at(-1)?.['mountPath'], '/v');
});

test('who must not or will not be injected is left, with the reason', () => {
  const left = (value: unknown, namespace?: string, settings?: Partial<InjectionSettings>): string => {
    const result = inject(value, settings, namespace);
    return result.kind === 'left' ? result.reason : result.kind;
  };
  assert.match(left(pod({}, { hostNetwork: true })), /hostNetwork/);
  assert.match(left(pod(), 'kube-system'), /kube-system/);
  assert.match(left(pod({ labels: { 'sidecar.istio.io/inject': 'false' } })), /inject is "false"/);
  assert.match(left(annotated({ 'sidecar.istio.io/inject': 'no' })), /inject is "no"/);
  assert.equal(left(pod({ labels: { 'sidecar.istio.io/inject': 'true' },
    annotations: { 'sidecar.istio.io/inject': 'false' } })), 'injected', 'the label is asked first');
  assert.match(left(pod({ labels: { 'istio.io/rev': 'canary' } })), /revision canary/);
  assert.equal(left(pod({ labels: { 'istio.io/rev': 'canary' } }), 'shop', { revision: 'canary' }), 'injected');
  assert.match(left(pod(), 'shop', { injectByDefault: false }), /do not ask/);
  assert.match(left(pod({}, { os: { name: 'windows' } })), /Windows/);
  assert.match(left(injected(pod())), /already/);
});

test('what is not supported or cannot be is refused by its field', () => {
  const faults: readonly (readonly [object, RegExp])[] = [
    [annotated({ 'inject.istio.io/templates': 'sidecar,mine' }), /templates: must be sidecar or gateway/],
    [annotated({ 'sidecar.istio.io/proxyCPUs': '1' }), /proxyCPUs: is not known.*proxyCPU/],
    [annotated({ 'sidecar.istio.io/interceptionMode': 'TUNNEL' }), /must be REDIRECT, TPROXY or NONE/],
    [annotated({ 'sidecar.istio.io/proxyCPU': 'much' }), /must be a quantity/],
    [annotated({ 'traffic.sidecar.istio.io/excludeInboundPorts': '80,x' }), /not "x"/],
    [annotated({ 'traffic.sidecar.istio.io/includeOutboundIPRanges': '10.0.0.0/99' }), /must be ranges/],
    [annotated({ 'traffic.sidecar.istio.io/kubevirtInterfaces': 'net1' }), /is not supported/],
    [annotated({ 'sidecar.istio.io/bootstrapOverride': 'x' }), /is not supported/],
    [annotated({ 'proxy.istio.io/config': 'concurency: 1' }), /config\.concurency: .*concurrency/],
    [annotated({ 'proxy.istio.io/config': '{' }), /config: /],
    [annotated({ 'sidecar.istio.io/userVolume': 'x' }), /must be a list in JSON/],
    [pod({}, {}, { readinessProbe: { httpGet: { port: 'x' } } }), /containers\.0\.readinessProbe\.httpGet\.port: "x"/],
    [pod({}, {}, { securityContext: { runAsUser: 1337 } }), /containers\.0\.securityContext\.runAsUser: 1337 is/],
    [pod({}, { containers: 'x' }), /spec\.containers: must be a list/],
    [pod({}, { containers: [{ image: 'x' }] }), /spec\.containers\.0: needs a name/],
    [pod({ annotations: { 'sidecar.istio.io/inject': true } }), /annotations: must be texts/],
    [{ metadata: {} }, /needs spec/], [[] as object, /must be an object/],
  ];
  for (const [value, wanted] of faults) assert.match(errors(value).join('\n'), wanted);
});

test('names from outside are names: __proto__ is nobody\'s prototype', () => {
  const labels = JSON.parse('{"__proto__":"x","app":"web"}') as Record<string, string>;
  const done = injected(pod({ labels, annotations: { constructor: 'x', toString: 'y' } }));
  assert.equal(done.metadata?.annotations?.['toString'], 'y');
  assert.equal(({} as Values)['x'], undefined);
});

test('a Deployment\'s pod, a CronJob\'s and a bare one are named by their workloads', () => {
  const owned = (kind: string, name: string, labels: object): string => {
    const ownerReferences = [{ apiVersion: 'apps/v1', kind, name, controller: true }];
    return variables(injected(pod({ labels, ownerReferences }))).get('ISTIO_META_OWNER') ?? '';
  };
  assert.match(owned('ReplicaSet', 'web-5d6f', { 'pod-template-hash': '5d6f' }), /\/shop\/deployments\/web$/);
  assert.match(owned('ReplicaSet', 'web-5d6f', {}), /replicasets\/web-5d6f$/);
  assert.match(owned('Job', 'tidy-29123456', {}), /batch\/v1\/namespaces\/shop\/cronjobs\/tidy$/);
  assert.match(variables(injected(pod())).get('ISTIO_META_OWNER') ?? '', /pods\/web-1$/);
});
