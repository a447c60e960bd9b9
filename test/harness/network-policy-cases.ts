// NetworkPolicies of Kubernetes' documentation and its recipes, and who may connect under each.

/** Where a probe comes from; pods unless said otherwise. */
export const SOURCES = {
  frontend: '127.17.0.5',
  backend: '127.17.0.6',
  /** In namespace team, whose label project is myproject. */
  teamClient: '127.17.0.7',
  teamFrontend: '127.17.0.8',
  /** No pod. */
  inBlock: '127.17.9.9',
  excepted: '127.17.1.9',
  far: '127.99.0.1',
} as const;

export type Source = keyof typeof SOURCES;

export const EVERYBODY = Object.keys(SOURCES) as Source[];
const PODS: readonly Source[] = ['frontend', 'backend', 'teamClient', 'teamFrontend'];

export interface PolicyCase {
  readonly name: string;
  /** Each is the spec of one NetworkPolicy in namespace default, `PORT` stands for the pod's port. */
  readonly specs: readonly string[];
  readonly allowed: readonly Source[];
}

const DB = 'podSelector: { matchLabels: { role: db } }';
const FRONTEND = '{ podSelector: { matchLabels: { role: frontend } } }';
const PROJECT = 'namespaceSelector: { matchLabels: { project: myproject } }';
const BLOCK = '{ ipBlock: { cidr: 127.17.0.0/16, except: [127.17.1.0/24] } }';
const inBlock = EVERYBODY.filter((source) => source !== 'excepted' && source !== 'far');
const ingress = (rules: string, more = ''): string => `{ ${DB}, ingress: ${rules}${more} }`;
const from = (...peers: string[]): string => ingress(`[{ from: [${peers.join(', ')}] }]`);
const ports = (entry: string): string => ingress(`[{ ports: [${entry}] }]`);
const expression = (text: string): string =>
  from(`{ podSelector: { matchExpressions: [${text}] }, namespaceSelector: {} }`);

export const POLICY_CASES: readonly PolicyCase[] = [
  { name: 'no policy', specs: [], allowed: EVERYBODY },
  { name: 'a policy for other pods', specs: ['{ podSelector: { matchLabels: { role: web } } }'], allowed: EVERYBODY },
  { name: 'default deny all ingress', specs: ['{ podSelector: {}, policyTypes: [Ingress] }'], allowed: [] },
  { name: 'an empty spec denies ingress', specs: ['{}'], allowed: [] },
  { name: 'allow all ingress', specs: ['{ podSelector: {}, ingress: [{}], policyTypes: [Ingress] }'],
    allowed: EVERYBODY },
  { name: 'default deny all egress leaves ingress alone', specs: ['{ podSelector: {}, policyTypes: [Egress] }'],
    allowed: EVERYBODY },
  { name: 'default deny of both', specs: ['{ podSelector: {}, policyTypes: [Ingress, Egress] }'], allowed: [] },
  { name: 'egress rules alone isolate ingress too', specs: [`{ ${DB}, egress: [{}] }`], allowed: [] },
  { name: 'egress rules with policyTypes', specs: [`{ ${DB}, egress: [{}], policyTypes: [Egress] }`],
    allowed: EVERYBODY },
  { name: 'ipBlock or namespace or pod, on the port', specs: [
    ingress(`[{ from: [${BLOCK}, { ${PROJECT} }, ${FRONTEND}], ports: [{ protocol: TCP, port: PORT }] }]`)],
    allowed: inBlock },
  { name: 'ipBlock or namespace or pod, on another port', specs: [
    ingress(`[{ from: [${BLOCK}, { ${PROJECT} }, ${FRONTEND}], ports: [{ protocol: TCP, port: 1 }] }]`)],
    allowed: [] },
  { name: 'an ipBlock without what it excepts', specs: [from(BLOCK)], allowed: inBlock },
  { name: 'a pod of the same namespace', specs: [from(FRONTEND)], allowed: ['frontend'] },
  { name: 'all pods of the same namespace', specs: [from('{ podSelector: {} }')], allowed: ['frontend', 'backend'] },
  { name: 'all pods of a namespace by its label', specs: [from(`{ ${PROJECT} }`)],
    allowed: ['teamClient', 'teamFrontend'] },
  { name: 'a namespace by its name', specs: [
    from(`{ namespaceSelector: { matchExpressions: [
      { key: kubernetes.io/metadata.name, operator: In, values: [team] }] } }`)],
    allowed: ['teamClient', 'teamFrontend'] },
  { name: 'all namespaces', specs: [from('{ namespaceSelector: {} }')], allowed: PODS },
  { name: 'namespace and pod together', specs: [
    from(`{ ${PROJECT}, podSelector: { matchLabels: { role: frontend } } }`)], allowed: ['teamFrontend'] },
  { name: 'namespace or pod', specs: [from(`{ ${PROJECT} }`, FRONTEND)],
    allowed: ['frontend', 'teamClient', 'teamFrontend'] },
  { name: 'a pod of all namespaces', specs: [
    from('{ namespaceSelector: {}, podSelector: { matchLabels: { role: frontend } } }')],
    allowed: ['frontend', 'teamFrontend'] },
  { name: 'several rules add up', specs: [ingress(`[{ from: [${FRONTEND}] }, { from: [{ ${PROJECT} }] }]`)],
    allowed: ['frontend', 'teamClient', 'teamFrontend'] },
  { name: 'several policies add up', specs: ['{}', from(FRONTEND), from(`{ ${PROJECT} }`)],
    allowed: ['frontend', 'teamClient', 'teamFrontend'] },
  { name: 'empty from is everybody', specs: [ingress('[{ from: [] }]')], allowed: EVERYBODY },
  { name: 'the port by number', specs: [ports('{ port: PORT }')], allowed: EVERYBODY },
  { name: 'the port by name', specs: [ports('{ port: data }')], allowed: EVERYBODY },
  { name: 'a name that the pod has not', specs: [ports('{ port: other }')], allowed: [] },
  { name: 'a range of ports', specs: [ports('{ port: 1024, endPort: PORT }')], allowed: EVERYBODY },
  { name: 'a range of other ports', specs: [ports('{ port: 1, endPort: 1023 }')], allowed: [] },
  { name: 'every TCP port', specs: [ports('{ protocol: TCP }')], allowed: EVERYBODY },
  { name: 'UDP alone lets no TCP in', specs: [ports('{ protocol: UDP, port: PORT }')], allowed: [] },
  { name: 'In', specs: [expression('{ key: role, operator: In, values: [backend, client] }')],
    allowed: ['backend', 'teamClient'] },
  { name: 'NotIn', specs: [expression('{ key: role, operator: NotIn, values: [frontend] }')],
    allowed: ['backend', 'teamClient'] },
  { name: 'Exists', specs: [expression('{ key: tier, operator: Exists }')], allowed: ['backend'] },
  { name: 'DoesNotExist', specs: [expression('{ key: tier, operator: DoesNotExist }')],
    allowed: ['frontend', 'teamClient', 'teamFrontend'] },
];

const pod = (name: string, namespace: string, labels: string, address: string): string => `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { ${labels} } }
spec: { serviceAccountName: ${name}, containers: [] }
status: { podIP: ${address}, phase: Running }
`;

/** Pods of both namespaces, with a service account of their own each. */
export const SOURCE_PODS = pod('frontend', 'default', 'role: frontend', SOURCES.frontend)
  + pod('backend', 'default', 'role: backend, tier: back', SOURCES.backend)
  + pod('team-client', 'team', 'role: client', SOURCES.teamClient)
  + pod('team-frontend', 'team', 'role: frontend', SOURCES.teamFrontend)
  + `---
apiVersion: v1
kind: Namespace
metadata: { name: team, labels: { project: myproject } }
`;

export function networkPolicies(specs: readonly string[], port: number): string {
  return specs.map((spec, index) => `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: p${index}, namespace: default }
spec: ${spec.replaceAll('PORT', String(port))}
`).join('');
}
