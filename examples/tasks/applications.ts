// What the tasks run their traffic through: groups of workloads, and the YAML that says which services they are.
import { fileURLToPath } from 'node:url';
import type { PodAddress } from '../demo/address-plan.ts';
import type { Workload } from '../demo/workloads.ts';
import { NAMESPACE, WORKLOAD_COUNT, planWorkloads } from '../demo/workloads.ts';

/**
 * `gateway` is the way in, `egress` the gateway out, `outside` a server beyond the mesh, `client` a sidecar whose
 * application is you; the others are services.
 * A task names those that it needs.
 */
export type ApplicationName = 'gateway' | 'client' | 'bookinfo' | 'web' | 'tcp-echo' | 'hello' | 'egress' | 'outside';

export interface Application {
  readonly workloads: readonly Workload[];
  /** Put into the folder of the mesh while it runs. */
  readonly files: readonly string[];
}

const WEB = fileURLToPath(new URL('apps/web.ts', import.meta.url));
const OUTSIDE = fileURLToPath(new URL('apps/outside.ts', import.meta.url));
const TCP_ECHO = fileURLToPath(new URL('apps/tcp-echo.ts', import.meta.url));
/** Where the client is: nearest to the first of the four hellos. */
const HOME = 'north/a';
const EGRESS_TLS = 9443;

type Plan = Pick<Workload, 'name' | 'app' | 'version' | 'entry'>
  & Partial<Pick<Workload, 'locality' | 'portName' | 'place' | 'namespace' | 'isGateway'>>;

const PLANS: readonly Plan[] = [
  { name: 'client', app: 'client', version: 'v1', entry: undefined, locality: HOME },
  {
    name: 'egressgateway', app: 'egressgateway', version: 'v1', entry: undefined, place: 'egress', isGateway: true,
    namespace: 'istio-system',
  },
  { name: 'outside', app: 'outside', version: 'v1', entry: OUTSIDE, place: 'outside' },
  { name: 'web-v1', app: 'web', version: 'v1', entry: WEB },
  { name: 'web-v2', app: 'web', version: 'v2', entry: WEB },
  { name: 'tcp-echo-v1', app: 'tcp-echo', version: 'v1', entry: TCP_ECHO, portName: 'tcp' },
  { name: 'tcp-echo-v2', app: 'tcp-echo', version: 'v2', entry: TCP_ECHO, portName: 'tcp' },
  { name: 'hello-north-a', app: 'hello', version: 'v1', entry: WEB, locality: HOME },
  { name: 'hello-north-b', app: 'hello', version: 'v1', entry: WEB, locality: 'north/b' },
  { name: 'hello-east-a', app: 'hello', version: 'v1', entry: WEB, locality: 'east/a' },
  { name: 'hello-west-a', app: 'hello', version: 'v1', entry: WEB, locality: 'west/a' },
];

export const POD_COUNT: number = WORKLOAD_COUNT + PLANS.length;

/** Takes POD_COUNT pods. */
export function planApplications(pods: readonly PodAddress[]): Record<ApplicationName, Application> {
  const demo = planWorkloads(pods).filter(({ name }) => name !== 'reviews-v1-b');
  const own = PLANS.map((plan, i) => workloadOf(plan, pods[WORKLOAD_COUNT + i]!));
  const running = (app: string): Workload[] => own.filter((workload) => workload.app === app);
  const service = (app: string): Application => ({ workloads: running(app), files: [fileOf(`apps/${app}.yaml`)] });
  return {
    egress: { workloads: running('egressgateway'), files: [fileOf('apps/egress.yaml')] },
    outside: { workloads: running('outside'), files: [] },
    gateway: { workloads: demo.filter(({ isGateway }) => isGateway), files: [] },
    client: { workloads: running('client'), files: [] },
    bookinfo: {
      workloads: demo.filter(({ isGateway }) => !isGateway),
      files: ['services', 'subsets', 'gateway'].map((name) => fileOf(`../bookinfo/mesh/${name}.yaml`)),
    },
    web: service('web'),
    'tcp-echo': service('tcp-echo'),
    hello: service('hello'),
  };
}

function workloadOf(plan: Plan, place: PodAddress): Workload {
  // Nothing takes the gateway's two ports apart where a sidecar would.
  const pod = plan.place === 'egress' && place.namespace !== undefined ? { ...place, appPort: EGRESS_TLS } : place;
  const ports = portsOf(plan, pod);
  return {
    locality: '', portName: 'http', namespace: NAMESPACE, isGateway: false, ...plan, pod, deployment: plan.name,
    serviceAccount: plan.app, ...(ports !== undefined && { ports }),
  };
}

function portsOf({ place }: Plan, { inboundPort, appPort, outboundPort, adminPort }: PodAddress): Workload['ports'] {
  if (place === 'egress') return { http: inboundPort, https: appPort };
  return place === 'outside' ? { http: appPort, https: outboundPort, mutual: adminPort } : undefined;
}

function fileOf(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
