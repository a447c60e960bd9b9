// What runs in the demo: Bookinfo's workloads and the ingress gateway, each a "pod" with a sidecar of its own.
import { fileURLToPath } from 'node:url';
import type { PodAddress } from './address-plan.ts';

/** Of Bookinfo; the gateway is the mesh's own, so that the application's policies are not about it. */
export const NAMESPACE = 'default';
const GATEWAY_NAMESPACE = 'istio-system';
export const TRUST_DOMAIN = 'cluster.local';

/** One pod. */
export interface Workload {
  readonly name: string;
  readonly app: string;
  readonly version: string;
  /** What runs it and others like it, for metrics and traces. */
  readonly deployment: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** `region/zone`, '' when unknown. */
  readonly locality: string;
  /** Its port's name, which says what is spoken there. */
  readonly portName: string;
  /** Its application; a gateway has none. */
  readonly entry: string | undefined;
  readonly isGateway: boolean;
  /** A gateway out of the mesh, or a server beyond it, which has no sidecar and no identity of the mesh. */
  readonly place?: 'egress' | 'outside';
  /** Ports by their names in its services, where it has more than one. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly pod: PodAddress;
}

interface Kind {
  readonly name: string;
  readonly app: string;
  readonly version: string;
  readonly account: string;
  readonly file: string | undefined;
}

const KINDS: readonly Kind[] = [
  { name: 'ingressgateway', app: 'ingressgateway', version: 'v1', account: 'ingressgateway', file: undefined },
  {
    name: 'productpage-v1', app: 'productpage', version: 'v1', account: 'bookinfo-productpage', file: 'productpage.ts',
  },
  { name: 'details-v1', app: 'details', version: 'v1', account: 'bookinfo-details', file: 'details.ts' },
  { name: 'ratings-v1', app: 'ratings', version: 'v1', account: 'bookinfo-ratings', file: 'ratings.ts' },
  { name: 'reviews-v1-a', app: 'reviews', version: 'v1', account: 'bookinfo-reviews', file: 'reviews.ts' },
  { name: 'reviews-v1-b', app: 'reviews', version: 'v1', account: 'bookinfo-reviews', file: 'reviews.ts' },
  { name: 'reviews-v2', app: 'reviews', version: 'v2', account: 'bookinfo-reviews', file: 'reviews.ts' },
  { name: 'reviews-v3', app: 'reviews', version: 'v3', account: 'bookinfo-reviews', file: 'reviews.ts' },
];

export const WORKLOAD_COUNT: number = KINDS.length;

export function planWorkloads(pods: readonly PodAddress[]): Workload[] {
  return KINDS.map(({ name, app, version, account, file }, i) => ({
    name, app, version, serviceAccount: account, locality: '', portName: 'http', pod: pods[i]!,
    deployment: app === 'reviews' ? `reviews-${version}` : name, isGateway: file === undefined,
    namespace: file === undefined ? GATEWAY_NAMESPACE : NAMESPACE,
    entry: file === undefined ? undefined : fileURLToPath(new URL(`../bookinfo/${file}`, import.meta.url)),
  }));
}
