// What becomes of calls to hosts that the mesh does not know, by the caller's outboundTrafficPolicy.
import type { VirtualHost } from '../../proxy/config/route.ts';
import type { OutboundTrafficPolicy } from '../model/sidecar.ts';
import { namedCluster, timeouts } from './http-route.ts';
import { meshConfig } from './mesh-trust.ts';
import type { MeshView, Scope } from './mesh-view.ts';
import { keepsIn } from './network-policy.ts';
import { BLACK_HOLE_CLUSTER, PASSTHROUGH_CLUSTER } from './resource-name.ts';
import { sidecarFor } from './sidecar-scope.ts';

/** Port of a host that no service has: what `http://host/` means. */
export const HTTP_PORT = 80;

/** Istio's answer for hosts that may not be called. */
export const BLOCK_ALL: VirtualHost = {
  name: 'block_all',
  domains: ['*'],
  routes: [
    { name: 'block_all', match: { connectMatcher: {} }, directResponse: { status: 502 } },
    { name: 'block_all', match: { prefix: '/' }, directResponse: { status: 502 } },
  ],
};

/** For HTTP. */
export function unknownHost(view: MeshView, scope: Scope): VirtualHost {
  const cluster = unknownCluster(view, scope);
  if (cluster === BLACK_HOLE_CLUSTER) return BLOCK_ALL;
  const connect = { timeout: '0s', upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: {} }] };
  return {
    name: 'allow_any',
    domains: ['*'],
    routes: [
      { name: 'allow_any', match: { connectMatcher: {} }, route: { cluster, ...connect } },
      { name: 'allow_any', match: { prefix: '/' }, route: { cluster, ...timeouts(undefined) } },
    ],
    includeRequestAttemptCount: true,
  };
}

/**
 * The egress proxy, where there is one; else redirected connections go on to where they wanted, unless they may not. An
 * explicit proxy knows of no such place.
 */
export function unknownCluster(view: MeshView, scope: Scope): string {
  const { mode, egressProxy } = policyOf(view, scope);
  if (egressProxy !== undefined) return namedCluster(view.registry, egressProxy, scope.namespace, HTTP_PORT);
  return mode === 'ALLOW_ANY' && scope.redirected === true && !keepsIn(view, scope) ? PASSTHROUGH_CLUSTER
    : BLACK_HOLE_CLUSTER;
}

/** The Sidecar's, the mesh's, else Istio's default; a policy that says nothing is REGISTRY_ONLY. */
function policyOf(view: MeshView, scope: Scope): OutboundTrafficPolicy {
  const policy = scope.isGateway === true ? undefined : sidecarFor(view, scope)?.body.spec?.outboundTrafficPolicy;
  const stated = policy ?? meshConfig(view).outboundTrafficPolicy;
  return stated === undefined ? { mode: 'ALLOW_ANY' } : { mode: 'REGISTRY_ONLY', ...stated };
}
