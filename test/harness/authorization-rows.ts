// The rows of Istio's documented semantics of AuthorizationPolicy: policies as users write them, requests, outcomes.

export interface PolicyAsk {
  /** web, admin (cluster.local), far (other.test), nobody (TLS without a certificate), or plaintext. */
  readonly caller?: string;
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly sni?: string;
  readonly headers?: Record<string, string>;
  /** The policy that denies, as the log names it; absent: it passes. */
  readonly is?: string;
}

export interface PolicyRow {
  readonly row: string;
  readonly policies: string;
  readonly asks: readonly PolicyAsk[];
  /** Of the filters, below `rbac.`. */
  readonly stats?: Record<string, number>;
}

/** The service that CUSTOM rows ask: it denies requests with `x-script: no`. */
export const providerYaml = (port: number): string => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: auth, namespace: default }
spec:
  hosts: [auth.test]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]
  endpoints: [{ address: 127.0.0.1 }]
---
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
metadata: { name: mesh, namespace: istio-system }
spec:
  trustDomainAliases: [old.local]
  extensionProviders:
  - name: shop-auth
    envoyExtAuthzHttp: { service: auth.test, port: 80, timeout: 5s, includeRequestHeadersInCheck: [x-script],
      headersToDownstreamOnDeny: [x-why] }
  - { name: other-auth, envoyExtAuthzGrpc: { service: auth.test, port: 80 } }
  - { name: nowhere, envoyExtAuthzGrpc: { service: nowhere.test, port: 80 } }
`;

const policy = (spec: string, { name = 'p', namespace = 'default', meta = '' } = {}): string => `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: ${namespace}${meta} }
spec: ${spec}
`;

const NONE = 'none';
const DRY = ", annotations: { istio.io/dry-run: 'true' }";
/** The first rule of policy p, or of another one. */
const by = (name = 'p', rule = 0): string => `ns[default]-policy[${name}]-rule[${rule}]`;
const allow = (rule: string): string => policy(`{ rules: [${rule}] }`);
const from = (source: string): string => allow(`{ from: [{ source: { ${source} } }] }`);
const to = (operation: string): string => allow(`{ to: [{ operation: { ${operation} } }] }`);
const when = (condition: string): string => allow(`{ when: [{ ${condition} }] }`);

/** A field that permits some callers or requests and no others. */
const only = (row: string, policies: string, yes: readonly PolicyAsk[], no: readonly PolicyAsk[]): PolicyRow =>
  ({ row, policies, asks: [...yes, ...no.map((one) => ({ ...one, is: NONE }))] });

const [web, admin, far, nobody, plain] = ['web', 'admin', 'far', 'nobody', 'plaintext'].map((caller) => ({ caller })) as
  [PolicyAsk, PolicyAsk, PolicyAsk, PolicyAsk, PolicyAsk];
const team = (value: string): PolicyAsk => ({ headers: { 'x-team': value } });
const via = (ip: string): PolicyAsk => ({ headers: { 'x-forwarded-for': ip } });
const path = (text: string): PolicyAsk => ({ path: text });

const ACTIONS: readonly PolicyRow[] = [
  { row: 'no policy: everything passes', policies: '', asks: [plain, web] },
  { row: 'no ALLOW policy: what no DENY matches passes', asks: [{ method: 'PUT', is: by() }, {}],
    policies: policy('{ action: DENY, rules: [{ to: [{ operation: { methods: [PUT] } }] }] }') },
  only('ALLOW policies of which none matches deny', to('methods: [GET]'), [{}], [{ method: 'PUT' }]),
  only('an ALLOW without rules denies all', policy('{}'), [], [plain, web]),
  { row: 'an ALLOW of an empty rule permits all', policies: policy('{ rules: [{}] }'), asks: [plain, web] },
  { row: 'DENY goes before ALLOW', policies: policy('{ rules: [{}] }') + policy('{ action: DENY, rules: [{ to: '
    + '[{ operation: { paths: [/admin*] } }] }] }', { name: 'd' }),
  asks: [path('/a'), { path: '/admin', is: by('d') }] },
  { row: 'CUSTOM goes before DENY and ALLOW, and asks only about what its rules match', asks: [
    { path: '/ask', headers: { 'x-script': 'no' }, is: '401 ext_authz_denied x-why' }, path('/ask'),
    { path: '/free', headers: { 'x-script': 'no' } }, { path: '/ask/deny', is: by('d') },
    { path: '/ask/deny', headers: { 'x-script': 'no' }, is: '401 ext_authz_denied x-why' }, { path: '/x', is: NONE },
  ], policies: policy('{ action: CUSTOM, provider: { name: shop-auth }, rules: [{ to: [{ operation: '
    + '{ paths: [/ask*] } }] }] }', { name: 'c' }) + policy('{ action: DENY, rules: [{ to: '
    + '[{ operation: { paths: ["*/deny"] } }] }] }',
    { name: 'd' }) + to('paths: [/ask*, /free]') },
  { row: 'AUDIT only marks', policies: policy('{ action: AUDIT, rules: [{}] }'), asks: [plain, web] },
  { row: 'rules of one policy are alternatives, and the one that denies is named', asks: [
    { method: 'PUT', is: by('p', 0) }, { path: '/x', is: by('p', 1) }, {} ], policies: policy('{ action: DENY, rules: '
    + '[{ to: [{ operation: { methods: [PUT] } }] }, { to: [{ operation: { paths: [/x] } }] }] }') },
  { row: 'a dry run is counted and never enforced', asks: [plain, { method: 'PUT' }],
    policies: policy('{ action: DENY, rules: [{ to: [{ operation: { methods: [PUT] } }] }] }', { meta: DRY }),
    stats: { 'istio_dry_run_deny_.shadow_denied': 1, 'istio_dry_run_deny_.shadow_allowed': 1 } },
  { row: 'policies of the root namespace hold everywhere, those of others nowhere', asks: [{ path: '/r',
    is: 'ns[istio-system]-policy[p]-rule[0]' }, path('/o')], policies: policy('{ action: DENY, rules: [{ to: '
    + '[{ operation: { paths: [/r] } }] }] }', { namespace: 'istio-system' })
    + policy('{ action: DENY, rules: [{}] }', { namespace: 'other' }) },
  { row: 'a selector chooses the workload', asks: [{ path: '/s', is: by('s') }, path('/t')],
    policies: policy('{ selector: { matchLabels: { app: shop } }, action: DENY, rules: [{ to: [{ operation: '
      + '{ paths: [/s] } }] }] }', { name: 's' })
      + policy('{ selector: { matchLabels: { app: cart } }, action: DENY, rules: [{}] }', { name: 't' }) },
];

/** What becomes of CUSTOM policies. */
const CUSTOM: readonly PolicyRow[] = [
  { row: 'CUSTOM with a provider that nobody declared denies all', asks: [
    { path: '/else', is: 'default-deny-all-due-to-bad-CUSTOM-action' }],
  policies: policy('{ action: CUSTOM, provider: { name: unknown }, rules: [{ to: [{ operation: '
    + '{ paths: [/a] } }] }] }') },
  { row: 'CUSTOM with a provider whose service is not there denies all', asks: [
    { is: 'default-deny-all-due-to-bad-CUSTOM-action' }],
  policies: policy('{ action: CUSTOM, provider: { name: nowhere }, rules: [{}] }') },
  { row: 'two providers for one workload deny all', asks: [{ is: 'default-deny-all-due-to-bad-CUSTOM-action' }],
    policies: policy('{ action: CUSTOM, provider: { name: shop-auth }, rules: [{}] }')
      + policy('{ action: CUSTOM, provider: { name: other-auth }, rules: [{}] }', { name: 'q' }) },
];

const SOURCES: readonly PolicyRow[] = [
  only('principals', from('principals: [cluster.local/ns/default/sa/web]'), [web], [admin, far, nobody, plain]),
  only('principals by prefix', from("principals: ['cluster.local/ns/*']"), [web, admin], [far, nobody, plain]),
  only('principals by suffix', from("principals: ['*/sa/web']"), [web], [admin, far, plain]),
  only('principals: any', from("principals: ['*']"), [web, admin, far], [nobody, plain]),
  only('notPrincipals', from('notPrincipals: [cluster.local/ns/default/sa/web]'), [admin, nobody, plain], [web]),
  only('principals with an alias of the trust domain', from('principals: [old.local/ns/default/sa/web]'), [web],
    [admin, plain]),
  only('namespaces', from('namespaces: [prod]'), [admin], [web, far, plain]),
  only('namespaces by prefix', from("namespaces: ['prod*']"), [admin, far], [web, plain]),
  only('namespaces by suffix', from("namespaces: ['*-eu']"), [far], [web, admin, plain]),
  only('notNamespaces', from('notNamespaces: [prod]'), [web, far, plain], [admin]),
  only("serviceAccounts of the policy's namespace, and of others", from('serviceAccounts: [web, prod/admin]'),
    [web, admin], [far, plain]),
  only('notServiceAccounts', from('notServiceAccounts: [web]'), [admin, plain], [web]),
  only('trustDomains', from("trustDomains: ['other.*']"), [far], [web, plain]),
  only('notTrustDomains', from('notTrustDomains: [other.test]'), [web, plain], [far]),
  only('ipBlocks', from('ipBlocks: [127.0.0.0/8]'), [plain, via('192.0.2.1')], []),
  only('notIpBlocks', from('notIpBlocks: [127.0.0.1]'), [], [plain]),
  only('remoteIpBlocks', from('remoteIpBlocks: [192.0.2.0/24]'), [via('192.0.2.7')], [plain, via('10.1.1.1')]),
  only('notRemoteIpBlocks', from('notRemoteIpBlocks: [192.0.2.0/24]'), [plain, via('10.1.1.1')], [via('192.0.2.7')]),
  only('fields of a source are all needed', from("namespaces: [prod], principals: ['*/sa/admin']"), [admin],
    [web, far]),
  only('sources are alternatives', allow('{ from: [{ source: { namespaces: [prod] } }, { source: { namespaces: '
    + '[default] } }] }'), [web, admin], [far]),
];

const OPERATIONS: readonly PolicyRow[] = [
  only('hosts, whatever their case', to('hosts: [Shop.test]'), [{}, { host: 'SHOP.TEST' }], [{ host: 'a.test' }]),
  only('hosts by suffix', to("hosts: ['*.test']"), [{}, { host: 'a.test' }], [{ host: 'a.example' }]),
  only('notHosts', to('notHosts: [a.test]'), [{}], [{ host: 'a.test' }]),
  only('methods', to('methods: [GET, PUT]'), [{}, { method: 'PUT' }], [{ method: 'POST' }]),
  only('notMethods', to("notMethods: ['P*']"), [{}], [{ method: 'PUT' }, { method: 'POST' }]),
  only('ports: the workload\'s own', to("ports: ['1']"), [], [{}]),
  only('notPorts', to("notPorts: ['1']"), [{}], []),
  only('paths, without query', to('paths: [/a]'), [path('/a'), path('/a?b')], [path('/a/'), path('/ab'), path('/A')]),
  only('paths by prefix', to("paths: ['/a*']"), [path('/a'), path('/ab/c')], [path('/b')]),
  only('paths by suffix', to("paths: ['*/c']"), [path('/a/c')], [path('/c/a')]),
  only('any path', to("paths: ['*']"), [path('/'), path('/a')], []),
  only('notPaths', to("notPaths: ['/a*']"), [path('/b')], [path('/ab')]),
  only('path templates: {*} is one segment', to("paths: ['/a/{*}/c']"), [path('/a/b/c')],
    [path('/a/c'), path('/a/b/b/c'), path('/a/b/c/d')]),
  only('path templates: {**} is the rest', to("paths: ['/a/{**}']"), [path('/a/b'), path('/a/b/c')], [path('/b')]),
  only('fields of an operation are all needed', to('methods: [PUT], paths: [/a]'), [{ method: 'PUT', path: '/a' }],
    [path('/a'), { method: 'PUT', path: '/b' }]),
  only('operations are alternatives', allow('{ to: [{ operation: { methods: [PUT] } }, { operation: '
    + '{ paths: [/a] } }] }'),
    [path('/a'), { method: 'PUT' }], [path('/b')]),
  only('paths are normal before they are judged', to('paths: [/pub/*]'), [path('/pub/a'), path('/x/../pub/a')],
    [path('/pub/../admin'), path('/pub/%2e%2e/admin'), path('/pub\\..\\..\\admin')]),
];

const CONDITIONS: readonly PolicyRow[] = [
  only('request.headers', when("key: 'request.headers[X-Team]', values: [red, 'bl*']"), [team('red'), team('blue')],
    [team('green'), {}]),
  only('request.headers: present', when("key: 'request.headers[x-team]', values: ['*']"), [team('any')], [{}]),
  only('request.headers: not', when("key: 'request.headers[x-team]', notValues: [red]"), [team('blue'), {}],
    [team('red')]),
  only('source.ip', when('key: source.ip, values: [127.0.0.1]'), [plain], []),
  only('source.ip: not', when('key: source.ip, notValues: [127.0.0.0/8]'), [], [plain]),
  only('remote.ip', when('key: remote.ip, values: [192.0.2.7]'), [via('192.0.2.7')], [plain]),
  only('source.namespace', when('key: source.namespace, values: [prod]'), [admin], [web]),
  only('source.principal', when('key: source.principal, values: [cluster.local/ns/prod/sa/admin]'), [admin], [web]),
  only('source.serviceAccount', when('key: source.serviceAccount, values: [prod/admin]'), [admin], [web]),
  only('source.trustDomain', when('key: source.trustDomain, notValues: [other.test]'), [web], [far]),
  only('destination.ip', when('key: destination.ip, values: [127.0.0.0/8]'), [plain], []),
  only('destination.ip: not', when('key: destination.ip, notValues: [127.0.0.1]'), [], [plain]),
  only('destination.port', when("key: destination.port, values: ['1']"), [], [plain]),
  only('connection.sni', when("key: connection.sni, values: ['*.test']"), [web], [{ caller: 'web', sni: 'a.example' }]),
  only('conditions are all needed, beside sources and operations', allow('{ from: [{ source: { namespaces: [default] } '
    + "}], to: [{ operation: { methods: [GET] } }], when: [{ key: 'request.headers[x-team]', values: [red] }, "
    + "{ key: remote.ip, values: ['127.0.0.1'] }] }"), [{ ...web, ...team('red') }],
  [web, team('red'), { ...web, ...team('red'), method: 'PUT' }]),
];

export const ROWS: readonly PolicyRow[] = [...ACTIONS, ...CUSTOM, ...SOURCES, ...OPERATIONS, ...CONDITIONS];

export interface TcpRow {
  readonly row: string;
  readonly policies: string;
  readonly passes: boolean;
}

const OF_HTTP = "{ to: [{ operation: { methods: [PUT], ports: ['1'] } }] }";

export const TCP_ROWS: readonly TcpRow[] = [
  { row: 'TCP: no policy', policies: '', passes: true },
  { row: 'TCP: an ALLOW by source', policies: from('ipBlocks: [127.0.0.1]'), passes: true },
  { row: 'TCP: an ALLOW by another source', policies: from('ipBlocks: [10.0.0.1]'), passes: false },
  { row: 'TCP: an ALLOW that asks for HTTP never matches', policies: to('methods: [GET]'), passes: false },
  { row: 'TCP: a DENY keeps what is not of HTTP', policies: policy(`{ action: DENY, rules: [${OF_HTTP}] }`),
    passes: true },
  { row: 'TCP: a DENY that only asks for HTTP matches all', passes: false,
    policies: policy('{ action: DENY, rules: [{ to: [{ operation: { methods: [PUT] } }] }] }') },
  { row: 'TCP: a dry run denies nothing', passes: true,
    policies: policy('{ action: DENY, rules: [{}] }', { meta: DRY }) },
  { row: 'TCP: AUDIT only marks', policies: policy('{ action: AUDIT, rules: [{}] }'), passes: true },
  { row: 'TCP: CUSTOM with an HTTP provider has no bearing', passes: true,
    policies: policy('{ action: CUSTOM, provider: { name: shop-auth }, rules: [{}] }') },
  { row: 'TCP: CUSTOM with a gRPC provider denies what it matches, unasked', passes: false,
    policies: policy('{ action: CUSTOM, provider: { name: other-auth }, rules: [{}] }') },
  { row: 'TCP: CUSTOM with a provider that nobody declared denies all', passes: false,
    policies: policy('{ action: CUSTOM, provider: { name: unknown }, rules: [{ to: [{ operation: '
      + '{ ports: ["1"] } }] }] }') },
];
