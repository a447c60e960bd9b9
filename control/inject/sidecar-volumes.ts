// What is mounted into an injected pod for its sidecar: token, roots, facts about the pod, room for its state.
import { lifeVolume, sidecarLifeMount } from './application-life.ts';
import type { InjectionPlan } from './injection-plan.ts';
import type { Values } from './pod.ts';

/** Istio's paths, so that what is built on them finds them. */
export const POD_PATHS: Readonly<Record<'token' | 'roots' | 'labels' | 'config' | 'state', string>> = {
  token: '/var/run/secrets/tokens/istio-token',
  roots: '/var/run/secrets/istio/root-cert.pem',
  labels: '/etc/istio/pod/labels',
  config: '/etc/istio/proxy',
  state: '/var/lib/istio/data',
};

/** The ConfigMap of each namespace with the mesh's roots, and its key. */
export const ROOT_CONFIG_MAP = 'istio-ca-root-cert';
export const ROOT_KEY = 'root-cert.pem';
/** For whom the service account's token is. */
const TOKEN_AUDIENCE = 'istio-ca';
/** Renewed by the kubelet at 80 %. */
const TOKEN_SECONDS = 43_200;

export function sidecarVolumes({ userVolumes, sharesLife }: InjectionPlan): Values[] {
  const field = (path: string, fieldPath: string): Values => ({ path, fieldRef: { fieldPath } });
  const items = [field('labels', 'metadata.labels'), field('annotations', 'metadata.annotations')];
  const token = { path: 'istio-token', expirationSeconds: TOKEN_SECONDS, audience: TOKEN_AUDIENCE };
  return [
    { name: 'istio-envoy', emptyDir: { medium: 'Memory' } },
    { name: 'istio-data', emptyDir: {} },
    { name: 'istio-podinfo', downwardAPI: { items } },
    { name: 'istio-token', projected: { sources: [{ serviceAccountToken: token }] } },
    { name: 'istiod-ca-cert', configMap: { name: ROOT_CONFIG_MAP } },
    ...(sharesLife ? [lifeVolume()] : []),
    ...userVolumes,
  ];
}

export function sidecarMounts({ userVolumeMounts, sharesLife }: InjectionPlan): Values[] {
  const folder = (path: string): string => path.slice(0, path.lastIndexOf('/'));
  return [
    { name: 'istiod-ca-cert', mountPath: folder(POD_PATHS.roots) },
    { name: 'istio-data', mountPath: POD_PATHS.state },
    { name: 'istio-envoy', mountPath: POD_PATHS.config },
    { name: 'istio-token', mountPath: folder(POD_PATHS.token) },
    { name: 'istio-podinfo', mountPath: folder(POD_PATHS.labels) },
    ...(sharesLife ? [sidecarLifeMount()] : []),
    ...userVolumeMounts,
  ];
}
