// The container that leads a pod's connections to its sidecar, and ends: the only one with rights over the network.
import { items } from './pod-annotations.ts';
import type { InjectionPlan } from './injection-plan.ts';
import type { Container } from './pod.ts';

export const INIT_NAME = 'istio-init';

export function initContainer(plan: InjectionPlan): Container {
  const { initImage, imagePullPolicy, initResources } = plan.settings;
  return {
    name: INIT_NAME,
    image: initImage,
    ...(imagePullPolicy !== undefined && { imagePullPolicy }),
    args: initArguments(plan),
    resources: initResources,
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsGroup: 0,
      runAsNonRoot: false,
      runAsUser: 0,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}

/** What is as everywhere is not said. */
function initArguments({ mode, redirect, proxyConfig }: InjectionPlan): string[] {
  const option = (name: string, value: string, usual: string): string[] => (
    value === usual ? [] : [`--${name}`, value === '*' ? '*' : items(value).join(',')]);
  const dns = proxyConfig.proxyMetadata?.['ISTIO_META_DNS_CAPTURE'] === 'true';
  return [
    'init',
    ...(mode === 'TPROXY' ? ['--mode', mode] : []),
    ...option('include-inbound-ports', redirect.includeInboundPorts, '*'),
    '--exclude-inbound-ports', redirect.excludeInboundPorts,
    ...option('include-outbound-cidrs', redirect.includeOutboundCidrs, '*'),
    ...option('exclude-outbound-cidrs', redirect.excludeOutboundCidrs, ''),
    ...option('include-outbound-ports', redirect.includeOutboundPorts, ''),
    ...option('exclude-outbound-ports', redirect.excludeOutboundPorts, ''),
    ...(dns ? ['--redirect-dns'] : []),
  ];
}
