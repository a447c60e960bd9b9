// ConfigMaps, of which the mesh reads roots (`ca.crt`).
import { message, optional, type Static } from '../../../proxy/config/schema.ts';
import { objectHead } from '../object-meta.ts';
import { opaque } from '../scalar.ts';
import { plainTexts } from '../secret.ts';

export const ConfigMap = message('k8s.v1.ConfigMap', {
  ...objectHead,
  data: optional(plainTexts(), 'Values, of which ca.crt is read.'),
  binaryData: optional(opaque(), 'Not read.'),
  immutable: optional(opaque(), 'Kubernetes acts on it; not read here.'),
});
export interface ConfigMap extends Static<typeof ConfigMap> {}
