// A mesh from YAML in a test, and the proxies that ask it for configuration.
import { decodeObjects } from '../../control/model/decode-object.ts';
import { Inventory } from '../../control/model/inventory.ts';
import { findingText, type MeshObject } from '../../control/model/mesh-object.ts';
import { Registry } from '../../control/registry/registry.ts';
import { MESH_DEFAULTS, type MeshSettings } from '../../control/translate/mesh-settings.ts';
import type { MeshView } from '../../control/translate/mesh-view.ts';
import { parseProxyNode, type ProxyNode, type XdsNode } from '../../control/translate/proxy-node.ts';
import { parseYaml } from '../../proxy/config/yaml-file.ts';

/** All objects of a YAML text; throws with every error where one is wrong. */
export function objectsOf(yaml: string, file = 'test.yaml'): readonly MeshObject[] {
  const text = parseYaml(yaml, file);
  const { objects, errors } = decodeObjects(text.documents, file);
  const problems = [...text.errors.map((error) => error.message), ...errors.map(findingText)];
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return objects;
}

/** The same as what rules and services are looked up in. */
export function inventoryOf(yaml: string, file?: string): Inventory {
  return new Inventory(objectsOf(yaml, file));
}

export function viewOf(yaml: string, settings: Partial<MeshSettings> = {}): MeshView {
  const inventory = inventoryOf(yaml);
  const merged = { ...MESH_DEFAULTS, ...settings };
  return { inventory, registry: new Registry(inventory, merged.domain), settings: merged };
}

/** A weft sidecar of workload `pod` in namespace default at 10.0.0.9, unless said otherwise. */
export function nodeOf(
  metadata: Record<string, unknown> = {}, more: XdsNode & { readonly kind?: string } = {},
): ProxyNode {
  const { kind = 'sidecar', ...rest } = more;
  const node = parseProxyNode({
    id: `${kind}~10.0.0.9~pod.default~default.svc.cluster.local`,
    userAgentName: 'weft',
    metadata: { NAMESPACE: 'default', ...metadata },
    ...rest,
  });
  if (typeof node === 'string') throw new Error(node);
  return node;
}

/** A Service with one HTTP port 9080, as YAML; `more` goes below `spec`. */
export function serviceYaml(name: string, more = ''): string {
  return `
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec:
  selector: { app: ${name} }
  ports: [{ name: http, port: 9080 }]
${more}`;
}

/** A WorkloadEntry of a service, with mutual TLS, as YAML. */
export function workloadYaml(name: string, app: string, version: string, address: string): string {
  return `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: default }
spec:
  address: ${address}
  ports: { http: 9080 }
  labels: { app: ${app}, version: ${version} }
  serviceAccount: bookinfo-${app}
`;
}
