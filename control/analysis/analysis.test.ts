// What `weft analyze` says about folders of YAML: each mistake with its file and line, and nothing about a good mesh.
import assert from 'node:assert/strict';
import { cpSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serviceYaml, workloadYaml } from '../../test/harness/mesh-fixture.ts';
import { findingText } from '../model/mesh-object.ts';
import { analyzeFolder } from './analysis.ts';

const BOOKINFO = fileURLToPath(new URL('../../examples/bookinfo', import.meta.url));

function folder(t: TestContext, files: Record<string, string> = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'weft-analysis-'));
  t.after(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

/** `error …` and `warning …`, as lines. */
async function linesOf(t: TestContext, files: Record<string, string>): Promise<string[]> {
  const { errors, warnings } = await analyzeFolder(folder(t, files));
  return [...errors.map((finding) => `error ${findingText(finding)}`),
    ...warnings.map((finding) => `warning ${findingText(finding)}`)];
}

function groupOf(kind: string): string {
  if (kind === 'OidcLogin') return 'security.weft.dev';
  return /Policy|Authentication$/.test(kind) ? 'security.istio.io' : 'networking.istio.io';
}

const object = (kind: string, name: string, spec: string): string => `---
apiVersion: ${groupOf(kind)}/v1
kind: ${kind}
metadata: { name: ${name}, namespace: default }
spec:
  ${spec}
`;

const MESH = serviceYaml('a') + serviceYaml('b') + workloadYaml('a-1', 'a', 'v1', '10.0.0.1');
const TO_A = 'route: [{ destination: { host: a } }]';

test('the Bookinfo mesh is clean with each of its tasks', async (t) => {
  for (const task of globSync('tasks/*.yaml', { cwd: BOOKINFO })) {
    const path = folder(t);
    cpSync(join(BOOKINFO, 'mesh'), path, { recursive: true });
    cpSync(join(BOOKINFO, task), join(path, 'task.yaml'));
    const { errors, warnings, files } = await analyzeFolder(path);
    assert.deepEqual([errors, warnings, files], [[], [], 6], task);
  }
});

/** What follows the mesh in one file, and the one finding: its level, its line after the first, what it says. */
const CASES: readonly (readonly [title: string, yaml: string, level: string, line: number, reason: RegExp])[] = [
  ['an unknown host', object('VirtualService', 'v',
    'hosts: [a]\n  http:\n    - route: [{ destination: { host: aa } }]'),
    'error', 7, /VirtualService default\/v spec\.http\[0\].*no service 'aa\.default.*did you mean 'a'/],
  ['an unknown subset', object('VirtualService', 'v',
    'hosts: [a]\n  http:\n    - route: [{ destination: { host: a, subset: v9 } }]'),
  'error', 7, /no Desti.*'v9'/],
  ['a port that the service has not', object('VirtualService', 'v',
    'hosts: [a]\n  http:\n    - route: [{ destination: { host: a, port: { number: 1 } } }]'),
  'error', 7, /no port 1/],
  ['an unknown gateway', object('VirtualService', 'v', `hosts: [a]\n  gateways: [g]\n  http: [{ ${TO_A} }]`),
    'error', 6, /no Gateway 'default\/g'/],
  ['a rule after one that takes everything', object('VirtualService', 'v',
    `hosts: [a]\n  http:\n    - ${TO_A}\n    - match: [{ uri: { prefix: /x } }]\n      ${TO_A}`),
  'error', 8, /no request reaches it: test\.yaml:\d+ of v takes all/],
  ['a rule behind a wider one', object('VirtualService', 'v',
    `hosts: [a]\n  http:\n    - match: [{ uri: { prefix: /x } }]\n      ${TO_A}\n`
    + `    - match: [{ uri: { exact: /x/y }, headers: { h: {} } }]\n      ${TO_A}`),
  'error', 9, /no request reaches it/],
  ['one of several conditions behind a wider one', object('VirtualService', 'v',
    `hosts: [a]\n  http:\n    - match: [{ uri: { prefix: /x } }]\n      ${TO_A}\n`
    + `    - match: [{ uri: { exact: /y } }, { uri: { exact: /x/y } }]\n      ${TO_A}`), 'warning', 9, /has no effect/],
  ['two VirtualServices of one host in the mesh',
    object('VirtualService', 'v', `hosts: [a]\n  http: [{ ${TO_A} }]`)
    + object('VirtualService', 'w', `hosts: [a]\n  http: [{ ${TO_A} }]`), 'error', 12, /has rules in .* which hold/],
  ['a DestinationRule without a service', object('DestinationRule', 'd', 'host: nowhere'), 'error', 5, /no service/],
  ['a subset without endpoints',
    object('DestinationRule', 'd', 'host: a\n  subsets:\n    - { name: v2, labels: { version: v2 } }'),
    'warning', 7, /no endpoint has the labels of v2/],
  ['two policies for one host', object('DestinationRule', 'd', 'host: a\n  trafficPolicy: {}')
    + object('DestinationRule', 'e', 'host: a\n  trafficPolicy: {}'), 'error', 13, /has no effect: .* already/],
  ['failover that nothing sets off', object('DestinationRule', 'd',
    'host: a\n  trafficPolicy:\n    loadBalancer: { localityLbSetting: { failoverPriority: [rack] } }'),
  'warning', 7, /has no effect without outlierDetection/],
  ['a selector that selects nothing', object('AuthorizationPolicy', 'p', 'selector: { matchLabels: { app: c } }'),
    'warning', 5, /has no effect: no workload has the labels app: c/],
  ['a Sidecar for no workload', object('Sidecar', 's',
    "workloadSelector: { labels: { app: c } }\n  egress: [{ hosts: ['./*'] }]"), 'warning', 5, /labels app: c/],
  ['a rule for callers that are not there', object('DestinationRule', 'd',
    'host: a\n  workloadSelector: { matchLabels: { app: c } }'), 'warning', 6, /labels app: c/],
  ['a condition by a port that the host has not', object('VirtualService', 'v',
    `hosts: [a]\n  http:\n    - match: [{ port: 81 }]\n      ${TO_A}`),
  'error', 7, /match\[0\]\.port: has no effect: nothing arrives at port 81: its hosts and gateways have 9080/],
  ['settings of a port that the host has not', object('DestinationRule', 'd',
    'host: a\n  trafficPolicy:\n    portLevelSettings:\n      - port: { number: 81 }'),
  'error', 8, /has no effect: a\.default\.svc\.cluster\.local has no port 81, but 9080/],
  ['mutual TLS of a port that the workload has not', object('PeerAuthentication', 'p',
    'selector: { matchLabels: { app: a } }\n  portLevelMtls: { 81: { mode: STRICT } }'),
  'warning', 6, /no service is served at port 81/],
  ['a tcp rule after one that takes everything', object('VirtualService', 'v',
    `hosts: [a]\n  tcp:\n    - ${TO_A}\n    - match: [{ port: 9080 }]\n      ${TO_A}`),
  'error', 8, /spec\.tcp\[1\]: no connection reaches it: test\.yaml:\d+ of v takes all/],
  ['a tls rule whose names an earlier one has', object('VirtualService', 'v',
    `hosts: [a]\n  tls:\n    - match: [{ sniHosts: ['*.a'] }]\n      ${TO_A}\n`
    + `    - match: [{ sniHosts: [b.a], port: 9080 }]\n      ${TO_A}`),
  'error', 9, /spec\.tls\[1\]: no connection reaches it/],
  ['a Gateway that nothing is bound to', object('Gateway', 'g',
    "selector: { istio: i }\n  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }]"),
  'warning', 1, /no VirtualService is bound to it/],
  ['a port without a protocol', serviceYaml('c').replace('name: http', 'name: web'), 'warning', 7, /carried as TCP/],
  ['an object of the same name', object('DestinationRule', 'd', 'host: a') + object('DestinationRule', 'd', 'host: a'),
    'error', 7, /is already defined in/],
  ['a field that is not known', object('DestinationRule', 'd', 'host: a\n  subsetz: []'), 'error', 6, /subsetz/],
];

for (const [title, yaml, level, line, reason] of CASES) {
  test(`${title} is found with its place`, async (t) => {
    const lines = await linesOf(t, { 'test.yaml': MESH + yaml });
    assert.equal(lines.length, 1, lines.join('\n'));
    const at = MESH.split('\n').length + line;
    assert.match(lines[0] ?? '', reason);
    assert.ok(lines[0]?.startsWith(`${level} test.yaml:${at}:`), `${lines[0]} is not at line ${at}`);
  });
}

const GATEWAY = object('Gateway', 'g', `selector: { istio: i }
  servers:
    - { port: { number: 80, name: http, protocol: HTTP }, hosts: ['a.test', 'b.test'] }`);
const bound = (name: string, host: string, http: string): string =>
  object('VirtualService', name, `hosts: [${host}]\n  gateways: [g]\n  http: [{ ${http} ${TO_A} }]`);

test('VirtualServices that claim one host of a gateway conflict where their rules do', async (t) => {
  const path = (prefix: string): string => `match: [{ uri: { prefix: ${prefix} } }],`;
  const apart = bound('v', 'a.test', path('/x')) + bound('w', 'a.test', path('/y')) + bound('z', 'b.test', '');
  assert.deepEqual(await linesOf(t, { 'a.yaml': MESH, 'b.yaml': GATEWAY + apart }), []);
  const clash = bound('v', 'a.test', '') + bound('w', 'a.test', '') + bound('z', 'a.test', path('/z'));
  const lines = await linesOf(t, { 'a.yaml': MESH, 'b.yaml': GATEWAY + clash });
  assert.equal(lines.length, 1, lines.join('\n'));
  assert.match(lines[0] ?? '', /^error b\.yaml:\d+: VirtualService default\/w spec\.http\[0\]: no request reaches it/);
});

test('a host that no server of the gateway has, and a server without a listener, are errors', async (t) => {
  const tls = object('Gateway', 'h', `selector: { istio: i }
  servers:
    - port: { number: 80, name: https, protocol: HTTPS }
      hosts: ['a.test']
      tls: { mode: SIMPLE, serverCertificate: a, privateKey: b }`);
  const lines = await linesOf(t, {
    'a.yaml': MESH,
    'b.yaml': GATEWAY + bound('v', 'c.test', ''),
    'c.yaml': tls + bound('w', 'a.test', '').replace('[g]', '[h]'),
  });
  assert.equal(lines.length, 2, lines.join('\n'));
  assert.match(lines[0] ?? '', /^error b\.yaml:.*no server of Gateway default\/g has host c\.test; it has a\.test, b/);
  assert.match(lines[1] ?? '', /^error c\.yaml:\d: .*has no effect: port 80 is plaintext HTTP in b\.yaml:\d/);
});

test('rules that no server of a gateway goes by, and servers that share a port against its rules, are errors',
  async (t) => {
    const server = (name: string, number: number, protocol: string, host: string, mode: string): string =>
      `    - { port: { number: ${number}, name: ${name}, protocol: ${protocol} }, hosts: ['${host}']${
        mode === '' ? '' : `, tls: { mode: ${mode} }`} }`;
    const edge = object('Gateway', 'g', `selector: { istio: i }\n  servers:\n${[
      server('tls-a', 443, 'TLS', 'a.test', 'PASSTHROUGH'), server('tls-b', 443, 'HTTPS', 'a.test', 'PASSTHROUGH'),
      server('tcp-a', 99, 'TCP', '*', ''), server('tcp-b', 99, 'TCP', '*', '')].join('\n')}`);
    const rules = bound('v', 'a.test', '')
      + `  tcp: [{ ${TO_A} }]\n  tls: [{ match: [{ sniHosts: [a.test] }], ${TO_A} }]\n`;
    const lines = await linesOf(t, { 'a.yaml': MESH, 'b.yaml': edge + rules });
    assert.deepEqual(lines.map((line) => line.replace(/default\/|spec\./g, '')), [
      'error b.yaml:9: Gateway g servers[1].port: has no effect: port 443 has its host in b.yaml:8',
      "error b.yaml:11: Gateway g servers[3].port: has no effect: port 99 carries one server's TCP in b.yaml:10",
      'error b.yaml:19: VirtualService v http: no server of Gateway g goes by http rules: one of HTTP, or of HTTPS '
        + 'that does not pass TLS through, has them',
    ]);
  });

test('limits of gateways that are no numbers are errors', async (t) => {
  const limited = (bytes: string): string => GATEWAY.replace('namespace: default }',
    `namespace: default, annotations: { gateway.weft.dev/max-request-bytes: '${bytes}' } }`);
  for (const [bytes, faults] of [['1000', 0], ['0', 1], ['1M', 1], ['99999999999', 1], ['-1', 1]] as const) {
    const lines = await linesOf(t, { 'a.yaml': MESH, 'b.yaml': limited(bytes) + bound('v', 'a.test', '') });
    assert.equal(lines.filter((line) => /error .*max-request-bytes: must be a whole number from 1/.test(line)).length,
      faults, lines.join('\n'));
  }
});

test('Secrets that gateways name and nobody has are errors', async (t) => {
  const tls = GATEWAY.replace('80, name: http, protocol: HTTP', '443, name: https, protocol: HTTPS')
    .replace("hosts: ['a.test', 'b.test']", "hosts: [a.test], tls: { mode: MUTUAL, credentialName: edge }");
  const secret = (data: string): string =>
    `---\napiVersion: v1\nkind: Secret\nmetadata: { name: edge, namespace: default }\nstringData: { ${data} }\n`;
  const reasons = async (more: string): Promise<string[]> =>
    (await linesOf(t, { 'a.yaml': MESH, 'b.yaml': tls + bound('v', 'a.test', ''), 'c.yaml': more }))
      .map((line) => line.replace(/.*tls: /, ''));
  assert.deepEqual(await reasons(secret('tls.crt: a')), [
    "no Secret 'edge' has tls.crt and tls.key: the port does not come up",
    "no Secret 'edge' or 'edge-cacert' has ca.crt: the port does not come up",
  ]);
  assert.deepEqual(await reasons(secret('tls.crt: a, tls.key: b, ca.crt: c')), []);
});

test('OidcLogins without a good Secret, or behind others, let nobody in or have no effect', async (t) => {
  const login = (name: string, credential: string): string => object('OidcLogin', name,
    `{ issuer: 'https://login.test', clientId: shop, credentialName: ${credential} }`);
  const secret = (name: string, data: string): string => `---
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: default }
stringData: { ${data} }
`;
  const lines = await linesOf(t, { 'mesh.yaml': login('a', 'none') + login('b', 'short') + login('c', 'thin')
    + login('d', 'good') + secret('short', 'client-secret: x') + secret('good', 'client-secret: sixteen-letters--')
    + secret('thin', 'client-secret: x, cookie-secret: y') });
  const about = (name: string): string[] => lines.filter((line) => line.includes(`default/${name}: `)
    || line.includes(`default/${name} `));
  assert.match(about('a')[0]!, /error mesh.yaml:\d+: OidcLogin default\/a spec.credentialName: no Secret 'none' has/);
  assert.match(about('b')[0]!, /error .* less than 16 characters/);
  assert.match(about('c')[0]!, /error .* needs 32 characters/);
  assert.match(about('d')[0]!, /warning .* has no effect: OidcLogin default\/a comes first/);
});

test('rules that differ in what they admit are reached', async (t) => {
  const rules = object('VirtualService', 'v', `hosts: [a]
  tcp:
    - match: [{ sourceLabels: { app: x } }, { sourceNamespace: n }, { gateways: [g], port: 80 }]
      ${TO_A}
    - ${TO_A}
  tls:
    - match: [{ sniHosts: [x.a, y.a], port: 9080 }]
      ${TO_A}
    - match: [{ sniHosts: [x.a, '*.a'] }]
      ${TO_A}`.replace('hosts: [a]', 'hosts: [a]\n  gateways: [mesh, g]'));
  const tcp = GATEWAY.replace('HTTP', 'TCP').replace('http', 'tcp');
  const lines = await linesOf(t, { 'a.yaml': MESH, 'b.yaml': tcp + rules });
  assert.deepEqual(lines.filter((line) => line.includes('reaches')), [], lines.join('\n'));
});

test('a fault in one object brings no others with it, and the same name in two files is named', async (t) => {
  const lines = await linesOf(t, {
    'a.yaml': MESH + object('DestinationRule', 'd', 'hosts: a'),
    'b.yaml': object('VirtualService', 'v', `hosts: [a]\n  http: [{ ${TO_A} }]`) + serviceYaml('b'),
    'c.yaml': 'kind: [',
  });
  assert.equal(lines.filter((line) => line.startsWith('error')).length, lines.length, lines.join('\n'));
  assert.ok(lines.some((line) => /b\.yaml:\d+: Service default\/b: is already defined in a\.yaml/.test(line)));
  assert.ok(lines.some((line) => /c\.yaml:1/.test(line)));
  assert.equal(lines.some((line) => line.includes('no service')), false);
});

test('a folder that is not there is refused', async () => {
  await assert.rejects(analyzeFolder('/nowhere/at/all'));
});
