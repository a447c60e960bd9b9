// Who made a pod: its workload's name, kind and owner, as Istio's metadata names them.
import type { PodMeta } from './pod.ts';

export interface Workload {
  readonly name: string;
  /** kubernetes://apis/apps/v1/namespaces/NS/deployments/NAME */
  readonly owner: string;
}

/** Of what makes pods: plural, and API. */
const MAKERS: ReadonlyMap<string, readonly [string, string]> = new Map([
  ['Pod', ['pods', 'v1']], ['Deployment', ['deployments', 'apps/v1']], ['ReplicaSet', ['replicasets', 'apps/v1']],
  ['StatefulSet', ['statefulsets', 'apps/v1']], ['DaemonSet', ['daemonsets', 'apps/v1']],
  ['Job', ['jobs', 'batch/v1']], ['CronJob', ['cronjobs', 'batch/v1']],
  ['ReplicationController', ['replicationcontrollers', 'v1']],
]);

/** `maker` is the object whose template the pod is, where that is known: a file's. */
export function workloadOf(meta: PodMeta, namespace: string, maker?: { kind: string; name: string }): Workload {
  const controller = meta.ownerReferences?.find((owner) => owner.controller === true);
  const { kind = 'Pod', name = meta.name ?? meta.generateName?.replace(/-$/, '') ?? '' } = maker ?? controller ?? {};
  const made = deployed(kind, name, meta);
  const [plural, api] = MAKERS.get(made.kind) ?? [`${made.kind.toLowerCase()}s`, controller?.apiVersion ?? 'v1'];
  return { name: made.name, owner: `kubernetes://apis/${api}/namespaces/${namespace}/${plural}/${made.name}` };
}

/** A Deployment's ReplicaSet has its name and the hash of its pods; a CronJob's Job the minute. */
function deployed(kind: string, name: string, { labels = {} }: PodMeta): { kind: string; name: string } {
  const hash = labels['pod-template-hash'];
  if (kind === 'ReplicaSet' && hash !== undefined && name.endsWith(`-${hash}`)) {
    return { kind: 'Deployment', name: name.slice(0, -hash.length - 1) };
  }
  const [, cron] = kind === 'Job' ? /^(.+)-[0-9]{8,11}$/.exec(name) ?? [] : [];
  return cron === undefined ? { kind, name } : { kind: 'CronJob', name: cron };
}
