// OpenApiPolicies of a gateway or workload, as filters; each looks at the requests for its own hosts and paths.
import type { HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import { OPENAPI_TYPE, RBAC_TYPE } from '../../proxy/config/type-url.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { hasLabels } from '../registry/workload.ts';
import type { MeshView } from './mesh-view.ts';
import type { ProxyNode } from './proxy-node.ts';

/** Of the root namespace and the workload's own, that select it. An Envoy, which cannot do it, answers nothing. */
export function openApiFilters({ inventory, settings }: MeshView, node: ProxyNode): HttpFilter[] {
  const policies = inventory.list('OpenApiPolicy').filter((policy) =>
    (policy.namespace === settings.rootNamespace || policy.namespace === node.namespace)
    && hasLabels(node.labels, new Map(Object.entries(policy.body.spec.selector?.matchLabels ?? {}))));
  if (node.isWeft) return policies.map(openApiFilter);
  return policies.some(({ body }) => body.spec.dryRun !== true) ? [NOTHING] : [];
}

const NOTHING: HttpFilter = {
  name: 'weft.filters.http.openapi', typedConfig: { '@type': RBAC_TYPE, rules: { action: 'ALLOW', policies: {} } },
};

function openApiFilter({ namespace, name, body }: MeshObject<'OpenApiPolicy'>): HttpFilter {
  const { hosts, dryRun, document: { basePath, paths } } = body.spec;
  return {
    name: `weft.filters.http.openapi.${namespace}.${name}`,
    typedConfig: {
      '@type': OPENAPI_TYPE, name, paths, statPrefix: `${namespace}.${name}`,
      ...(basePath !== '' && { prefix: basePath }), ...(hosts !== undefined && { hosts }),
      ...(dryRun === true && { dryRun }),
    },
  };
}
