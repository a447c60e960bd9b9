// PeerAuthentication: whether a workload's ports take mutual TLS, plaintext, or both (security.istio.io).
import { enumeration } from '../../proxy/config/scalar.ts';
import { map, message, optional, Refusal, type Static } from '../../proxy/config/schema.ts';
import { objectHead } from './object-meta.ts';
import { ALL_WORKLOADS, WorkloadSelector } from './selector.ts';

export const MutualTls = message('istio.security.v1.PeerAuthentication.MutualTLS', {
  mode: optional(enumeration(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']), 'UNSET inherits; PERMISSIVE in the end.'),
});
export interface MutualTls extends Static<typeof MutualTls> {}

export const PeerAuthenticationSpec = message('istio.security.v1.PeerAuthentication', {
  selector: optional(WorkloadSelector, ALL_WORKLOADS),
  mtls: optional(MutualTls, 'Mode of every port.'),
  portLevelMtls: optional(map(MutualTls), 'Mode by workload port; needs a selector.'),
}, {
  check: (spec) => {
    const ports = Object.keys(spec.portLevelMtls ?? {});
    const wrong = ports.find((port) => !/^[1-9][0-9]{0,4}$/.test(port));
    if (wrong !== undefined) return new Refusal(`'${wrong.slice(0, 40)}' is not a port number`, ['portLevelMtls']);
    const selects = Object.keys(spec.selector?.matchLabels ?? {}).length > 0;
    if (ports.length === 0 || selects) return undefined;
    return new Refusal('needs a selector with matchLabels: ports belong to a workload', ['portLevelMtls']);
  },
});
export interface PeerAuthenticationSpec extends Static<typeof PeerAuthenticationSpec> {}

export const PeerAuthentication = message('istio.PeerAuthentication', {
  ...objectHead,
  spec: optional(PeerAuthenticationSpec, 'Modes.'),
});
export interface PeerAuthentication extends Static<typeof PeerAuthentication> {}
