// What every Kubernetes object begins with: apiVersion, kind and metadata.
import { list, map, message, optional, required, type Field, type Static } from '../../proxy/config/schema.ts';
import { string } from '../../proxy/config/scalar.ts';
import { label, objectName, opaque } from './scalar.ts';

const kept = 'Set by the API server; has no bearing here.';

export const ObjectMeta = message('k8s.meta.v1.ObjectMeta', {
  name: required(objectName(), 'Name, unique by kind and namespace.'),
  namespace: optional(label(), "Namespace; 'default' when absent."),
  labels: optional(map(string()), 'Labels that selectors and subsets match.'),
  annotations: optional(map(string()), 'Annotations; networking.istio.io/exportTo, istio.io/dry-run and those of '
    + 'gateway.weft.dev and config.weft.dev are read.'),
  generateName: optional(opaque(), kept),
  uid: optional(opaque(), kept),
  resourceVersion: optional(opaque(), kept),
  generation: optional(opaque(), kept),
  creationTimestamp: optional(opaque(), 'Age: where rules conflict the oldest holds.'),
  deletionTimestamp: optional(opaque(), kept),
  deletionGracePeriodSeconds: optional(opaque(), kept),
  selfLink: optional(opaque(), kept),
  finalizers: optional(opaque(), kept),
  managedFields: optional(opaque(), kept),
  ownerReferences: optional(list(message('k8s.meta.v1.OwnerReference', {
    apiVersion: optional(opaque(), kept),
    kind: required(string(), 'Kind of the owner.'),
    name: required(string(), 'Name of the owner.'),
    uid: optional(opaque(), kept),
    controller: optional(opaque(), kept),
    blockOwnerDeletion: optional(opaque(), kept),
  })), 'Who made it; names the workload of a pod.'),
});
export interface ObjectMeta extends Static<typeof ObjectMeta> {}

interface Head {
  readonly apiVersion: Field<string, true>;
  readonly kind: Field<string, true>;
  readonly metadata: Field<ObjectMeta, true>;
  readonly status: Field<unknown, false>;
}

/** The fields that each kind's declaration starts with. */
export const objectHead: Head = {
  apiVersion: required(string({ minLength: 1 }), 'API group and version.'),
  kind: required(string({ minLength: 1 }), 'Kind.'),
  metadata: required(ObjectMeta, 'Name, namespace, labels.'),
  status: optional(opaque(), 'Written by controllers; not read.'),
};
