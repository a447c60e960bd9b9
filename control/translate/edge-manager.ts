// The connection manager of a proxy at the edge, whichever kind of Gateway asks for it.
import type { HttpFilter } from '../../proxy/config/http-connection-manager.ts';
import type { NetworkFilter } from '../../proxy/config/listener.ts';
import { STATEFUL_SESSION_TYPE } from '../../proxy/config/type-url.ts';
import type { Inventory } from '../model/inventory.ts';
import type { MeshObject } from '../model/mesh-object.ts';
import { httpAuthorization } from './authorization.ts';
import { credentialFilters } from './egress-credential.ts';
import { httpCustom } from './external-authorization.ts';
import { loginFilters } from './gateway-login.ts';
import { bodyLimit, perimeterSettings, rateLimit } from './gateway-perimeter.ts';
import { httpFilters, SESSION_FILTER } from './http-filter.ts';
import { httpManager } from './http-manager.ts';
import type { MeshView } from './mesh-view.ts';
import { openApiFilters } from './openapi.ts';
import type { ProxyNode } from './proxy-node.ts';
import { tokenFilters } from './request-authentication.ts';
import { telemetry } from './telemetry.ts';

export interface EdgeParts {
  /** Its annotations are the perimeter's limits. */
  readonly gateway: MeshObject<'Gateway'> | MeshObject<'KubernetesGateway'>;
  /** Name of the listener. */
  readonly listener: string;
  /** Name of the route table. */
  readonly table: string;
  readonly grpcWeb: boolean;
}

export function edgeManager(view: MeshView, node: ProxyNode, parts: EdgeParts): NetworkFilter {
  const { gateway, listener, table, grpcWeb } = parts;
  return httpManager({
    role: 'gateway',
    statPrefix: `outbound_${listener}`,
    filters: httpFilters({
      limits: rateLimit(gateway), login: loginFilters(view, node), custom: httpCustom(view, node),
      tokens: tokenFilters(view, node, true),
      apis: [...openApiFilters(view, node), ...bodyLimit(gateway)], credentials: credentialFilters(view, node),
      sessions: sessionFilters(view), authorization: httpAuthorization(view, node), isWeft: node.isWeft,
        isGateway: true,
      grpcWeb,
    }),
    routes: table,
    ...telemetry(view, node, 'CLIENT'),
    ...perimeterSettings(gateway, node),
  });
}

/** Routes say which requests have sessions. */
export function sessionFilters({ inventory }: MeshView): HttpFilter[] {
  return inventory.derived(hasSessions)
    ? [{ name: SESSION_FILTER, typedConfig: { '@type': STATEFUL_SESSION_TYPE } }] : [];
}

function hasSessions(inventory: Inventory): boolean {
  return [...inventory.list('HTTPRoute'), ...inventory.list('GRPCRoute')].some(({ body }) =>
    (body.spec.rules ?? []).some(({ sessionPersistence }) => sessionPersistence !== undefined));
}
